"""A server that lies, floods and stalls: a clear error, nothing changed on
either side, no crash, and bounded memory."""

import base64
import re
import ssl
import time
import unittest

from harness import environment, tls
from harness.hostile import HONEST, Raw
from harness.hostile_scene import EX_PROTOCOL, MIB, REFUSED, HostileScene
from harness.program import EX_HELD, EX_NOPERM, EX_OK, EX_UNAVAILABLE


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
            "data before": (
                greet + b'* LIST () "/" evil\r\n* LSUB () "/" evil\r\n'
                b"* STATUS evil (MESSAGES 1)\r\n* SEARCH 1 2\r\n* FLAGS ()"
                b"\r\n* 9 EXISTS\r\n* 9 RECENT\r\n* 1 EXPUNGE\r\n"
                b"* 1 FETCH (UID 1 BODY[] {3}\r\nbad)\r\n* VANISHED 1:9\r\n"
                b"* ENABLED QRESYNC\r\n* NAMESPACE NIL NIL NIL\r\n"
                b"* OK [ALERT] call\r\n", b"%s OK go\r\n"),
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

    def test_certificates_that_are_not_the_servers(self):
        good, other, old = (self.directory / name
                            for name in ("good", "other", "old"))
        for each in (good, other, old):
            each.mkdir()
        authority, *server = tls.make_certificate(good)
        _, *elsewhere = tls.make_certificate(other)
        old_authority, *expired = tls.make_certificate(old, days=-1)
        _, *misnamed = tls.make_certificate(
            other, names=("DNS:imap.example.org",))
        pin = base64.b64encode(bytes(32)).decode()
        cases = {
            "good": (server, authority, {}, None),
            "wrong name": (misnamed, other / "ca.pem", {},
                           "certificate of '127.0.0.1' is for another name"),
            "expired": (expired, old_authority, {}, "has expired"),
            "self-signed": (tls.make_self_signed(good), authority, {},
                            "is self-signed"),
            "unknown authority": (elsewhere, authority, {},
                                  "is not signed by a trusted authority"),
            "not the system's": (server, None, {},
                                 "is not signed by a trusted authority"),
            "wrong pin": (server, authority, {"tls_pin": pin},
                          "pin does not match (got "),
            "TLS 1.1": (server, authority, {}, "TLS with '127.0.0.1' failed"),
        }
        for name, (pair, trusted, keys, words) in cases.items():
            with self.subTest(name):
                self.server.tls = self.tls_context(pair, name == "TLS 1.1")
                account = {**self.account, "tls": "implicit", **keys}
                if trusted:
                    account["tls_ca_file"] = str(trusted)
                self.program.configure({"home": account})
                if words is None:
                    self.honest_sync()
                    continue
                self.check((EX_UNAVAILABLE,), words)
                self.assertEqual(self.server.commands, [])
                done = self.program.run("check", expect=EX_UNAVAILABLE)
                self.assertIn(words, done.stdout + done.stderr)

    @staticmethod
    def tls_context(pair, is_old):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        if is_old:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

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

    def test_too_many_capabilities(self):
        for said, words in (
                (b" X" * 201, "server lists 202 capabilities (limit 200)"),
                (b" " + b"x" * 5000, "capabilities of 5011 octets")):
            self.server.greeting = (b"* OK [CAPABILITY IMAP4rev1" + said +
                                    b"] hi\r\n")
            self.check((EX_PROTOCOL,), words)

    def test_keywords_without_number(self):
        keywords = b" ".join([b"x" * 1_000] + [
            b"k%d" % number for number in range(10_000)])
        self.server.answers = {
            b"SELECT": HONEST[b"SELECT"] + b"* FLAGS (" + keywords + b")\r\n",
            b"UID FETCH": lambda text: HONEST[b"UID FETCH"](text).replace(
                b"\\Seen", b"\\Seen " + keywords)}
        code, log, peak = self.sync()
        self.assertIn(code, (EX_OK, EX_HELD), log)
        self.assertLess(peak, self.memory_max)
        self.assertEqual(len(self.maildir.all_entries()), 3)
        listed = self.maildir.keywords("INBOX")
        self.assertLessEqual(len(listed), 26)
        self.assertLessEqual(max(map(len, listed.values())), 64)
        self.assertEqual(self.server.changing_commands(), [])

    def test_many_mailboxes_end(self):
        self.honest_sync()
        self.refuses({b"LIST": Raw(lambda link, tag, text: (
            link.flood(b'* LIST () "/" aaaaaaaa\r\n', 16 * MIB),
            link.peer.close()))})

    def test_codes_of_other_commands_mean_nothing(self):
        self.honest_sync()
        for code in (b"APPENDUID 7 20", b"APPENDUID 7 1:4294967295",
                     b"COPYUID 7 1:4294967295 1", b"COPYUID 7 1,2,3 9",
                     b"UIDVALIDITY 9", b"UIDNEXT 1", b"MODIFIED 1:*",
                     b"HIGHESTMODSEQ 18446744073709551615", b"CLOSED",
                     b"MESSAGELIMIT 1 1", b"READ-ONLY", b"X-" + b"x" * 5000):
            with self.subTest(code=code[:30]):
                self.server.done = b" OK [" + code + b"] done\r\n"
                self.check((EX_OK, EX_HELD))

    def test_mail_without_headers_is_mail(self):
        bodies = [b"\r\n", b"", b"\r\nonly a body", b"A: only a header",
                  b"A: b\r\n", b"\n", b"\r", b"no colon\r\n\r\n",
                  b" folded first\r\n\r\n", b":\r\n\r\n", b"\r\n" * 5000]

        def fetch(text):
            said = []
            for uid, body in enumerate(bodies, 1):
                items = b"FLAGS () RFC822.SIZE %d" % len(body)
                if b"BODY.PEEK[]" in text:
                    items = b"BODY[] {%d}\r\n%s" % (len(body), body)
                said.append(b"* %d FETCH (UID %d %s)\r\n" % (uid, uid, items))
            return b"".join(said)

        count = len(bodies)
        uids = b" ".join(b"%d" % uid for uid in range(1, count + 1))
        self.server.answers = {
            b"STATUS": b"* STATUS INBOX (MESSAGES %d UIDNEXT %d UIDVALIDITY 7 "
                       b"UNSEEN 0)\r\n" % (count, count + 1),
            b"SELECT": HONEST[b"SELECT"] + b"* %d EXISTS\r\n"
                       b"* OK [UIDNEXT %d] n\r\n" % (count, count + 1),
            b"UID SEARCH": b"* SEARCH " + uids + b"\r\n", b"UID FETCH": fetch}
        code, log, _ = self.sync()
        self.assertEqual(code, EX_OK, log)
        self.assertEqual(
            sorted(entry.read().replace(b"\r\n", b"\n")
                   for entry in self.maildir.all_entries()),
            sorted(body.replace(b"\r\n", b"\n") for body in bodies))

    def test_huge_numbers_delete_nothing(self):
        self.honest_sync()
        for said in (b"* 4294967296 EXISTS\r\n", b"* 4294967295 EXISTS\r\n",
                     b"* VANISHED 1:4294967295\r\n",
                     b"* VANISHED (EARLIER) 1:4294967295\r\n",
                     b"* 0 EXPUNGE\r\n* 4294967295 EXPUNGE\r\n",
                     b"* 0 FETCH (FLAGS ())\r\n* 4294967295 FETCH (UID 9)\r\n"
                     b"* 4 FETCH (UID 4294967295 FLAGS (\\Deleted))\r\n"):
            with self.subTest(said=said):
                answer = {b"SELECT": HONEST[b"SELECT"] + said}
                self.refuses(answer, (EX_OK, 1, *REFUSED))

    def test_answers_may_be_absent_or_empty(self):
        """As little as the grammar allows, or nothing but a tagged OK."""
        self.honest_sync()
        for verb in HONEST:
            with self.subTest(verb):
                self.refuses({verb: b""}, (EX_OK, EX_HELD, *REFUSED))
        for verb, said in (
                (b"CAPABILITY", b"* CAPABILITY\r\n"),
                (b"LIST", b'* LIST () NIL ""\r\n'),
                (b"LIST", b"* LIST\r\n* LIST ()\r\n"),
                (b"STATUS", b"* STATUS INBOX ()\r\n* STATUS\r\n"),
                (b"SELECT", b"* FLAGS ()\r\n* OK\r\n* OK []\r\n* \r\n*\r\n"
                            b"\r\n* 0 EXISTS\r\n* EXISTS\r\n"),
                (b"SELECT", b"* OK [UIDVALIDITY]\r\n* OK [UIDNEXT] \r\n"),
                (b"UID FETCH", b"* 1 FETCH ()\r\n* 1 FETCH\r\n* FETCH\r\n"),
                (b"UID FETCH", b"* 1 FETCH (UID)\r\n* 2 FETCH (FLAGS)\r\n"),
                (b"UID SEARCH", b"* SEARCH\r\n")):
            with self.subTest(said=said):
                self.refuses({verb: said}, (EX_OK, EX_HELD, *REFUSED))

    def test_names_that_are_nearly_the_same(self):
        """No directory gets the mail of two mailboxes."""
        names = [b"INBOX", b"inbox", b"Inbox", b"a", b"A", b"&AGE-",
                 b"caf&AOk-", b"cafe&AwE-", b"cur", b"%63ur", b"x", b"x/",
                 b"/x", b"x//y", b"x/y", b"x/./y"]

        def select(link, tag, text):
            link.box = text.partition(b" ")[2].strip(b'"')
            link.say(HONEST[b"SELECT"] + tag + b" OK done\r\n")

        def fetch(link, tag, text):
            body = b"Subject: of %s\r\n\r\n" % base64.b16encode(link.box)
            items = b"FLAGS () RFC822.SIZE %d" % len(body)
            if b"BODY.PEEK[]" in text:
                items = b"BODY[] {%d}\r\n%s" % (len(body), body)
            link.say(b"* 1 FETCH (UID 1 %s)\r\n%s OK\r\n" % (items, tag))

        self.server.answers = {
            b"LIST": b"".join(b'* LIST () "/" {%d}\r\n%s\r\n' %
                              (len(name), name) for name in names),
            b"SELECT": Raw(select), b"EXAMINE": Raw(select),
            b"UID FETCH": Raw(fetch), b"UID SEARCH": b"* SEARCH 1\r\n",
            b"STATUS": lambda text: b"* STATUS %s (MESSAGES 1 UIDNEXT 2 "
            b"UIDVALIDITY 7 UNSEEN 0)\r\n" % text.split(b" ")[1]}
        code, log, _ = self.sync()
        self.assertIn(code, (EX_OK, EX_HELD), log)
        found = {}
        for entry in self.maildir.all_entries():
            box = re.search(rb"of (\w+)", entry.read())[1]
            found.setdefault(str(entry.path.parents[1]), set()).add(box)
        self.assertGreaterEqual(len(found), 5, log)
        for path, boxes in found.items():
            self.assertEqual(len(boxes), 1, path)
        self.assertEqual(len(set().union(*found.values())), len(found))
        self.assertEqual(self.server.changing_commands(), [])

    def test_a_name_with_a_nul_is_no_name(self):
        for name in (b"a\0b", b"\0", b"INBOX\0"):
            with self.subTest(name=name):
                self.server.answers = {
                    b"LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" {%d}\r\n'
                             b'%s\r\n* LIST () "/" "%s"\r\n* LIST () "/" %s'
                             b"\r\n" % (len(name), name, name, name)}
                code, log, _ = self.sync()
                self.assertIn(code, (EX_OK, EX_HELD, EX_PROTOCOL), log)
                self.assertLessEqual(set(self.maildir.folders()), {"INBOX"})
                self.assertEqual(self.server.changing_commands(), [])

    def test_names_that_lead_out_of_the_maildir(self):
        names = [b"../up", b"/etc/passwd", b"a/../../b", b"cur", b"new", b"tmp",
                 b".hidden", b"-rf", b"a\0b", b"`id`", b"$(id)", b"&AAA-",
                 b"`touch${IFS}canary`", b"$(touch canary)", b"|touch canary",
                 b"&AC8-x", b"&", b"x" * 5000, b"\xff\xfe", b"..", b"INBOX/cur"]
        listed = b"".join(b'* LIST () "/" {%d}\r\n%s\r\n' % (len(name), name)
                          for name in names if b"\0" not in name)
        self.server.answers = {b"LIST": b'* LIST () "/" INBOX\r\n' + listed}
        before = set(self.directory.iterdir())
        code, log, _ = self.sync()
        self.assertNotIn(b"AddressSanitizer", log)
        self.assertIn(code, (EX_OK, 1), log)
        self.assertEqual(list(self.directory.rglob("canary")), [])
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
