"""The wall clock is wrong, beyond 2038, or leaps under the daemon: mail is
synced all the same, once, and nothing is removed before its time."""

import unittest
from pathlib import Path

import scene
from harness import environment
from harness.corpus import small_message, to_wire

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1",
             "/usr/lib/faketime/libfaketimeMT.so.1")
DAY = 24 * 3600
YEAR = 365 * DAY
COUNT = 20
SIZE = 3_000
IN_2040 = 2_209_000_000


def library():
    for pattern in LIBRARIES:
        for path in Path("/").glob(pattern[1:]):
            return str(path)
    raise environment.Failure("faketime is not installed (script/setup)")


class Clock(scene.Scene):
    def filled(self, **options):
        world = self.world(with_proxy=True, **options)
        # Where a confined worker may read.
        self.clock = world.program.state / "home" / "clock"
        self.clock.parent.mkdir(parents=True, mode=0o700)
        self.set_clock(0)
        # Only the wall clock leaps; files have their own times.
        world.program.variables = {
            "LD_PRELOAD": library(), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "ASAN_OPTIONS": "verify_asan_link_order=0"}
        world.imap.create("Work")
        for folder in ("INBOX", "Work"):
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}", size=SIZE)),
                 ["\\Seen"], 1_000_000_000 + n) for n in range(COUNT)])
        self.wanted = {f"{folder}-{n}" for folder in ("INBOX", "Work")
                       for n in range(COUNT)}
        return world

    def set_clock(self, ahead):
        """In one step, as it is read at any moment."""
        new = self.clock.with_name("clock.new")
        new.write_text(f"{ahead:+d}s\n")
        new.rename(self.clock)

    def change(self, world, turn):
        """One of each."""
        world.imap.append("INBOX", to_wire(small_message(
            f"down-{turn}", size=SIZE)), date=1_100_000_000 + turn)
        world.maildir.deliver("Work", small_message(
            f"up-{turn}", size=SIZE), date=1_100_000_000 + turn)
        world.maildir.remove(world.entry("INBOX", f"INBOX-{turn}"))
        world.imap.expunge("Work", [world.uid("Work", f"Work-{turn}")])
        world.maildir.add_letters(world.entry("Work", f"Work-{turn + 8}"), "F")
        self.wanted -= {f"INBOX-{turn}", f"Work-{turn}"}
        self.wanted |= {f"down-{turn}", f"up-{turn}"}

    def check(self, world):
        """All there, once, and what was removed here is kept."""
        world.assert_equal()
        names = [name for folder in world.maildir.folders()
                 for name, each in world.local(folder).items() for _ in each]
        self.assertEqual(sorted(names), sorted(self.wanted))

    def retained(self, world):
        return [path for path in
                (world.program.state / "home" / "removed").rglob("*")
                if path.is_file()]

    def check_quiet(self, world):
        world.proxy.forget()
        world.program.sync()
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertLess(world.proxy.received, 8 * SIZE)

    def test_the_clock_is_set_at_all(self):
        """Else the others would show nothing."""
        world = self.filled()
        self.set_clock(20 * YEAR)
        world.program.sync()
        success = world.program.status()["accounts"][0]["last_success"]
        self.assertGreater(success, IN_2040)

    def test_after_2038(self):
        world = self.filled()
        self.set_clock(20 * YEAR)
        world.program.sync()
        self.check(world)
        for turn in range(3):
            self.change(world, turn)
            world.program.sync()
            self.check(world)
            self.assertEqual(len(self.retained(world)), turn + 1)
        self.check_quiet(world)

    def test_leaps_between_passes(self):
        world = self.filled()
        for turn, ahead in enumerate(
                (0, 15 * YEAR, -15 * YEAR, 3600, -3600, 0)):
            self.set_clock(ahead)
            world.program.sync()
            self.change(world, turn)
            world.program.sync()
            self.check(world)
            self.assertEqual(len(self.retained(world)), turn + 1)
        self.check_quiet(world)

    def test_leaps_under_a_running_daemon(self):
        world = self.filled(poll="1s")
        world.program.start_daemon()
        for turn, ahead in enumerate(
                (15 * YEAR, -15 * YEAR, 3600, -3600, YEAR, 0)):
            self.set_clock(ahead)
            self.change(world, turn)
            world.wait_until_equal(3 * scene.PATIENCE)
            self.check(world)
            environment.wait_until(
                lambda turn=turn: len(self.retained(world)) == turn + 1,
                scene.PATIENCE, "what was removed")
            world.program.check_daemon()
        self.assertLess(world.proxy.received, 100 * SIZE)
        world.program.wait_for_state("watching")
        self.assertEqual(world.program.stop_daemon(), 0)
        self.check_quiet(world)


if __name__ == "__main__":
    unittest.main(verbosity=2)
