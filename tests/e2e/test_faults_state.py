"""The state database damaged, lost or put back: nothing is lost or doubled,
what both sides hold is not transferred again, and the damage is kept."""

import os
import shutil
import signal
import unittest

import scene
from harness import actors, environment
from harness.corpus import small_message, to_wire
from harness.program import EX_HELD, EX_OK
from harness.world import subject

SEED = environment.number("MAILTWIN_E2E_SEED", 1)
# How many pages get a flipped bit; 0: all of them, one after the other.
FLIPS = environment.number("MAILTWIN_E2E_FLIPS", 25)
COUNT = 40
SIZE = 4_000
PAGE = 4096
MEGABYTE = 1024 * 1024
EX_IOERR = 74
FOLDERS = ("INBOX", "Work", "Work/2024")


class State(scene.Scene):
    def filled(self, **options):
        world = self.world(with_proxy=True, **options)
        for folder in FOLDERS:
            if folder != "INBOX":
                world.imap.create(folder)
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}", size=SIZE)),
                 ["\\Seen", "work"] if n % 3 else [], 1_000_000_000 + n)
                for n in range(COUNT)])
        world.program.sync()
        world.assert_equal()
        self.names = self.files(world)
        return world

    @staticmethod
    def database(world):
        return world.program.state / "home" / "state.mdb"

    @staticmethod
    def files(world):
        return sorted(str(entry.path) for entry in world.maildir.all_entries())

    @staticmethod
    def kept(world):
        return sorted((world.program.state / "home").glob("*.damaged-*"))

    def bodies(self, world):
        return sum(len(entry.read()) for entry in world.maildir.all_entries())

    def check(self, world, names=None):
        """Both sides as they were, and hardly a body has passed."""
        world.assert_equal()
        self.assertEqual(self.files(world), names or self.names)
        self.assertLess(world.proxy.received, self.bodies(world) // 3)
        self.assertEqual(world.proxy.changing_commands(), [])

    def sync_twice(self, world):
        world.proxy.forget()
        world.program.sync(expect=None)
        return world.program.sync()

    def test_flipped_bits(self):
        world = self.filled()
        path = self.database(world)
        whole = path.read_bytes()
        pages = range(len(whole) // PAGE)
        source = actors.new_source(SEED)
        if FLIPS:
            pages = sorted(source.sample(pages, min(FLIPS, len(pages))))
        for page in pages:
            with self.subTest(page=page, seed=SEED):
                self.flip(world, path, source, page)
                self.sync_twice(world)
                self.check(world)
        self.assertGreater(len(self.kept(world)), 0)

    def flip(self, world, path, source, page):
        """Anew from what is there now: a state of the same content. The
        time of the file is kept for half of them, as bits rot."""
        for each in self.kept(world)[3:]:
            each.unlink()
        data = bytearray(path.read_bytes())
        page = min(page, len(data) // PAGE - 1)
        data[page * PAGE + source.randrange(PAGE)] ^= 1 << source.randrange(8)
        before = path.stat()
        with open(path, "r+b") as file:
            file.write(data)
        if source.random() < 0.5:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def test_damage_is_told_and_kept(self):
        world = self.filled()
        path = self.database(world)
        data = bytearray(path.read_bytes())
        position = data.rindex(b"Work/2024")
        data[position] ^= 1
        path.write_bytes(data)
        world.proxy.forget()
        done = world.program.sync()
        self.assertIn("damaged", done.stderr)
        kept = self.kept(world)
        self.assertEqual(len(kept), 1)
        self.assertIn(str(kept[0]), done.stderr)
        self.assertEqual(kept[0].read_bytes()[:len(data)], bytes(data))
        self.check(world)
        told = world.program.run("status").stdout
        self.assertRegex(told, f"was damaged .* and made anew.*{kept[0].name}")
        damaged = world.program.status()["accounts"][0]["damaged"]
        self.assertEqual(damaged["count"], 1)
        quiet = world.program.sync()
        self.assertNotIn("damaged", quiet.stderr)
        kept[0].unlink()
        self.assertNotIn("damaged", world.program.run("status").stdout)

    def test_truncated(self):
        world = self.filled()
        path = self.database(world)
        for keep in (lambda size: size // 2, lambda _: 0, lambda _: 1,
                     lambda _: PAGE, lambda _: 2 * PAGE,
                     lambda size: size // 2 + 1111, lambda size: size - PAGE):
            size = keep(path.stat().st_size)
            with self.subTest(size=size):
                os.truncate(path, size)
                self.sync_twice(world)
                self.check(world)

    def test_truncated_under_a_running_daemon(self):
        """SIGBUS ends one worker; the next one makes the state anew."""
        world = self.filled()
        world.program.start_daemon()
        world.proxy.forget()
        os.truncate(self.database(world), 2 * PAGE)
        world.imap.append("INBOX", to_wire(small_message("new")))
        world.maildir.deliver("Work", small_message("up"))
        world.wait_until_equal(3 * scene.PATIENCE)
        world.program.check_daemon()
        world.program.wait_for_state("watching")
        self.assertEqual(len(self.kept(world)), 1, world.program.log())
        self.assertEqual(len(self.files(world)), len(self.names) + 2)
        self.assertLess(world.proxy.received, self.bodies(world) // 3)

    def test_no_database_at_all(self):
        world = self.filled()
        for each in self.database(world).parent.glob("state.mdb*"):
            each.unlink()
        world.proxy.forget()
        world.program.sync()
        self.check(world)

    def test_no_seal_and_rubbish(self):
        world = self.filled()
        self.database(world).write_bytes(b"not a database" * 5000)
        world.proxy.forget()
        world.program.sync()
        self.check(world)
        self.assertEqual(len(self.kept(world)), 1)

    def test_older_database(self):
        """What was done since is neither undone nor done twice."""
        world = self.filled()
        path = self.database(world)
        older = path.with_name("older")
        shutil.copy2(path, older)
        self.change(world)
        world.program.sync()
        world.assert_equal()
        names = self.files(world)
        shutil.copy2(older, path)
        world.proxy.forget()
        done = world.program.sync(expect=(EX_OK, EX_HELD))
        world.program.sync()
        self.check(world, names)
        self.assertEqual(done.returncode, EX_OK, done.stderr)

    def change(self, world):
        for n in range(6):
            world.imap.append("INBOX", to_wire(small_message(
                f"later-{n}", size=SIZE)))
            world.maildir.deliver("Work", small_message(f"up-{n}", size=SIZE))
        entries = world.maildir.entries("INBOX")
        for entry in entries[:3]:
            world.maildir.remove(entry)
        for entry in entries[3:6]:
            world.maildir.move(entry, "Work/2024")
        for entry in entries[6:9]:
            world.maildir.add_letters(entry, "F")
        uids = sorted(world.imap.fetch("Work", with_body=False))
        world.imap.expunge("Work", uids[:3])
        world.imap.move("Work", uids[3:6], "INBOX")
        world.imap.store("Work", uids[6:9], "+FLAGS", ["\\Flagged"])

    def test_a_disk_that_always_damages(self):
        """Copies of damaged states do not fill the disk for ever."""
        world = self.filled()
        path = self.database(world)
        told = []
        for _ in range(14):
            path.write_bytes(b"rubbish" * 5000)
            done = world.program.sync(expect=None)
            told.append(done.returncode)
            if done.returncode != EX_OK:
                self.assertIn("failing", done.stderr)
        self.assertEqual(told, [0] * 10 + [70] * 4)
        for each in self.kept(world):
            each.unlink()
        world.proxy.forget()
        world.program.sync()
        self.check(world)


class SmallMap(scene.Scene):
    """The state has no room in the address space: LMDB's map is full."""

    MANY = 2_500

    def begin(self, octets):
        world = self.world(with_proxy=True)
        self.limit = world.program.state / "home" / "map"
        self.limit.parent.mkdir(parents=True, mode=0o700)
        self.set_limit(octets)
        world.program.variables = {
            "LD_PRELOAD": scene.setting("SMALL_MAP", ""),
            "SMALL_MAP_FILE": str(self.limit),
            "ASAN_OPTIONS": "verify_asan_link_order=0"}
        self.assertTrue(os.path.exists(
            world.program.variables["LD_PRELOAD"]), "MAILTWIN_E2E_SMALL_MAP")
        world.imap.append("INBOX", to_wire(small_message("first")))
        return world

    def set_limit(self, octets):
        new = self.limit.with_name("map.new")
        new.write_text(f"{octets}\n")
        new.rename(self.limit)

    def arrive(self, world):
        world.imap.append_many("INBOX", [
            (to_wire(small_message(f"m{n}")), ["\\Seen"], 1_000_000_000 + n)
            for n in range(self.MANY)])

    def check(self, world):
        world.assert_equal()
        self.assertEqual(len(world.maildir.all_entries()), self.MANY + 1)

    def test_the_map_grows(self):
        world = self.begin(MEGABYTE)
        world.program.start_daemon()
        self.set_limit(64 * MEGABYTE)
        self.arrive(world)
        world.wait_until_equal(4 * scene.PATIENCE)
        self.check(world)
        self.assertGreater(
            State.database(world).stat().st_size, MEGABYTE)
        world.program.check_daemon()
        self.assertEqual(world.program.status()["accounts"][0]["error"], None)

    def test_the_map_is_full(self):
        """And has room again: what was done until then is not done again."""
        world = self.begin(MEGABYTE)
        world.program.sync()
        self.arrive(world)
        for _ in range(2):
            done = world.program.sync(expect=None)
            self.assertEqual(done.returncode, EX_IOERR, done.stderr)
            self.assertIn("state", done.stderr)
        here = len(world.maildir.all_entries())
        self.assertGreater(here, 1)
        self.assertEqual(world.proxy.changing_commands(), [])
        self.set_limit(64 * MEGABYTE)
        world.proxy.forget()
        world.program.sync()
        self.check(world)
        self.assertEqual(world.proxy.changing_commands(), [])
        world.proxy.forget()
        world.program.sync()
        self.assertLess(world.proxy.received, 20_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
