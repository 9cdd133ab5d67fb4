"""The real program against a server that says what a test wants."""

import subprocess
import threading
import time
import unittest

from . import environment
from .hostile import HostileServer
from .maildir import Maildir
from .program import EX_UNAVAILABLE, Program, binary

EX_PROTOCOL = 76
REFUSED = (EX_UNAVAILABLE, EX_PROTOCOL)
MIB = 1 << 20
# What a worker may take, whatever the server does; AddressSanitizer's own
# needs are several times as much.
MEMORY_MAX = 64 * MIB
SANITIZED_MEMORY_MAX = 400 * MIB
PASSWORD = "canary-pa55word"


def is_sanitized():
    with open(binary(), "rb") as file:
        return b"__asan_init" in file.read()


def peak_memory(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


class HostileScene(unittest.TestCase):
    def setUp(self):
        self.directory = environment.temporary_directory("hostile")
        self.directory.chmod(0o700)
        self.addCleanup(environment.remove_tree, self.directory)
        self.server = HostileServer()
        self.addCleanup(self.server.close)
        self.maildir = Maildir(self.directory / "mail", "fs")
        for name in ("cur", "new", "tmp"):
            (self.maildir.root / "INBOX" / name).mkdir(0o700, parents=True)
        self.account = {
            "host": "127.0.0.1", "port": self.server.port, "tls": "off",
            "user": "me", "password": PASSWORD,
            "maildir": str(self.maildir.root)}
        self.program = Program(self.directory, {"home": self.account})
        self.memory_max = (SANITIZED_MEMORY_MAX if is_sanitized()
                           else MEMORY_MAX)

    def tree(self):
        return {str(path): path.read_bytes() if path.is_file() else None
                for path in self.maildir.root.rglob("*")}

    def honest_sync(self):
        self.program.sync()
        self.assertEqual(len(self.maildir.all_entries()), 3)

    def sync(self, timeout=120):
        """Exit code, log, and the peak memory of the workers."""
        process = subprocess.Popen(
            self.program.command("--verbose", "sync"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**self.program.environment(),
                 "ASAN_OPTIONS": "quarantine_size_mb=8"})
        said = []
        reader = threading.Thread(
            target=lambda: said.append(process.stdout.read()))
        reader.start()
        peak = 0
        deadline = time.monotonic() + timeout
        while process.poll() is None:
            for pid in environment.children(process.pid):
                peak = max(peak, peak_memory(pid))
            if time.monotonic() > deadline:
                environment.end_tree(process)
                self.fail("sync does not end")
            time.sleep(0.005)
        reader.join()
        process.stdout.close()
        return process.returncode, said[0], peak

    def check(self, expect, words=None):
        """One sync against what the server says: refused, and no trace."""
        before = self.tree()
        del self.server.commands[:]
        code, log, peak = self.sync()
        text = log.decode(errors="replace")
        self.assertIn(code, expect, text)
        for bad in ("AddressSanitizer", "runtime error", "internal",
                    PASSWORD, "\033"):
            self.assertNotIn(bad, text)
        if words:
            self.assertIn(words, text)
        self.assertEqual(self.server.changing_commands(), [], text)
        self.assertEqual(self.tree(), before, text)
        self.assertLess(peak, self.memory_max, text)
        print(f"{self.id().split('.')[-1]}: exit {code}, "
              f"{peak // 1024} KiB: {text.strip().splitlines()[-1][:120]}")

    def refuses(self, answers, expect=REFUSED, words=None):
        self.server.answers = answers
        self.check(expect, words)
        self.server.answers = {}
