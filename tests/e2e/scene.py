"""What every end-to-end test module shares.

CTest runs a module several times with other settings in the environment:

    MAILTWIN              the program
    MAILTWIN_E2E_SERVER   dovecot or cyrus
    MAILTWIN_E2E_RUNG     qresync, condstore or plain
    MAILTWIN_E2E_TLS      off, implicit or starttls
    MAILTWIN_E2E_LAYOUT   fs or maildir++
    MAILTWIN_E2E_DRIVE    sync or daemon
    MAILTWIN_E2E_STORAGE  Dovecot's own: mdbox or maildir
    MAILTWIN_E2E_COMPRESS on: COMPRESS=DEFLATE even on this machine
    MAILTWIN_E2E_PART     K/N: every N-th test of a class, from the K-th on
    MAILTWIN_E2E_SKIP     servers not to be missed, by name
    MAILTWIN_E2E_KEEP     a directory for the worlds of tests that fail

A server that is missing is a failure unless MAILTWIN_E2E_SKIP names it."""

import os
import re
import shutil
import unittest
from pathlib import Path

from harness import environment
from harness.cyrus import Cyrus
from harness.dovecot import Dovecot
from harness.world import World

SERVERS = {"dovecot": Dovecot, "cyrus": Cyrus}


def setting(name, default):
    return os.environ.get(f"MAILTWIN_E2E_{name}", default)


SERVER = setting("SERVER", "dovecot")
RUNG = setting("RUNG", "qresync")
TLS = setting("TLS", "off")
LAYOUT = setting("LAYOUT", "fs")
DRIVE = setting("DRIVE", "sync")
STORAGE = setting("STORAGE", "mdbox")
COMPRESS = setting("COMPRESS", "auto")
PART = setting("PART", "0/1")
# A build with sanitizers on a busy machine is slow; a hang is longer.
PATIENCE = environment.number("MAILTWIN_E2E_PATIENCE", 30)


class Scene(unittest.TestCase):
    """One server per module; worlds are closed when their test ends."""

    server = None
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        kind = SERVERS[SERVER]
        missing = kind.missing()
        if missing and SERVER in setting("SKIP", "").split(","):
            raise unittest.SkipTest(missing)
        if missing:
            raise environment.Failure(missing)
        options = {"storage": STORAGE, "compress": COMPRESS == "on"}
        cls.server = kind(**(options if SERVER == "dovecot" else {}))
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def run(self, result=None):
        """Nothing, when the test is of another part."""
        part, count = map(int, PART.split("/"))
        names = unittest.defaultTestLoader.getTestCaseNames(type(self))
        if names.index(self._testMethodName) % count != part:
            return result
        return super().run(result)

    def user(self):
        return re.sub(r"[^a-z0-9]", "", self.id().split(".")[-1].lower())[:40]

    def world(self, **options):
        settings = {"rung": RUNG, "tls": TLS, "layout": LAYOUT,
                    "compress": COMPRESS, **options}
        if settings.get("with_proxy"):
            settings["tls"] = "off"
        name = settings.pop("user", None) or self.user()
        world = World(self.server, name, **settings)
        self.addCleanup(self.leave, world)
        return world

    def leave(self, world):
        if self.failed() and world.program.log():
            print(f"--- {self.id()}: the daemon's log ends with\n"
                  f"{world.program.log()[-4000:]}")
        world.program.close()
        if self.failed() and setting("KEEP", ""):
            shutil.copytree(world.directory,
                            Path(setting("KEEP", "")) / world.directory.name,
                            symlinks=True,
                            ignore=shutil.ignore_patterns("run"))
        world.close()

    def failed(self):
        outcome = self._outcome
        result = getattr(outcome, "result", None)
        bad = getattr(result, "failures", []) + getattr(result, "errors", [])
        return any(test is self for test, _ in bad)


main = unittest.main
