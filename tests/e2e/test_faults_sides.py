"""A whole side is put back, emptied or away: nothing is lost or doubled, what
both sides hold is not transferred again, `status` says why something waits."""

import os
import shutil
import subprocess
import unittest
from collections import Counter

import scene
from harness import environment
from harness.corpus import small_message, to_wire
from harness.program import EX_HELD, EX_OK
from harness.world import subject

COUNT = 40
SIZE = 4_000
FOLDERS = ("INBOX", "Work")


def copy(source, target):
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


class Side(scene.Scene):
    def filled(self, **options):
        world = self.world(with_proxy=True, **options)
        for folder in FOLDERS:
            if folder != "INBOX":
                world.imap.create(folder)
            self.arrive(world, folder, [f"{folder}-{n}" for n in range(COUNT)])
        world.program.sync()
        world.assert_equal()
        self.wanted = {folder: {f"{folder}-{n}" for n in range(COUNT)}
                       for folder in FOLDERS}
        return world

    @staticmethod
    def arrive(world, folder, names):
        world.imap.append_many(folder, [
            (to_wire(small_message(name, size=SIZE)), ["\\Seen"],
             1_000_000_000 + n) for n, name in enumerate(names)])

    def change(self, world):
        """Mail comes on both sides; some goes and some moves."""
        self.arrive(world, "INBOX", [f"down-{n}" for n in range(5)])
        for n in range(5):
            world.maildir.deliver("Work", small_message(f"up-{n}", size=SIZE))
        world.maildir.remove(world.entry("INBOX", "INBOX-1"))
        world.imap.expunge("Work", [world.uid("Work", "Work-1")])
        world.maildir.move(world.entry("INBOX", "INBOX-2"), "Work")
        world.imap.move("Work", [world.uid("Work", "Work-2")], "INBOX")
        world.maildir.add_letters(world.entry("INBOX", "INBOX-3"), "F")
        world.program.sync()
        world.assert_equal()

    def have(self, world):
        """{name: how many}, the same on both sides."""
        world.assert_equal()
        return Counter(subject(entry.read())
                       for entry in world.maildir.all_entries())

    def check_nothing_lost(self, world, wanted):
        found = self.have(world)
        self.assertEqual(set(wanted) - set(found), set(), "lost")
        self.assertEqual([name for name in found if found[name] > 1], [])
        return found

    def bodies_down(self, world):
        return world.proxy.received // SIZE

    def bodies_up(self, world):
        return sum(line.count("bytes>") for line
                   in world.proxy.changing_commands() if " APPEND " in line)

    def finish(self, world):
        """What was held is let go; a further sync has nothing to do."""
        world.program.sync(expect=(EX_OK, EX_HELD))
        world.program.sync()
        world.proxy.forget()
        world.program.sync()
        self.assertEqual(world.proxy.changing_commands(), [])

    # The server's disk was restored from a backup

    def put_server_back(self, world, later=()):
        """What came since is in the Maildir only, and waits for a word."""
        home = self.server.base / "mail" / world.user
        kept = world.directory / "backup"
        copy(home, kept)
        self.change(world)
        before = self.have(world)
        self.server.stop()
        environment.remove_tree(home)
        copy(kept, home)
        self.server.start()
        world.reconnect()
        # UIDs may be given again.
        world.view.hashes.clear()
        if later:
            self.arrive(world, "INBOX", later)
        world.proxy.forget()
        world.program.sync(expect=EX_HELD)
        here = {name for folder in world.maildir.folders()
                for name in world.local(folder)}
        self.assertEqual(set(before) - here, set(), "lost")
        self.assertLess(self.bodies_down(world), 12 + len(later))
        self.assertEqual(world.proxy.changing_commands(), [])
        told = world.program.run("status", expect=EX_HELD).stdout
        self.assertIn("deletions held", told)
        self.assertIn("not found when the server", world.program.run(
            "held", expect=EX_HELD).stdout)
        return before

    def test_server_put_back_and_undone(self):
        world = self.filled()
        before = self.put_server_back(world)
        world.proxy.forget()
        world.program.run("undo")
        world.program.sync()
        self.check_nothing_lost(world, before)
        self.assertIn(self.bodies_up(world), range(10, 13))
        self.assertLess(self.bodies_down(world), 10)
        self.finish(world)

    def test_server_put_back_and_approved(self):
        world = self.filled()
        before = self.put_server_back(world)
        world.program.run("approve")
        world.program.sync()
        world.program.sync()
        found = self.have(world)
        self.assertEqual(set(before) - set(found), {
            f"{way}-{n}" for way in ("up", "down") for n in range(5)})
        self.finish(world)

    def test_server_put_back_and_its_uids_given_again(self):
        """The same numbers for other messages, before anybody has looked."""
        for count in (5, 6, 7):
            with self.subTest(count=count):
                world = self.filled(user=f"again{count}")
                later = [f"later-{n}" for n in range(count)]
                before = self.put_server_back(world, later)
                world.program.run("undo")
                world.program.sync()
                self.check_nothing_lost(world, [*before, *later])
                self.finish(world)

    # The Maildir was restored from a snapshot

    def test_maildir_put_back_to_an_older_state(self):
        world = self.filled()
        kept = world.directory / "snapshot"
        copy(world.maildir.root, kept)
        self.change(world)
        before = self.have(world)
        environment.remove_tree(world.maildir.root)
        copy(kept, world.maildir.root)
        world.proxy.forget()
        world.program.sync(expect=(EX_OK, EX_HELD))
        world.program.sync(expect=(EX_OK, EX_HELD))
        self.check_nothing_lost(world, before)
        self.assertLess(self.bodies_down(world), 20)
        self.finish(world)
        self.check_nothing_lost(world, before)

    def test_maildir_put_back_under_a_running_daemon(self):
        world = self.filled(poll="1s")
        kept = world.directory / "snapshot"
        copy(world.maildir.root, kept)
        self.change(world)
        before = self.have(world)
        world.program.start_daemon()
        os.rename(world.maildir.root, world.directory / "broken")
        copy(kept, world.maildir.root)
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check_nothing_lost(world, before)

    # The disk of the Maildir is away

    def mounted(self, world):
        """The Maildir is on a disk of its own."""
        disk = world.directory / "disk"
        os.rename(world.maildir.root, disk)
        world.maildir.root.mkdir()
        if os.getuid() != 0:
            self.skipTest("only root can mount")
        self.mount(world, disk)
        self.addCleanup(self.unmount, world, check=False)
        world.program.sync()
        return disk

    def mount(self, world, disk):
        done = subprocess.run(
            ["mount", "--bind", str(disk), str(world.maildir.root)],
            capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no mount here: {done.stderr.decode()}")

    @staticmethod
    def unmount(world, check=True):
        subprocess.run(["umount", "-l", str(world.maildir.root)], check=check,
                       capture_output=True)

    def check_server(self, world, count=COUNT):
        for folder in FOLDERS:
            self.assertEqual(
                len(world.imap.fetch(folder, with_body=False)), count)

    def test_unmounted_root(self):
        world = self.filled()
        disk = self.mounted(world)
        world.proxy.forget()
        self.unmount(world)
        done = world.program.sync(expect=None)
        self.assertNotEqual(done.returncode, EX_OK)
        self.assertIn("mount", done.stderr)
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertLess(self.bodies_down(world), 5)
        self.assertEqual(list(world.maildir.root.iterdir()), [])
        self.mount(world, disk)
        world.program.sync()
        self.have(world)
        self.check_server(world)

    def test_unmounted_under_a_running_daemon(self):
        world = self.filled(poll="1s")
        disk = self.mounted(world)
        world.program.start_daemon()
        world.proxy.forget()
        self.unmount(world)
        self.arrive(world, "INBOX", ["late"])
        environment.wait_until(
            lambda: "mount" in self.reason(world), 3 * scene.PATIENCE,
            "the reason in the status")
        told = world.program.run("status", expect=None).stdout
        self.assertIn("mount", told)
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertEqual(list(world.maildir.root.iterdir()), [])
        self.mount(world, disk)
        # It waits for somebody to say that the disk is back.
        world.program.sync()
        world.wait_until_equal(3 * scene.PATIENCE)
        self.assertIn("late", self.have(world))
        self.check_nothing_lost(
            world, set.union(*self.wanted.values()))

    @staticmethod
    def account(world):
        return world.program.status()["accounts"][0]

    def reason(self, world):
        return (self.account(world)["error"] or {"message": ""})["message"]

    # A side is empty

    def held(self, world):
        """What `status` and `held` say of it, for a machine and a person."""
        boxes = {each["name"]: each
                 for each in self.account(world)["mailboxes"]}
        told = world.program.run("status", expect=EX_HELD).stdout
        self.assertIn("40 deletions held", told)
        self.assertIn("Work", world.program.run(
            "held", expect=EX_HELD).stdout)
        self.assertEqual(boxes["Work"]["held"], COUNT)
        self.assertEqual(boxes["INBOX"]["held"], 0)

    def empty_maildir(self, world):
        for entry in world.maildir.entries("Work"):
            world.maildir.remove(entry)
        world.program.sync(expect=EX_HELD)
        self.check_server(world)
        self.held(world)
        world.proxy.forget()

    def empty_server(self, world):
        world.imap.expunge("Work", list(world.imap.fetch(
            "Work", with_body=False)))
        world.program.sync(expect=EX_HELD)
        self.held(world)
        world.proxy.forget()

    def test_emptied_maildir_undone(self):
        world = self.filled()
        self.empty_maildir(world)
        world.program.run("undo")
        world.program.sync()
        self.check_nothing_lost(world, set.union(*self.wanted.values()))
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertLess(self.bodies_down(world), COUNT + 10)

    def test_emptied_server_undone(self):
        """The Maildir's are sent again; none comes down."""
        world = self.filled()
        self.empty_server(world)
        world.program.run("undo")
        world.program.sync()
        self.check_nothing_lost(world, set.union(*self.wanted.values()))
        self.assertEqual(self.bodies_up(world), COUNT)
        self.assertLess(self.bodies_down(world), 10)

    def test_emptied_server_approved_and_undone(self):
        """What was let go comes back out of the retention directory."""
        world = self.filled()
        self.empty_server(world)
        world.program.run("approve")
        world.program.sync()
        self.assertEqual(len(self.have(world)), COUNT)
        world.program.run("undo")
        world.program.sync()
        self.check_nothing_lost(world, set.union(*self.wanted.values()))
        self.assertEqual(self.bodies_up(world), COUNT)
        self.assertLess(self.bodies_down(world), 10)

    def test_emptied_under_a_running_daemon(self):
        world = self.filled(poll="1s")
        world.program.start_daemon()
        for entry in world.maildir.entries("Work"):
            world.maildir.remove(entry)
        environment.wait_until(
            lambda: any(each["held"] for each
                        in self.account(world)["mailboxes"]),
            3 * scene.PATIENCE, "held deletions")
        self.check_server(world)
        self.held(world)
        world.program.run("undo")
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check_nothing_lost(world, set.union(*self.wanted.values()))

    # The state is gone

    def test_state_removed_and_mail_came_meanwhile(self):
        world = self.filled()
        shutil.rmtree(world.program.state)
        self.arrive(world, "INBOX", ["down"])
        world.maildir.deliver("Work", small_message("up", size=SIZE))
        world.proxy.forget()
        world.program.sync()
        self.check_nothing_lost(
            world, set.union(*self.wanted.values(), {"up", "down"}))
        self.assertLess(self.bodies_down(world), 15)
        self.assertEqual(self.bodies_up(world), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
