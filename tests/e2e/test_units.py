"""What a daemon and its workers ask of the kernel is what the unit lets them."""

import re
import shutil
import sys
import unittest

from harness import environment
from harness.hostile_scene import HostileScene

sys.path.insert(0, str(environment.TOP / "tests" / "lint"))
import units  # noqa: E402 pylint: disable=wrong-import-position

PATIENCE = environment.number("MAILTWIN_E2E_PATIENCE", 120)
# What a worker gives up by itself, though the unit did it before.
MAY_FAIL = {"capset"}


class Units(HostileScene):
    def test_every_system_call_is_allowed(self):
        for tool in ("strace", "systemd-analyze"):
            if not shutil.which(tool):
                self.skipTest(f"no {tool} here")
        trace = self.directory / "trace"
        self.program.wrapper = ["strace", "-D", "-f", "-q", "-A", "-o",
                                str(trace)]
        self.program.variables = {"ASAN_OPTIONS": "detect_leaks=0"}
        self.addCleanup(self.program.close)
        daemon = self.program.start_daemon(timeout=PATIENCE)
        environment.wait_until(
            lambda: len(self.maildir.all_entries()) == 3, PATIENCE, "mail")
        self.assertEqual(self.program.stop_daemon(PATIENCE), 0)
        environment.wait_until(
            lambda: re.search(rf"^{daemon.pid} +\+\+\+", self.read(trace),
                              re.M), PATIENCE, "the end of the trace")
        calls = set(re.findall(r"^\d+ +(\w+)\(", self.read(trace), re.M))
        unit = environment.TOP / "doc/systemd/mailtwin@.service.in"
        allowed = units.allowed_calls(unit.read_text(), units.call_sets())
        self.assertLessEqual(units.OWN_CALLS | {"epoll_wait"}, calls)
        self.assertEqual(calls - allowed - MAY_FAIL, set())

    @staticmethod
    def read(path):
        return path.read_text(errors="replace")


if __name__ == "__main__":
    unittest.main(verbosity=2)
