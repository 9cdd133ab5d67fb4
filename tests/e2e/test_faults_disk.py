"""No room, no inodes, no right to write, no descriptors: a clear message, an
exit code, nothing deleted anywhere, and all is well when it is mended."""

import os
import subprocess
import unittest
from pathlib import Path

import scene
from harness import environment
from harness.corpus import small_message, to_wire
from harness.program import EX_OK, binary

EX_CANTCREAT, EX_IOERR = 73, 74
COUNT = 30
SIZE = 20_000


def mount(path, options):
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs",
                           str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        raise unittest.SkipTest(f"no mount here: {done.stderr.decode()}")


def remount(path, options):
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)],
                   check=True)


class Disk(scene.Scene):
    def mounted(self, world, path, options):
        if os.getuid() != 0:
            self.skipTest("only root can mount")
        mount(path, options)
        self.addCleanup(lambda: subprocess.run(
            ["umount", "-l", str(path)], check=False))
        return path

    def loaded(self, **options):
        """Mail on the server, and none of it here yet."""
        world = self.world(**options)
        world.imap.create("Work")
        for folder in ("INBOX", "Work"):
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}", size=SIZE)),
                 ["\\Seen"], 1_000_000_000 + n) for n in range(COUNT)])
        return world

    def move_maildir(self, world, root):
        world.maildir.root = root / "mail"
        world.configure(maildir=str(world.maildir.root))

    def move_state(self, world, state):
        world.program.state = state
        world.configure()

    def check_server(self, world, count=COUNT):
        for folder in ("INBOX", "Work"):
            self.assertEqual(
                len(world.imap.fetch(folder, with_body=False)), count)

    def mended(self, world, count=COUNT):
        world.program.sync()
        world.assert_equal()
        self.check_server(world, count)

    def failing(self, world, codes, *words):
        done = world.program.sync(expect=codes)
        for word in words:
            self.assertIn(word, done.stderr)
        self.check_server(world)
        return done

    def test_full_disk_of_the_maildir(self):
        world = self.loaded()
        disk = self.mounted(world, world.directory / "disk", "size=400k")
        self.move_maildir(world, disk)
        self.failing(world, (1, EX_IOERR), "No space left on device")
        self.failing(world, (1, EX_IOERR), "No space left on device")
        remount(disk, "size=64m")
        self.mended(world)

    def test_full_disk_of_the_maildir_under_a_daemon(self):
        world = self.loaded()
        disk = self.mounted(world, world.directory / "disk", "size=400k")
        self.move_maildir(world, disk)
        world.program.start_daemon(wait=False)
        environment.wait_until(
            lambda: "No space left" in world.program.log(), 60, "the error")
        self.check_server(world)
        remount(disk, "size=64m")
        world.wait_until_equal(120)
        world.program.check_daemon()
        self.check_server(world)

    def test_full_disk_of_the_state(self):
        world = self.loaded()
        disk = self.mounted(world, world.directory / "disk", "size=100k")
        self.move_state(world, disk)
        self.failing(world, (EX_CANTCREAT, EX_IOERR), "no room")
        remount(disk, "size=64m")
        self.mended(world)

    def test_no_inodes_left(self):
        world = self.loaded()
        disk = self.mounted(world, world.directory / "disk",
                            "size=64m,nr_inodes=30")
        self.move_maildir(world, disk)
        self.failing(world, (1, EX_IOERR), "No space left on device")
        remount(disk, "size=64m,nr_inodes=10000")
        self.mended(world)

    def test_read_only_file_system(self):
        world = self.loaded()
        disk = self.mounted(world, world.directory / "disk", "size=64m")
        self.move_maildir(world, disk)
        world.program.sync()
        remount(disk, "ro")
        world.imap.append("INBOX", to_wire(small_message("new")))
        done = world.program.sync(expect=None)
        self.assertNotEqual(done.returncode, EX_OK)
        self.assertIn("Read-only file system", done.stderr)
        self.assertEqual(len(world.imap.fetch("INBOX")), COUNT + 1)
        remount(disk, "rw")
        world.program.sync()
        world.assert_equal()

    def test_folder_that_may_not_be_written_to(self):
        """By an ordinary user: root may do anything."""
        world = self.loaded()
        if os.getuid() == 0:
            world.program.become(environment.unprivileged_user())
        world.program.sync()
        inbox = world.maildir.path("INBOX")
        for sub in ("new", "cur", "tmp"):
            (inbox / sub).chmod(0o500)
        world.imap.append("INBOX", to_wire(small_message("new")))
        world.imap.append("Work", to_wire(small_message("other")))
        done = world.program.sync(expect=(1, EX_IOERR))
        self.assertIn("Permission denied", done.stderr)
        self.assertIn("other", world.local("Work"))
        for sub in ("new", "cur", "tmp"):
            (inbox / sub).chmod(0o700)
        self.mended(world, COUNT + 1)

    def test_few_descriptors(self):
        world = self.loaded()
        for limit in range(5, 40, 3):
            world.program.wrapper = ["prlimit", f"--nofile={limit}"]
            done = world.program.sync(expect=None)
            with self.subTest(limit=limit):
                self.assertGreaterEqual(done.returncode, 0)
                if done.returncode != EX_OK:
                    self.assertNotEqual(done.stderr, "")
                self.check_server(world)
        world.program.wrapper = []
        self.mended(world)

    def test_file_size_limit(self):
        """SIGXFSZ ends nothing: a write that fails is an answer."""
        world = self.loaded()
        for size in (4096, 10_000, 60_000):
            world.program.wrapper = ["prlimit", f"--fsize={size}"]
            with self.subTest(size=size):
                self.failing(world, (1, EX_CANTCREAT, EX_IOERR),
                             "home")
        world.program.wrapper = []
        self.mended(world)

    def test_little_memory(self):
        if b"__asan_init" in Path(binary()).read_bytes():
            self.skipTest("the sanitizers need the address space")
        world = self.loaded()
        for megabytes in (8, 16, 32, 64, 128):
            world.program.wrapper = [
                "prlimit", f"--as={megabytes * 1024 * 1024}"]
            world.program.sync(expect=None)
            self.check_server(world)
        world.program.wrapper = []
        self.mended(world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
