"""A server that keeps saying something and never comes to an end: a deadline
does. Every case waits at the same time as the others."""

import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from harness import environment
from harness.hostile import HostileServer, Raw
from harness.hostile_scene import HostileScene
from harness.maildir import Maildir
from harness.program import EX_UNAVAILABLE, Program

GREETING = b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"
PATIENCE = environment.number("MAILTWIN_E2E_PATIENCE", 180)


def drip(data, pause=1.0):
    """One octet, or whatever `data` has, after the other, for ever."""
    def speak(link, *_):
        while True:
            for piece in data:
                link.say(piece if isinstance(piece, bytes)
                         else bytes([piece]))
                time.sleep(pause)
    return speak


def keep_open(said):
    def speak(link, tag="", _text=""):
        link.say(said.replace(b"%s", tag or b""))
        time.sleep(10 * PATIENCE)
    return speak


class Slow(HostileScene):
    CASES = {
        # What it does; the words that tell of it.
        "silent": (keep_open(b""), {}, "off", "not answered for 30 s"),
        "no greeting": (keep_open(b"\0\0\0\r\n"), {}, "off",
                        "not answered for 30 s"),
        "greeting octet by octet": (drip(b"* OK hello" + b" hello" * 100), {},
                                    "off", "too slow"),
        "login octet by octet": (GREETING, {b"LOGIN": Raw(drip(b"* OK wait"))},
                                 "off", "too slow"),
        "login line by line": (
            GREETING, {b"LOGIN": Raw(drip([b"* OK still here\r\n"], 2))},
            "off", "too slow"),
        "login with continuations": (
            GREETING, {b"LOGIN": Raw(drip([b"+ go on\r\n"], 2))},
            "off", "too slow"),
        "STARTTLS and a BYE": (
            GREETING, {b"STARTTLS": Raw(keep_open(b"* BYE\r\n%s OK\r\n"))},
            "starttls", "TLS handshake with '127.0.0.1' takes too long"),
        "TLS octet by octet": (
            drip(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" * 99), {},
            "implicit", "TLS handshake with '127.0.0.1' takes too long"),
    }

    def one(self, name):
        """What is wrong with it, or None."""
        greeting, answers, tls, words = self.CASES[name]
        directory = self.directory / name.replace(" ", "-")
        server = HostileServer()
        self.addCleanup(server.close)
        server.greeting, server.answers = greeting, answers
        maildir = Maildir(directory / "mail", "fs")
        for each in ("cur", "new", "tmp"):
            (maildir.root / "INBOX" / each).mkdir(0o700, parents=True)
        directory.chmod(0o700)
        account = {**self.account, "port": server.port, "tls": tls,
                   "maildir": str(maildir.root)}
        program = Program(directory, {"home": account})
        start = time.monotonic()
        done = program.sync(expect=None, timeout=PATIENCE)
        said = (f"{name}: exit {done.returncode} after "
                f"{time.monotonic() - start:.0f} s: {done.stderr.strip()}")
        print(said)
        if (done.returncode != EX_UNAVAILABLE or words not in done.stderr or
                maildir.all_entries() or server.changing_commands()):
            return said
        return None

    def test_a_deadline_ends_it(self):
        with ThreadPoolExecutor(len(self.CASES)) as threads:
            wrong = list(threads.map(self.one, self.CASES))
        self.assertEqual([each for each in wrong if each], [])

    def test_a_body_octet_by_octet(self):
        """Once logged in there is an hour of patience."""
        if not environment.number("MAILTWIN_E2E_SLOW", 0):
            self.skipTest("an hour: MAILTWIN_E2E_SLOW=1")
        self.server.answers = {b"UID FETCH": Raw(drip(
            [b"* 1 FETCH (UID 1 BODY[] {999999}\r\n"] + [b"x"] * 999_999))}
        code, log, _ = self.sync(timeout=4000)
        self.assertEqual(code, EX_UNAVAILABLE, log)
        self.assertIn(b"too slow", log)
        self.assertEqual(self.maildir.all_entries(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
