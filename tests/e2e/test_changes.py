"""Every two-way change arrives, by `sync` or by `daemon`, on every rung."""

import os
import time
import unittest

import scene
from harness import environment
from harness.corpus import small_message, to_wire
from harness.imap import ImapError
from harness.world import World

SEEN, FLAGGED = "\\Seen", "\\Flagged"


class ChangeScene(scene.Scene):
    """One account; every test has folders and messages of its own name."""

    world_ = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world_ = World(cls.server, "anna", rung=scene.RUNG, tls=scene.TLS,
                           layout=scene.LAYOUT, compress=scene.COMPRESS)
        cls.addClassCleanup(cls.world_.close)
        if scene.DRIVE == "daemon":
            cls.world_.program.start_daemon()
        else:
            cls.world_.program.sync()

    def setUp(self):
        self.w = self.world_
        self.mail = self.w.maildir
        self.folder = "T" + self.id().split(".")[-1][5:].replace("_", "")

    @property
    def imap(self):
        return self.w.imap

    def settle(self):
        """Both sides equal, with nothing left to do."""
        if scene.DRIVE == "sync":
            self.w.program.sync()
            self.w.assert_equal(self.folder)
        else:
            self.w.wait_until_equal(scene.PATIENCE, self.folder)

    def expect(self, folder, messages):
        """Both sides hold {subject: flags}; twins: {subject: [flags …]}."""
        wanted = messages
        if messages is not None:
            wanted = {name: each if isinstance(each, list) else [each]
                      for name, each in messages.items()}
        if scene.DRIVE == "sync":
            self.w.program.sync()
        else:
            self.wait_for(folder, wanted)
        self.assertEqual(self.w.remote(folder), wanted, "on the server")
        self.assertEqual(self.w.local(folder), wanted, "in the Maildir")
        self.settle()

    def wait_for(self, folder, wanted):
        deadline = time.monotonic() + scene.PATIENCE
        while time.monotonic() < deadline:
            try:
                if (self.w.remote(folder) == wanted and
                        self.w.local(folder) == wanted):
                    return
            except FileNotFoundError:
                pass  # it changed while it was looked at
            except ImapError as problem:
                if "hung up" in str(problem):
                    self.w.reconnect()
            time.sleep(0.05)

    def append(self, name, *flags, folder=None):
        folder = folder or self.folder
        if folder not in self.imap.mailboxes()[0]:
            try:
                self.imap.create(folder)
            except ImapError as problem:
                # Dovecot's LIST leaves one out now and then, under load.
                if "ALREADYEXISTS" not in str(problem):
                    raise
        self.imap.append(folder, to_wire(small_message(name)), flags,
                         1_234_567_890)

    def deliver(self, name, letters="", folder=None):
        return self.mail.deliver(folder or self.folder, small_message(name),
                                 letters, 1_234_567_890)

    def given(self, *names, flags="", folder=None):
        """Messages that both sides already hold."""
        for name in names:
            self.append(name, *flags.split(), folder=folder)
        self.expect(folder or self.folder, {name: flags for name in names})

    def entry(self, name):
        return self.w.entry(self.folder, name)

    def store(self, name, change, *flags):
        uid = self.w.uid(self.folder, name)
        self.imap.store(self.folder, [uid], change, flags)


