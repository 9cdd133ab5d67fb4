"""Runs mailtwin under the stepper of tests/step: killed, or with a failing
system call, at a chosen place."""

import os
import subprocess
from collections import namedtuple
from pathlib import Path

from . import environment

Call = namedtuple("Call", "number thread name path deed")
CANNOT = 125


def binary():
    named = os.environ.get("MAILTWIN_STEP")
    if named:
        return named
    for path in (environment.TOP / "build").glob("*/tests/step/step"):
        return str(path)
    return None


def missing():
    """Why there is no stepping here, or None."""
    if not binary():
        return "no stepper: it is made for x86-64 only"
    if os.getuid() != 0:
        return "only root may look into a worker"
    done = subprocess.run([binary(), "count", "--", "true"],
                          capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode == CANNOT else None


def tracing_environment():
    """The leak checker traces, too, and there is room for one only."""
    given = os.environ.get("ASAN_OPTIONS", "")
    return {"ASAN_OPTIONS": f"{given}:detect_leaks=0".lstrip(":")}


class Step:
    """What to do at which call, as arguments: "kill-before", 17."""

    def __init__(self, world, *what, kind="change", name=None, path=None):
        self.log_path = world.directory / "step.log"
        self.program = world.program
        self.what = [str(each) for each in what]
        self.options = ["--log", str(self.log_path), "--kind", kind]
        if name:
            self.options += ["--name", name]
        if path:
            self.options += ["--path", path]
        self.code = None
        self.output = ""

    def __str__(self):
        lines = [f"{' '.join(self.options[2:] + self.what)}: "
                 f"exit code {self.code}", self.output[-3000:]]
        return "\n".join(lines + [" ".join(call) for call in self.acted()])

    def command(self):
        return [binary(), *self.options, *self.what, "--"]

    def run(self, *arguments, timeout=300):
        done = subprocess.run(
            self.command() + self.program.command(*arguments),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=timeout, check=False,
            env=self.program.environment(**tracing_environment()))
        self.code = done.returncode
        self.output = done.stderr
        self.program.check_secrets(done.stdout + done.stderr)
        if self.code == CANNOT:
            raise environment.Failure(done.stderr)
        return self

    def start(self, *arguments):
        return self.program.start(*arguments, wrapper=self.command(),
                                  **tracing_environment())

    def calls(self):
        if not Path(self.log_path).exists():
            return []
        lines = self.log_path.read_text(errors="replace").splitlines()
        # Of a stepper at work the last line may be half a line.
        return [Call(*line.split("\t")) for line in lines
                if line.count("\t") == 4]

    def count(self):
        return max((int(call.number) for call in self.calls()), default=0)

    def first(self):
        """Index of the call behind the first of those."""
        return next(index + 1 for index, call in enumerate(self.calls())
                    if call.deed)

    def acted(self):
        """The calls that were killed, failed or cut short."""
        return [call for call in self.calls() if call.deed]
