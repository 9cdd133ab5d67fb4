"""Thousands of real messages down, and up, byte for byte; then silence."""

import hashlib
import os
import unittest
from collections import Counter

import scene
from harness import corpus, environment, inotify, snapshot

COUNT = environment.number("MAILTWIN_E2E_MESSAGES", 6046)
# What reads or writes a message file, or renames one.
TOUCHED = (inotify.OPEN | inotify.MODIFY | inotify.ATTRIB | inotify.CREATE |
           inotify.DELETE | inotify.MOVED_FROM | inotify.MOVED_TO)


def files_of(maildir):
    """{folder: Counter of file hashes}: the bytes as they lie on disk."""
    return {folder: Counter(hash_of(entry.read())
                            for entry in maildir.entries(folder))
            for folder in maildir.folders()}


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


class Corpus(scene.Scene):
    def fill(self, world):
        """INBOX, a nested mailbox and one with a foreign name."""
        found = corpus.messages(COUNT)
        half = len(found) // 2
        nested, foreign = "Archive/2024", "Entwürfe & Co"
        for name in (nested, foreign):
            world.imap.create(name)
        corpus.load(world.imap, "INBOX", found[:half])
        corpus.load(world.imap, nested, found[half:-5], half)
        corpus.load(world.imap, foreign, found[-5:], len(found))

    def test_down_byte_for_byte_then_quiet(self):
        world = self.world(with_proxy=scene.TLS == "off")
        self.fill(world)
        world.program.sync(timeout=600)
        self.check_bytes(world)
        world.assert_equal()
        self.check_modes(world)
        self.check_quiet(world)

    def check_bytes(self, world):
        """LF line ends on disk, verbatim where the server's are odd."""
        found = files_of(world.maildir)
        for folder in ("INBOX", "Archive/2024", "Entwürfe & Co"):
            wanted = Counter(
                hash_of(snapshot.expected_file(body))
                for _, _, body in world.imap.fetch(folder).values())
            missing = sum((wanted - found[folder]).values())
            extra = sum((found[folder] - wanted).values())
            self.assertEqual((missing, extra), (0, 0), folder)

    def check_modes(self, world):
        """Nobody else reads the mail, and tmp is left clean."""
        root = world.maildir.root
        for path in [root, *root.rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        left = [path for path in root.rglob("tmp/*")]
        self.assertEqual(left, [])

    def check_quiet(self, world):
        """A second pass changes nothing, opens no message, renames none."""
        before = sorted(map(str, world.maildir.root.rglob("*")))
        if world.proxy:
            world.proxy.forget()
        with inotify.Watch() as watch:
            for folder in world.maildir.folders():
                for sub in ("new", "cur"):
                    watch.add(world.maildir.path(folder) / sub, TOUCHED)
            world.program.sync(timeout=600)
            touched = [event for event in self.all_events(watch) if event[2]]
        self.assertEqual(touched, [])
        self.assertEqual(
            before, sorted(map(str, world.maildir.root.rglob("*"))))
        if world.proxy:
            self.assertEqual(world.proxy.changing_commands(), [])
            self.assertFalse(self.fetches_bodies(world.proxy))

    @staticmethod
    def all_events(watch):
        found = []
        while True:
            events = watch.read(0.2)
            if not events:
                return found
            found += events

    @staticmethod
    def fetches_bodies(proxy):
        return [line for verb, line in proxy.commands()
                if verb == "FETCH" and "BODY" in line.upper()]

    def test_up_into_an_empty_account_byte_for_byte(self):
        world = self.world()
        found = corpus.messages(COUNT)
        half = len(found) // 2
        # Servers may make the parent of a mailbox a mailbox too.
        for folder in ("INBOX", "Archive"):
            world.maildir.make_folder(folder)
        letters = ("", "S", "FRS", "P", "DT")
        for index, message in enumerate(found):
            folder = "INBOX" if index < half else "Archive/2024"
            world.maildir.deliver(folder, self.uploadable(message),
                                  letters[index % 5], corpus.date_of(index))
        before = files_of(world.maildir)
        world.program.sync(timeout=900)
        self.assertEqual(files_of(world.maildir), before, "a file changed")
        world.assert_equal()
        for folder, wanted in before.items():
            bodies = Counter(
                hash_of(snapshot.expected_file(body))
                for _, _, body in world.imap.fetch(folder).values())
            self.assertEqual(sum((bodies - wanted).values()), 0, folder)
        self.check_quiet(world)

    @staticmethod
    def uploadable(message):
        """As a delivery agent would leave it: LF, and no CR of its own."""
        return message.replace(b"\r", b"")


class Verbatim(scene.Scene):
    """Line ends that are not what they should be."""

    ODD = {
        "bare-cr": b"Subject: bare-cr\n\none\rtwo\n",
        "no-last-newline": b"Subject: no-last-newline\n\nends here",
        "empty-body": b"Subject: empty-body\n\n",
        "only-header": b"Subject: only-header\n",
        "eight-bit": b"Subject: eight-bit\n\ncaf\xe9 \xff\n",
        "long-line": b"Subject: long-line\n\n" + b"y" * 100_000 + b"\n",
        "dots": b"Subject: dots\n\n.\n..\n\n",
    }

    def test_odd_messages_come_down_unchanged(self):
        world = self.world()
        for message in self.ODD.values():
            world.imap.append("INBOX", corpus.to_wire(message))
        world.program.sync()
        world.assert_equal()
        sent = Counter(
            snapshot.expected_file(body)
            for _, _, body in world.imap.fetch("INBOX").values())
        kept = Counter(entry.read()
                       for entry in world.maildir.entries("INBOX"))
        self.assertEqual(kept, sent)

    def test_odd_messages_go_up_unchanged(self):
        world = self.world()
        for message in self.ODD.values():
            world.maildir.deliver("INBOX", message)
        world.program.sync()
        world.assert_equal()
        kept = {snapshot.canonical(body) for _, _, body
                in world.imap.fetch("INBOX").values()}
        self.assertEqual(kept, set(map(corpus.to_wire, self.ODD.values())))

    def test_mtime_is_the_internal_date(self):
        world = self.world()
        world.maildir.deliver("INBOX", self.ODD["dots"], "", 1_111_111_111)
        world.program.sync()
        dates = [date for _, date, _ in world.imap.fetch("INBOX").values()]
        self.assertEqual(dates, [1_111_111_111])

    def test_nothing_of_ours_lies_in_the_maildir(self):
        world = self.world()
        world.imap.append("INBOX", b"Subject: m\r\n\r\n\r\n", ["work"])
        world.program.sync()
        found = {path.name for path in world.maildir.root.rglob("*")
                 if path.is_file() and path.parent.name not in ("cur", "new")}
        self.assertLessEqual(found, {"dovecot-keywords"})
        self.assertNotIn(world.server.password.encode(), b"".join(
            path.read_bytes() for path in world.program.state.rglob("*")
            if path.is_file() and not os.path.islink(path)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
