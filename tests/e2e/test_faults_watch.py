"""inotify at its limits: the daemon says so once, looks at the folders itself
instead, and loses nothing."""

import os
import signal
import subprocess
import unittest

import scene
from harness import environment
from harness.corpus import small_message, to_wire

COUNT = 20
FOLDERS = ("INBOX", "Work", "Work/2024", "Archive")
# More than three times what the kernel keeps for who does not read.
STORM = environment.number("MAILTWIN_E2E_STORM", 50_000)


def limited(name, limit):
    """A wrapper: a user namespace with a limit of its own, so that nobody
    else on this machine has it, too."""
    path = f"/proc/sys/user/{name}"
    found = ["unshare", "--user", "--map-root-user", "sh", "-c",
             f'echo {limit} > {path} && exec "$@"', "sh"]
    tried = subprocess.run([*found, "true"], check=False, capture_output=True)
    if tried.returncode != 0:
        raise unittest.SkipTest(
            f"no user namespace with {path}: {tried.stderr.decode()}")
    return found


class Watch(scene.Scene):
    def filled(self, **options):
        # Many removals in one hour, which the guard would hold.
        world = self.world(delete_limit="off", poll="1s", **options)
        for folder in FOLDERS:
            if folder != "INBOX":
                world.imap.create(folder)
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}")), ["\\Seen"],
                 1_000_000_000 + n) for n in range(COUNT)])
        world.program.sync()
        world.assert_equal()
        return world

    def change(self, world, turn):
        """One of each in every folder, and a new folder."""
        world.maildir.deliver(f"New{turn}", small_message(f"first{turn}"))
        for folder in FOLDERS:
            name = f"{folder}-{turn}-up"
            world.maildir.deliver(folder, small_message(name))
            entries = sorted(world.maildir.entries(folder),
                             key=lambda entry: entry.path.name)
            world.maildir.remove(entries[0])
            world.maildir.add_letters(entries[1], "F")
            if folder != "Archive":
                world.maildir.move(entries[2], "Archive")
            world.imap.append(folder, to_wire(small_message(
                f"{folder}-{turn}-down")))

    def check_count(self, world, turns):
        """Of each turn: one new folder's, and two less one in each."""
        found = world.maildir.all_entries()
        self.assertEqual(len(found), len(FOLDERS) * COUNT +
                         turns * (1 + len(FOLDERS)))

    def told(self, world, words):
        return [line for line in world.program.log().splitlines()
                if words in line]

    def short_of(self, name, limit, words):
        world = self.filled(user=f"{name.replace('_', '')}{limit}")
        world.program.wrapper = limited(name, limit)
        world.program.start_daemon()
        for turn in range(3):
            self.change(world, turn)
            world.wait_until_equal(3 * scene.PATIENCE)
        self.check_count(world, 3)
        self.assertEqual(len(self.told(world, words)), 1,
                         world.program.log())
        world.program.check_daemon()
        self.assertEqual(world.program.status()["accounts"][0]["error"], None)

    def test_too_few_watches(self):
        for limit in (0, 3):
            with self.subTest(limit=limit):
                self.short_of("max_inotify_watches", limit,
                              "inotify watches is reached")

    def test_no_instance(self):
        self.short_of("max_inotify_instances", 0, "inotify")

    def test_queue_overflow(self):
        """The worker does not come to read for a while."""
        world = self.filled()
        world.program.start_daemon()
        workers = world.program.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        self.storm(world)
        self.change(world, 0)
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check_count(world, 1)
        self.assertGreaterEqual(
            len(self.told(world, "inotify lost events")), 1)
        world.program.check_daemon()

    def test_storm(self):
        """It reads as fast as it can."""
        world = self.filled()
        world.program.start_daemon()
        self.storm(world)
        self.change(world, 0)
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check_count(world, 1)
        world.program.check_daemon()

    def storm(self, world):
        """Flags on and off: two events each, and in the end all is as it
        was, but for one message."""
        entries = world.maildir.entries("Work")
        letters = [entry.letters for entry in entries]
        for n in range(STORM // 2):
            place = n % len(entries)
            entry = entries[place]
            on = "F" not in entry.letters
            entries[place] = world.maildir.set_letters(
                entry, entry.letters + "F" if on else letters[place])
        world.maildir.add_letters(entries[0], "R")


if __name__ == "__main__":
    unittest.main(verbosity=2)
