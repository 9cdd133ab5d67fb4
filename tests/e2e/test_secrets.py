"""A password or a token, given in any of the ways there are, shows nowhere but
on the wire: not to who lists processes, reads logs, files or status."""

import base64
import os
import re
import resource
import signal
import unittest
from pathlib import Path

from harness import environment
from harness.hostile import Raw
from harness.hostile_scene import HostileScene
from harness.program import EX_NOPERM

PATIENCE = environment.number("MAILTWIN_E2E_PATIENCE", 60)


class Secrets(HostileScene):
    secret = "canary-t0ken-5ecret"

    def ways(self):
        """Every key that gives a secret, and what the server offers then."""
        file = self.directory / "secret"
        file.touch(mode=0o600)
        file.write_text(self.secret + "\n")
        plain, token = b"AUTH=PLAIN", b"AUTH=XOAUTH2 AUTH=OAUTHBEARER"
        return {
            "password": (self.secret, plain),
            "password_file": (str(file), plain),
            "password_command": (f"sleep 0.3; cat '{file}'", plain),
            "token_command": (f"sleep 0.3; cat '{file}'", token),
        }

    def give(self, key, value, offer):
        self.server.greeting = (b"* OK [CAPABILITY IMAP4rev1 SASL-IR IDLE " +
                                offer + b"] hi\r\n")
        account = {**self.account, key: value}
        if key != "password":
            del account["password"]
        self.program.configure({"home": account})
        self.server.commands.clear()

    def look_at(self, processes):
        """Also at what the commands start, as long as it lives."""
        for pid in processes:
            for name in ("cmdline", "environ", "comm"):
                try:
                    shown = Path(f"/proc/{pid}/{name}").read_bytes()
                except OSError:
                    continue
                self.assertNotIn(self.secret.encode(), shown, (pid, name))

    def look_at_text(self, text):
        self.assertNotIn(self.secret, text)
        for word in re.findall(r"(?:[A-Za-z0-9+/=]{4}){2,}", text):
            self.assertNotIn(self.secret.encode(), base64.b64decode(word))

    def look_at_files(self):
        mine = {self.program.config, self.directory / "secret"}
        for path in self.directory.rglob("*"):
            if path.is_file() and path not in mine:
                self.assertNotIn(self.secret.encode(), path.read_bytes(), path)

    def test_not_during_a_sync(self):
        for key, (value, offer) in self.ways().items():
            with self.subTest(key):
                self.give(key, value, offer)
                process = self.program.start("--verbose", "sync")
                while process.poll() is None:
                    self.look_at([process.pid,
                                  *environment.children(process.pid)])
                self.assertEqual(process.returncode, 0, self.program.log())
                self.assertTrue(any(each.startswith((b"AUTHENTICATE", b"LOGIN"))
                                    for each in self.server.commands))
                self.look_at_files()

    def test_not_when_it_is_refused(self):
        """Not even when the server repeats what it was told."""
        for words in (b"NO [AUTHENTICATIONFAILED] no", b"NO not %s",
                      b"BAD what is %s?", b"NO [ALERT] %s"):
            def refuse(link, tag, text, words=words):
                link.say(tag + b" " + words.replace(b"%s", text) + b"\r\n")

            self.server.answers = {b"AUTHENTICATE": Raw(refuse),
                                   b"LOGIN": Raw(refuse)}
            for key, (value, offer) in self.ways().items():
                with self.subTest(key, words=words):
                    self.give(key, value, offer)
                    done = self.program.run("--verbose", "sync",
                                            expect=EX_NOPERM)
                    self.look_at_text(done.stdout + done.stderr)
                    self.look_at_files()

    def test_not_in_a_daemon_its_status_or_its_core(self):
        limits = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, limits)
        self.addCleanup(self.program.close)
        before = os.getcwd()
        os.chdir(self.directory)
        self.addCleanup(os.chdir, before)
        for key, (value, offer) in self.ways().items():
            with self.subTest(key):
                self.give(key, value, offer)
                daemon = self.program.start_daemon()
                processes = [daemon.pid, *self.program.workers()]
                self.look_at(processes)
                for more in ([], ["--json"]):
                    done = self.program.run("status", *more, expect=None)
                    self.assertNotIn(self.secret, done.stdout + done.stderr)
                for pid in reversed(processes):
                    limit = Path(f"/proc/{pid}/limits").read_text()
                    self.assertRegex(limit, r"Max core file size +0 +0 ")
                    environment.kill(pid, signal.SIGABRT)
                # What the kernel adds for a core that was written.
                self.assertFalse(os.WCOREDUMP(self.wait_for(daemon)))
                self.program.daemon = None
                self.look_at_files()

    @staticmethod
    def wait_for(process):
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGABRT
        return status


class Modes(HostileScene):
    def test_what_is_made_is_its_owners_alone(self):
        """Whatever the umask is that it was started with."""
        theirs = set(self.directory.rglob("*"))
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.addCleanup(self.program.close)
        self.program.start_daemon()
        environment.wait_until(
            lambda: len(self.maildir.all_entries()) == 3, PATIENCE, "mail")
        made = set(self.directory.rglob("*")) - theirs - {
            self.program.log_path}
        self.assertGreater(len(made), 8)
        for path in made:
            self.assertEqual(path.lstat().st_mode & 0o077, 0, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
