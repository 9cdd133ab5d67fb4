"""A server that lies, floods and stalls: a clear error, nothing changed on
either side, no crash, and bounded memory."""

import base64
import time
import unittest

from harness import environment
from harness.hostile import HONEST, Raw
from harness.hostile_scene import EX_PROTOCOL, MIB, REFUSED, HostileScene
from harness.program import EX_NOPERM, EX_OK


class Hostile(HostileScene):
    # Greeting and login

    def test_greetings_that_are_none(self):
        for greeting in (b"* NO go away\r\n", b"+ go ahead\r\n",
                         b"a1 OK hello\r\n", b"* CAPABILITY IMAP4rev1\r\n",
                         b"* BYE \x1b[31m\x07busy\r\n"):
            with self.subTest(greeting=greeting):
                self.server.greeting = greeting
                self.check(REFUSED)
                self.assertEqual(self.server.commands, [])

    def test_starttls_is_not_got_around(self):
        """STARTTLS wanted, and every way not to have it."""
        self.account["tls"] = "starttls"
        self.program.configure({"home": self.account})
        greet = b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] hi\r\n"
        cases = {
            "not offered": (b"* OK [CAPABILITY IMAP4rev1] hi\r\n", None),
            "login allowed": (
                b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", None),
            "preauth": (b"* PREAUTH [CAPABILITY IMAP4rev1] in\r\n", None),
            "referral": (b"* BYE [REFERRAL imap://evil/] go\r\n", None),
            "no": (greet, b"%s NO not now\r\n"),
            "bad": (greet, b"%s BAD what\r\n"),
            "preauth answer": (greet, b"* PREAUTH in\r\n%s NO\r\n"),
            "injected": (greet, b"%s OK go\r\n* CAPABILITY IMAP4rev1\r\n"),
            "injected ok": (greet, b"%s OK go\r\nx1 OK in\r\n"),
            "plaintext after": (greet, b"%s OK go\r\n"),
        }
        for name, (greeting, answer) in cases.items():
            with self.subTest(name):
                self.server.greeting = greeting
                answers = {}
                if answer:
                    answers[b"STARTTLS"] = Raw(
                        lambda link, tag, text, answer=answer: (
                            link.say(answer.replace(b"%s", tag)),
                            link.say(b"* OK no handshake\r\n")))
                self.refuses(answers)
                said = b" ".join(self.server.commands).upper()
                self.assertNotIn(b"LOGIN", said)
                self.assertNotIn(b"AUTHENTICATE", said)

    def test_login_refused_is_an_auth_error(self):
        self.refuses({b"LOGIN": Raw(lambda link, tag, text: link.say(
            tag + b" NO [AUTHENTICATIONFAILED] \x1b[2Jwrong " +
            b"x" * 1_000_000 + b"\r\n"))}, (EX_NOPERM,))

    def test_tagged_ok_for_tags_not_sent(self):
        """Guessed tags count for nothing, and are not predictable."""
        self.server.greeting += b"".join(
            b"%s%d OK in\r\n" % (prefix, number) for prefix in
            (b"a", b"A", b"t", b"") for number in range(1, 50))
        self.honest_sync()

    def scram(self, first, final):
        """Challenges in base64 by a server that wants SCRAM."""
        def speak(link, tag, text):
            nonce = base64.b64decode(text.split()[-1]).split(b"r=")[1]
            link.say(b"+ " + base64.b64encode(
                first.replace(b"NONCE", nonce)) + b"\r\n")
            if link.read_line() != b"*" and final:
                link.say(b"+ " + base64.b64encode(final) + b"\r\n")
                link.read_line()
            link.say(tag + b" OK welcome\r\n")
        return {b"AUTHENTICATE": Raw(speak)}

    def test_scram_needs_a_server_that_proves_itself(self):
        self.server.greeting = (b"* OK [CAPABILITY IMAP4rev1 SASL-IR "
                                b"AUTH=SCRAM-SHA-256] hi\r\n")
        cases = (
            (b"r=NONCEx,s=c2FsdA==,i=4096", b"v=" + b"A" * 43 + b"="),
            (b"r=NONCEx,s=c2FsdA==,i=4096", None),
            (b"r=NONCEx,s=c2FsdA==,i=4096", b"v="),
            (b"r=NONCEx,s=c2FsdA==,i=1", None),
            (b"r=NONCEx,s=c2FsdA==,i=2147483648", None),
            (b"r=other,s=c2FsdA==,i=4096", None),
            (b"r=NONCEx,s=", None),
            (b"", None),
        )
        for first, final in cases:
            with self.subTest(first=first, final=final):
                start = time.monotonic()
                self.refuses(self.scram(first, final), (EX_NOPERM,))
                self.assertLess(time.monotonic() - start, 30)

    # Once logged in

    def test_literals_that_lie(self):
        self.honest_sync()
        for size in (b"2147483648", b"4294967296", b"9223372036854775808",
                     b"18446744073709551616", b"-1", b"", b"99999999"):
            with self.subTest(size=size):
                said = b'* LIST () "/" {' + size + b"}\r\nINBOX"
                self.refuses({b"LIST": Raw(
                    lambda link, tag, text, said=said: (
                        link.say(said), link.peer.close()))})

    def test_endless_lines_and_floods_end(self):
        self.honest_sync()
        floods = {
            "line": b"x", "nested": b"(", "literals": b" {1}\r\nx",
            "quoted": b'"aaaaaaaaaaaaaaa" ',
        }
        for name, data in floods.items():
            with self.subTest(name):
                self.refuses({b"SELECT": Raw(
                    lambda link, tag, text, data=data: (
                        link.say(b"* LIST "),
                        link.flood(data, 64 * MIB)))}, (EX_PROTOCOL,))

    def floods(self, verb, data):
        """The same for ever, in place of an answer to `verb`."""
        self.refuses({verb: Raw(
            lambda link, tag, text: link.flood(data, 1 << 40))},
            (EX_PROTOCOL,), "more and more without an answer")

    def test_continuations_without_an_end_end(self):
        self.floods(b"LOGIN", b"+ %s\r\n" % (b"go ahead " * 20))

    def test_short_untagged_lines_without_an_end_end(self):
        self.honest_sync()
        self.floods(b"SELECT", b"* OK still here\r\n")

    def test_messages_nobody_asked_for_end(self):
        body = b"x" * 60_000
        self.server.answers = {b"UID FETCH": b""}
        self.sync()
        self.floods(b"UID FETCH", b"* 1 FETCH (UID 9 BODY[] {%d}\r\n%s)\r\n" %
                    (len(body), body))

    def test_many_mailboxes_end(self):
        self.honest_sync()
        self.refuses({b"LIST": Raw(lambda link, tag, text: (
            link.flood(b'* LIST () "/" aaaaaaaa\r\n', 16 * MIB),
            link.peer.close()))})

    def test_huge_numbers_delete_nothing(self):
        self.honest_sync()
        for said in (b"* 4294967296 EXISTS\r\n", b"* 4294967295 EXISTS\r\n",
                     b"* VANISHED 1:4294967295\r\n",
                     b"* VANISHED (EARLIER) 1:4294967295\r\n",
                     b"* 0 EXPUNGE\r\n* 4294967295 EXPUNGE\r\n"):
            with self.subTest(said=said):
                answer = {b"SELECT": HONEST[b"SELECT"] + said}
                self.refuses(answer, (EX_OK, 1, *REFUSED))

    def test_names_that_lead_out_of_the_maildir(self):
        names = [b"../up", b"/etc/passwd", b"a/../../b", b"cur", b"new", b"tmp",
                 b".hidden", b"-rf", b"a\0b", b"`id`", b"$(id)", b"&AAA-",

                 b"&AC8-x", b"&", b"x" * 5000, b"\xff\xfe", b"..", b"INBOX/cur"]
        listed = b"".join(b'* LIST () "/" {%d}\r\n%s\r\n' % (len(name), name)
                          for name in names if b"\0" not in name)
        self.server.answers = {b"LIST": b'* LIST () "/" INBOX\r\n' + listed}
        before = set(self.directory.iterdir())
        code, log, _ = self.sync()
        self.assertNotIn(b"AddressSanitizer", log)
        self.assertIn(code, (EX_OK, 1), log)
        new = set(self.directory.iterdir()) - before
        self.assertLessEqual({path.name for path in new},
                             {"mail", "state", "run"})
        for path in self.maildir.root.rglob("*"):
            relative = path.relative_to(self.maildir.root).parts
            self.assertFalse(any(part.startswith(".") for part in relative),
                             path)

    def test_a_folder_that_is_a_symlink_is_not_followed(self):
        outside = self.directory / "outside"
        for name in ("cur", "new", "tmp"):
            (outside / name).mkdir(parents=True)
        environment.remove_tree(self.maildir.root / "INBOX")
        (self.maildir.root / "INBOX").symlink_to(outside)
        code, log, _ = self.sync()
        self.assertNotEqual(code, EX_OK, log)
        self.assertEqual([path for path in outside.rglob("*")
                          if path.is_file()], [])
        self.assertEqual(self.server.changing_commands(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