class FromTheServer(ChangeScene):
    def test_new_message(self):
        self.append("unseen")
        self.append("seen", SEEN)
        self.expect(self.folder, {"unseen": "", "seen": SEEN})
        self.assertEqual(self.entry("unseen").sub, "new")
        self.assertEqual(self.entry("seen").sub, "cur")
        self.assertEqual(self.entry("seen").path.stat().st_mtime,
                         1_234_567_890)

    def test_new_message_in_inbox(self):
        self.append("to-inbox", folder="INBOX")
        environment.wait_until(
            lambda: self.synced_inbox("to-inbox"), scene.PATIENCE, "inbox")
        self.settle()

    def synced_inbox(self, name):
        if scene.DRIVE == "sync":
            self.w.program.sync()
        return name in (self.w.local("INBOX") or {})

    def test_flags_on_and_off(self):
        self.given("m")
        self.store("m", "+FLAGS", SEEN, "\\Answered")
        self.expect(self.folder, {"m": "\\Answered \\Seen"})
        self.store("m", "-FLAGS", SEEN)
        self.store("m", "+FLAGS", FLAGGED, "\\Draft")
        self.expect(self.folder, {"m": "\\Answered \\Draft \\Flagged"})
        self.store("m", "-FLAGS", "\\Answered", "\\Draft", FLAGGED)
        self.expect(self.folder, {"m": ""})

    def test_keywords_on_and_off(self):
        self.given("m", "n")
        self.store("m", "+FLAGS", "work", "$Forwarded")
        self.store("n", "+FLAGS", "later")
        self.expect(self.folder, {"m": "$Forwarded work", "n": "later"})
        self.store("m", "-FLAGS", "work", "$Forwarded")
        self.store("n", "+FLAGS", "work")
        self.expect(self.folder, {"m": "", "n": "later work"})

    def test_deleted_is_a_flag(self):
        self.given("m")
        self.store("m", "+FLAGS", "\\Deleted")
        self.expect(self.folder, {"m": "\\Deleted"})
        self.store("m", "-FLAGS", "\\Deleted")
        self.expect(self.folder, {"m": ""})

    def test_move_keeps_the_file(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m", "n", flags=SEEN)
        inode = self.entry("m").path.stat().st_ino
        self.imap.move(self.folder, [self.w.uid(self.folder, "m")], target)
        self.expect(self.folder, {"n": SEEN})
        self.expect(target, {"m": SEEN, "stay": ""})
        moved = self.w.entry(target, "m")
        self.assertEqual(moved.path.stat().st_ino, inode, "fetched again")

    def test_copy(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m")
        self.imap.copy(self.folder, [self.w.uid(self.folder, "m")], target)
        self.expect(target, {"m": "", "stay": ""})
        self.expect(self.folder, {"m": ""})

    def test_expunge(self):
        self.given("m", "n")
        self.imap.expunge(self.folder, [self.w.uid(self.folder, "m")])
        self.expect(self.folder, {"n": ""})

    def test_draft_replaced(self):
        self.given("draft-1", flags="\\Draft")
        uid = self.w.uid(self.folder, "draft-1")
        self.append("draft-2", "\\Draft")
        self.imap.expunge(self.folder, [uid])
        self.expect(self.folder, {"draft-2": "\\Draft"})

    def test_mailbox_made_and_deleted(self):
        self.imap.create(self.folder)
        self.expect(self.folder, {})
        self.imap.delete(self.folder)
        self.expect(self.folder, None)

    def test_mailbox_with_messages_deleted(self):
        self.given("m", "n", flags=SEEN)
        self.imap.delete(self.folder)
        self.expect(self.folder, None)

    def test_nested_and_foreign_names(self):
        name = self.folder + "/Entwürfe & Co/日本"
        if scene.LAYOUT == "maildir++":
            name = self.folder + "/Entwürfe & Co/Sommer"
        self.given("m", folder=name)
        self.assertTrue((self.mail.path(name) / "cur").is_dir())

    def test_mailbox_renamed(self):
        self.given("m", "n")
        inode = self.entry("m").path.stat().st_ino
        self.imap.rename(self.folder, self.folder + "New")
        self.expect(self.folder + "New", {"m": "", "n": ""})
        self.expect(self.folder, None)
        moved = self.w.entry(self.folder + "New", "m")
        self.assertEqual(moved.path.stat().st_ino, inode, "fetched again")


class FromTheMaildir(ChangeScene):
    def test_new_message(self):
        self.deliver("unseen")
        self.deliver("seen", "S")
        self.expect(self.folder, {"unseen": "", "seen": SEEN})
        uid = self.w.uid(self.folder, "seen")
        _, date, body = self.imap.fetch(self.folder)[uid]
        self.assertEqual(date, 1_234_567_890)
        self.assertEqual(body, to_wire(small_message("seen")))

    def test_flags_on_and_off(self):
        self.given("m")
        self.mail.set_letters(self.entry("m"), "RS")
        self.expect(self.folder, {"m": "\\Answered \\Seen"})
        self.mail.set_letters(self.entry("m"), "DFR")
        self.expect(self.folder, {"m": "\\Answered \\Draft \\Flagged"})
        self.mail.set_letters(self.entry("m"), "P")
        self.expect(self.folder, {"m": "$Forwarded"})
        self.mail.set_letters(self.entry("m"), "")
        self.expect(self.folder, {"m": ""})

    def test_read_is_a_move_from_new_to_cur(self):
        self.given("m")
        self.assertEqual(self.entry("m").sub, "new")
        self.mail.set_letters(self.entry("m"), "")
        self.settle()
        self.mail.set_letters(self.entry("m"), "S")
        self.expect(self.folder, {"m": SEEN})

    def test_keywords_on_and_off(self):
        self.given("m")
        letters = (self.mail.letter(self.folder, "work") +
                   self.mail.letter(self.folder, "later"))
        self.mail.set_letters(self.entry("m"), letters)
        self.expect(self.folder, {"m": "later work"})
        self.mail.drop_letters(self.entry("m"), letters[0])
        self.expect(self.folder, {"m": "later"})

    def test_trashed_letter_is_a_flag(self):
        self.given("m")
        self.mail.set_letters(self.entry("m"), "T")
        self.expect(self.folder, {"m": "\\Deleted"})

    def test_unknown_letters_stay(self):
        self.given("m")
        entry = self.mail.set_letters(self.entry("m"), "S")
        foreign = entry.path.with_name(entry.path.name + "X")
        os.rename(entry.path, foreign)
        self.store("m", "+FLAGS", FLAGGED)
        wanted = {"m": [f"{FLAGGED} {SEEN}"]}
        if scene.DRIVE == "sync":
            self.w.program.sync()
        environment.wait_until(
            lambda: self.w.remote(self.folder) == wanted and
            "FSX" == "".join(sorted(self.entry("m").letters)),
            scene.PATIENCE, "the letter X beside S and F")
        self.mail.set_letters(self.entry("m"), "FS")
        self.expect(self.folder, {"m": f"{FLAGGED} {SEEN}"})

    def test_move_with_its_name(self):
        self.move(new_name=False)

    def test_move_with_a_new_name(self):
        self.move(new_name=True)

    def move(self, new_name):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m", "n", flags=SEEN)
        self.mail.move(self.entry("m"), target, new_name)
        self.expect(self.folder, {"n": SEEN})
        self.expect(target, {"m": SEEN, "stay": ""})

    def test_move_by_copy_and_delete(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m", flags=SEEN)
        entry = self.entry("m")
        self.mail.copy(entry, target)
        self.mail.remove(entry)
        self.expect(self.folder, {})
        self.expect(target, {"m": SEEN, "stay": ""})

    def test_copy(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m", flags=SEEN)
        self.mail.copy(self.entry("m"), target)
        self.expect(target, {"m": SEEN, "stay": ""})
        self.expect(self.folder, {"m": SEEN})

    def test_removed(self):
        self.given("m", "n")
        self.mail.remove(self.entry("m"))
        self.expect(self.folder, {"n": ""})

    def test_removed_leaves_others_deleted_flag_alone(self):
        self.given("m", "n")
        self.store("n", "+FLAGS", "\\Deleted")
        self.expect(self.folder, {"m": "", "n": "\\Deleted"})
        self.mail.remove(self.entry("m"))
        if scene.RUNG != "plain":
            self.expect(self.folder, {"n": "\\Deleted"})
            return
        # Without UIDPLUS nothing but a bare EXPUNGE removes a message, and
        # that would take "n" along: "m" may stay, "n" has to.
        if scene.DRIVE == "sync":
            self.w.program.sync(expect=(0, 1))
        else:
            time.sleep(3)
        self.assertIn("n", self.w.remote(self.folder))
        self.store("n", "-FLAGS", "\\Deleted")
        self.expect(self.folder, {"n": ""})

    def test_folder_made_and_removed(self):
        self.mail.make_folder(self.folder)
        self.expect(self.folder, {})
        self.mail.remove_folder(self.folder)
        self.expect(self.folder, None)

    def test_nested_folder_with_messages(self):
        name = self.folder + "/Größe/2024"
        self.deliver("m", "S", folder=name)
        self.expect(name, {"m": SEEN})

    def test_folder_with_messages_removed(self):
        self.given("m", "n", flags=SEEN)
        self.mail.remove_folder(self.folder)
        self.expect(self.folder, None)

    def test_folder_renamed(self):
        self.given("m", "n")
        self.mail.rename_folder(self.folder, self.folder + "New")
        self.expect(self.folder + "New", {"m": "", "n": ""})
        self.expect(self.folder, None)


class FromBoth(ChangeScene):
    """Changes on both sides between two passes; needs `sync`."""

    def setUp(self):
        super().setUp()
        if scene.DRIVE != "sync":
            self.skipTest("only a pass sees both changes at once")

    def test_twins_of_both_sides_are_one(self):
        self.append("m", SEEN)
        self.deliver("m", "F")
        self.expect(self.folder, {"m": f"{FLAGGED} {SEEN}"})

    def test_two_equal_messages_stay_two(self):
        self.append("m")
        self.append("m")
        self.expect(self.folder, {"m": ["", ""]})

    def test_different_flags_merge(self):
        self.given("m", flags=SEEN)
        self.store("m", "+FLAGS", "\\Answered")
        self.store("m", "-FLAGS", SEEN)
        self.mail.add_letters(self.entry("m"), "F")
        self.expect(self.folder, {"m": f"\\Answered {FLAGGED}"})

    def test_move_there_and_flag_here(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m")
        self.imap.move(self.folder, [self.w.uid(self.folder, "m")], target)
        self.mail.set_letters(self.entry("m"), "S")
        self.expect(target, {"m": SEEN, "stay": ""})
        self.expect(self.folder, {})

    def test_move_here_and_flag_there(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m")
        self.store("m", "+FLAGS", SEEN)
        self.mail.move(self.entry("m"), target)
        self.expect(target, {"m": SEEN, "stay": ""})
        self.expect(self.folder, {})

    def test_moved_to_two_places_is_in_one(self):
        here, there = self.folder + "Here", self.folder + "There"
        self.given("h", folder=here)
        self.given("t", folder=there)
        self.given("m")
        self.imap.move(self.folder, [self.w.uid(self.folder, "m")], there)
        self.mail.move(self.entry("m"), here)
        self.expect(there, {"m": "", "t": ""})
        self.expect(here, {"h": ""})

    def test_removed_on_both(self):
        self.given("m", "n")
        self.imap.expunge(self.folder, [self.w.uid(self.folder, "m")])
        self.mail.remove(self.entry("m"))
        self.expect(self.folder, {"n": ""})

    def test_removed_here_but_flagged_there_stays(self):
        self.given("m")
        self.mail.remove(self.entry("m"))
        self.store("m", "+FLAGS", FLAGGED)
        self.expect(self.folder, {"m": FLAGGED})

    def test_expunged_there_but_flagged_here_stays(self):
        self.given("m")
        self.imap.expunge(self.folder, [self.w.uid(self.folder, "m")])
        self.mail.set_letters(self.entry("m"), "F")
        self.expect(self.folder, {"m": FLAGGED})

    def test_removed_here_and_read_there_goes(self):
        self.given("m", "n")
        self.mail.remove(self.entry("m"))
        self.store("m", "+FLAGS", SEEN)
        self.expect(self.folder, {"n": ""})

    def test_expunged_there_and_moved_here_stays(self):
        target = self.folder + "Target"
        self.given("stay", folder=target)
        self.given("m")
        self.imap.expunge(self.folder, [self.w.uid(self.folder, "m")])
        self.mail.move(self.entry("m"), target)
        self.expect(target, {"m": "", "stay": ""})

    def test_folder_made_on_both(self):
        self.append("there")
        self.deliver("here")
        self.expect(self.folder, {"there": "", "here": ""})


# The base class is a frame, not a test.
del ChangeScene

if __name__ == "__main__":
    unittest.main(verbosity=2)
