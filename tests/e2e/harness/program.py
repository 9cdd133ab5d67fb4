"""Runs mailtwin as a person would: a configuration file and the command."""

import json
import os
import signal
import subprocess

from . import environment

EX_OK, EX_HELD, EX_USAGE, EX_UNAVAILABLE = 0, 1, 64, 69
EX_NOPERM, EX_CONFIG = 77, 78


def binary():
    named = os.environ.get("MAILTWIN")
    if named:
        return named
    for preset in ("debug", "release"):
        for path in (environment.TOP / "build" / preset).rglob("mailtwin"):
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    raise environment.Failure("mailtwin is not built: script/test does it")


def to_yaml(value, indent=0):
    """dict, list and scalar as block YAML; JSON's strings are YAML's."""
    pad = "  " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{pad}{key}:", to_yaml(item, indent + 1)]
        else:
            lines.append(f"{pad}{key}: {json.dumps(item)}")
    return "\n".join(lines)


class Program:
    """One configuration, its state, and the processes that use them."""

    def __init__(self, directory, accounts, **top):
        self.directory = directory
        self.config = directory / "config.yaml"
        self.state = directory / "state"
        self.log_path = directory / "daemon.log"
        self.secrets = set()
        self.daemon = None
        self.wrapper = []  # a command that runs the program
        self.variables = {}
        self.configure(accounts, **top)

    def configure(self, accounts, **top):
        settings = {"state_dir": str(self.state),
                    "runtime_dir": str(self.directory / "run"),
                    **top, "accounts": accounts}
        for account in accounts.values():
            if "password" in account:
                self.secrets.add(account["password"])
        self.write_config(to_yaml(settings) + "\n")

    def write_config(self, text):
        self.config.touch(mode=0o600)
        self.config.write_text(text)

    def become(self, owner):
        """Runs as another user, who gets all that is there."""
        for path in [self.directory, *self.directory.rglob("*")]:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self.wrapper = [
            "setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}",
            "--clear-groups", "--inh-caps=-all"]

    def command(self, *arguments):
        return [*self.wrapper, binary(), "--config", str(self.config),
                *arguments]

    def environment(self, **more):
        extra = {"HOME": str(self.directory), "LC_ALL": "C.UTF-8"}
        return {**os.environ, **extra, **self.variables, **more}

    def run(self, *arguments, expect=EX_OK, timeout=300):
        """Runs to the end. `expect`: the exit code, several, or None."""
        done = subprocess.run(
            self.command(*arguments), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace",
            timeout=timeout, env=self.environment(), check=False)
        self.check_secrets(done.stdout + done.stderr)
        wanted = (expect,) if isinstance(expect, int) else expect
        if wanted is not None and done.returncode not in wanted:
            raise environment.Failure(
                f"{' '.join(arguments)}: exit code {done.returncode}, not "
                f"{expect}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    def start(self, *arguments, wrapper=(), **environment_):
        """Starts a command, below another if need be, and does not wait."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                [*wrapper, *self.command(*arguments)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(**environment_), start_new_session=True)

    def sync(self, *arguments, expect=EX_OK, timeout=300):
        return self.run("sync", *arguments, expect=expect, timeout=timeout)

    def check_secrets(self, text):
        for secret in self.secrets:
            if secret in text:
                raise environment.Failure(f"a password was shown: {text}")

    # The daemon

    def start_daemon(self, wait=True, timeout=120):
        self.daemon = self.start("daemon")
        if wait:
            self.wait_for_state("watching", timeout)
        return self.daemon

    def wait_for_state(self, state, timeout=60):
        environment.wait_until(
            lambda: state in self.states(), timeout,
            f"state {state}: {self.states()}", pause=0.1)

    def states(self):
        self.check_daemon()
        done = self.run("status", "--json", expect=None)
        try:
            accounts = json.loads(done.stdout)["accounts"]
        except (ValueError, KeyError, TypeError):
            return []
        return [account["state"] for account in accounts]

    def status(self):
        return json.loads(self.run("status", "--json", expect=None).stdout)

    def check_daemon(self):
        if self.daemon and self.daemon.poll() is not None:
            raise environment.Failure(
                f"the daemon ended with {self.daemon.returncode}:\n"
                f"{self.log()[-6000:]}")

    def workers(self):
        return environment.children(self.daemon.pid)

    def stop_daemon(self, timeout=20):
        """Asks with SIGTERM. Returns the exit code."""
        if not self.daemon:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(timeout)
            except subprocess.TimeoutExpired:
                environment.end_tree(self.daemon)
                raise environment.Failure(
                    f"the daemon did not stop:\n{self.log()[-4000:]}")
        code = self.daemon.returncode
        self.daemon = None
        self.check_secrets(self.log())
        return code

    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            environment.end_tree(self.daemon)
        self.daemon = None
