"""The network and the server fail at every point of a conversation: both
sides are equal afterwards, nothing is lost or doubled, and nothing goes over
the wire again and again."""

import os
import signal
import time
import unittest

import scene
from harness import actors, environment
from harness.corpus import small_message, to_wire
from harness.program import EX_OK, EX_UNAVAILABLE

SEED = environment.number("MAILTWIN_E2E_SEED", 1)
# How many places of a conversation are cut; 0: after each byte, of small
# messages. The two passes of test_changes_cut take seconds at each place.
CUTS = environment.number("MAILTWIN_E2E_CUTS", 12)
# Honest waits of minutes, too.
SLOW = environment.number("MAILTWIN_E2E_SLOW", 0)


class Faults(scene.Scene):
    count = 12
    size = 3_000

    def filled(self, **options):
        # Many removals in one hour, which the guard would hold.
        world = self.world(with_proxy=True, delete_limit="off", **options)
        world.imap.create("Work")
        for folder in ("INBOX", "Work"):
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}", size=self.size)),
                 ["\\Seen"], 1_000_000_000 + n) for n in range(self.count)])
        self.wanted = {"INBOX": self.names("INBOX"),
                       "Work": self.names("Work")}
        return world

    def names(self, folder):
        return {f"{folder}-{n}" for n in range(self.count)}

    def mend(self, world):
        """The fault is over; one sync puts all right."""
        world.proxy.snare = None
        world.proxy.cut_after = world.proxy.cut_sent_after = None
        world.program.sync()
        self.check(world)

    def check(self, world):
        world.assert_equal()
        for folder, names in self.wanted.items():
            found = world.remote(folder)
            self.assertEqual(set(found), names, folder)
            twins = [name for name in found if len(found[name]) > 1]
            self.assertEqual(twins, [])

    def check_quiet(self, world):
        world.proxy.forget()
        world.program.sync()
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertLess(world.proxy.received,
                        max(4_000, self.count * self.size // 2))


class Cuts(Faults):
    """After the n-th byte, in either direction."""

    if not CUTS:
        count = 2
        size = 300

    def places(self, total):
        source = actors.new_source(SEED)
        if not CUTS:
            return range(total)
        return sorted(source.sample(range(total), CUTS))

    def changed(self, world):
        """One of each two-way change."""
        self.turn = getattr(self, "turn", 0) + 1
        turn = self.turn
        for n in range(2):
            world.maildir.deliver("INBOX", small_message(
                f"up-{turn}-{n}", size=self.size))
            world.imap.append("Work", to_wire(small_message(
                f"down-{turn}-{n}", size=self.size)))
            self.wanted["INBOX"].add(f"up-{turn}-{n}")
            self.wanted["Work"].add(f"down-{turn}-{n}")
        name = f"up-{turn - 1}-0"
        if name in self.wanted["INBOX"]:
            world.maildir.move(world.entry("INBOX", name), "Work")
            self.wanted["INBOX"].remove(name)
            self.wanted["Work"].add(name)
            name = f"up-{turn - 1}-1"
            world.maildir.remove(world.entry("INBOX", name))
            self.wanted["INBOX"].remove(name)
            entry = world.entry("Work", f"down-{turn - 1}-0")
            world.maildir.add_letters(entry, "F")

    def first_sync_cut(self, way):
        sizes = self.filled(user=f"whole{way.replace('_', '')}")
        sizes.program.sync()
        total = (sizes.proxy.received if way == "cut_after"
                 else sizes.proxy.sent_total)
        for place in self.places(total):
            with self.subTest(place=place, seed=SEED):
                world = self.filled(user=f"{way}{place}".replace("_", ""))
                for n in range(2):
                    world.maildir.deliver("INBOX", small_message(f"up-{n}"))
                    self.wanted["INBOX"].add(f"up-{n}")
                setattr(world.proxy, way, place)
                world.program.sync(expect=None)
                self.mend(world)
                self.assertLess(world.proxy.received, max(
                    20_000, 3 * 2 * self.count * (self.size + 800)))
                world.close()

    def test_first_sync_cut_while_it_is_told(self):
        self.first_sync_cut("cut_after")

    def test_first_sync_cut_while_it_tells(self):
        self.first_sync_cut("cut_sent_after")

    def test_changes_cut(self):
        world = self.filled()
        world.program.sync()
        self.changed(world)
        world.proxy.forget()
        world.program.sync()
        totals = world.proxy.received, world.proxy.sent_total
        for way, total in zip(("cut_after", "cut_sent_after"), totals):
            for place in self.places(total):
                with self.subTest(way=way, place=place, seed=SEED):
                    self.changed(world)
                    world.proxy.forget()
                    setattr(world.proxy, way, place)
                    world.program.sync(expect=None)
                    self.mend(world)
        self.check_quiet(world)


class Points(Faults):
    """At chosen words of the conversation: what was said does not arrive, or
    its answer does not."""

    def change(self, world, turn):
        for kind in ("move", "remove", "flag", "keep"):
            self.wanted["INBOX"].add(f"{kind}-{turn}")
        for folder, names in (("INBOX", ["move", "remove", "flag", "keep"]),):
            for name in names:
                world.imap.append(folder, to_wire(small_message(
                    f"{name}-{turn}", size=self.size)))
        world.program.sync()
        world.maildir.move(world.entry("INBOX", f"move-{turn}"), "Work")
        world.maildir.remove(world.entry("INBOX", f"remove-{turn}"))
        world.maildir.add_letters(world.entry("INBOX", f"flag-{turn}"), "FS")
        world.maildir.deliver("Work", small_message(
            f"up-{turn}", size=self.size))
        world.imap.append("INBOX", to_wire(small_message(
            f"down-{turn}", size=self.size)))
        self.wanted["INBOX"] -= {f"move-{turn}", f"remove-{turn}"}
        self.wanted["INBOX"].add(f"down-{turn}")
        self.wanted["Work"] |= {f"move-{turn}", f"up-{turn}"}

    def points(self):
        if scene.RUNG == "plain":
            # Without UIDPLUS a removed message stays, marked.
            return (r" LIST ", r" SELECT ", r" FETCH ", r" APPEND ",
                    r"APPEND .*Subject: up", r" COPY ", r" STORE ")
        return (r" LIST ", r" (SELECT|EXAMINE) ", r" FETCH ", r" APPEND ",
                r"APPEND .*Subject: up", r" MOVE ", r" STORE ",
                r" EXPUNGE ")

    def try_all(self, action):
        world = self.filled()
        world.program.sync()
        for turn, pattern in enumerate(self.points()):
            with self.subTest(pattern=pattern, action=action):
                self.change(world, turn)
                world.proxy.forget()
                snare = world.proxy.set_snare("sent", pattern.encode(),
                                              action)
                world.program.sync(expect=None)
                self.assertTrue(snare.sprung.wait(20))
                self.mend(world)
                self.assertLess(world.proxy.received, 60 * self.size)
        self.check_quiet(world)

    def test_said_to_nobody(self):
        self.try_all("refuse")

    def test_answered_to_nobody(self):
        self.try_all("lose")

    def test_half_closed(self):
        self.try_all("half")

    def test_bye(self):
        self.try_all("bye")

    def test_server_killed(self):
        """kill -9 of the server while it is asked something, and it is back
        a moment later."""
        world = self.filled()
        world.program.sync()
        for turn, pattern in enumerate(self.points()):
            with self.subTest(pattern=pattern):
                self.change(world, turn)
                snare = world.proxy.set_snare("sent", pattern.encode(),
                                              self.server.kill)
                world.program.sync(expect=None)
                self.assertTrue(snare.sprung.wait(20))
                self.server.start()
                world.reconnect()
                self.mend(world)

    def test_server_killed_in_the_first_sync(self):
        for turn, pattern in enumerate(self.points()[:3]):
            with self.subTest(pattern=pattern):
                world = self.filled(user=f"first{turn}")
                world.maildir.deliver("Work", small_message("up"))
                self.wanted["Work"].add("up")
                snare = world.proxy.set_snare("sent", pattern.encode(),
                                              self.server.kill)
                world.program.sync(expect=None)
                self.assertTrue(snare.sprung.wait(20))
                self.server.start()
                world.reconnect()
                self.mend(world)

    def test_nobody_there_is_told_so(self):
        world = self.filled()
        self.server.stop()
        try:
            done = world.program.sync(expect=EX_UNAVAILABLE)
        finally:
            self.server.start()
        self.assertIn("home", done.stderr)
        world.reconnect()
        self.mend(world)


class Slowness(Faults):
    """What takes long, and what never comes."""

    def test_single_bytes(self):
        world = self.filled()
        world.proxy.piece_size = 1
        world.maildir.deliver("Work", small_message("up", size=self.size))
        self.wanted["Work"].add("up")
        world.program.sync()
        self.check(world)

    def test_long_way(self):
        world = self.filled()
        world.proxy.delay = 0.2
        world.maildir.deliver("Work", small_message("up", size=self.size))
        self.wanted["Work"].add("up")
        world.program.sync()
        self.check(world)

    def test_no_answer_to_login(self):
        self.frozen(rb" (LOGIN|AUTHENTICATE) ", 60)

    @unittest.skipUnless(SLOW, "takes minutes: MAILTWIN_E2E_SLOW=1")
    def test_no_answer_to_a_fetch(self):
        self.frozen(rb" FETCH ", 300)

    @unittest.skipUnless(SLOW, "takes minutes: MAILTWIN_E2E_SLOW=1")
    def test_no_answer_to_an_append(self):
        self.frozen(rb"APPEND .*Subject: up", 300)

    def frozen(self, pattern, timeout):
        """A server that goes silent is given up."""
        world = self.filled()
        world.maildir.deliver("Work", small_message("up", size=self.size))
        self.wanted["Work"].add("up")
        snare = world.proxy.set_snare("sent", pattern, "freeze")
        world.program.sync(expect=(EX_UNAVAILABLE, EX_OK), timeout=timeout)
        self.assertTrue(snare.sprung.wait(20))
        self.mend(world)

    def test_daemon_goes_on_after_bye_and_cuts(self):
        """And does not hammer at a server that is away."""
        world = self.filled()
        world.program.start_daemon()
        world.proxy.set_snare("received", rb"\* [0-9]+ EXISTS", "bye")
        world.imap.append("INBOX", to_wire(small_message(
            "m1", size=self.size)))
        self.wanted["INBOX"].add("m1")
        world.wait_until_equal(2 * scene.PATIENCE)
        self.server.kill()
        world.proxy.forget()
        world.proxy.attempts = 0
        time.sleep(8)
        self.assertLess(world.proxy.attempts, 20)
        world.maildir.deliver("Work", small_message("up", size=self.size))
        self.wanted["Work"].add("up")
        self.server.start()
        world.reconnect()
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check(world)
        self.assertLess(world.proxy.received, self.count * self.size)

    def test_server_stopped_for_a_while(self):
        self.stopped_for_a_while(self.server_processes, 8)

    def test_worker_stopped_for_a_while(self):
        self.stopped_for_a_while(self.worker_processes, 8)

    @unittest.skipUnless(SLOW, "takes minutes: MAILTWIN_E2E_SLOW=1")
    def test_server_stopped_for_minutes(self):
        self.stopped_for_a_while(self.server_processes, 200)

    @unittest.skipUnless(SLOW, "takes minutes: MAILTWIN_E2E_SLOW=1")
    def test_worker_stopped_for_so_long_that_it_is_killed(self):
        self.stopped_for_a_while(self.worker_processes, 330)

    def server_processes(self, _):
        pid = self.server.process.pid
        return [pid, *environment.children(pid)]

    @staticmethod
    def worker_processes(world):
        return world.program.workers()

    def stopped_for_a_while(self, find, seconds):
        world = self.filled()
        world.program.start_daemon()
        stopped = find(world)
        changes = self.changes(world)
        if find == self.worker_processes:
            self.signal(stopped, signal.SIGSTOP)
            changes()
        else:
            changes()
            self.signal(stopped, signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(stopped, signal.SIGCONT)
        world.wait_until_equal(3 * scene.PATIENCE)
        self.check(world)
        world.program.check_daemon()

    def changes(self, world):
        def make():
            for n in range(3):
                world.imap.append("Work", to_wire(small_message(f"down-{n}")))
                world.maildir.deliver("INBOX", small_message(f"up-{n}"))
                self.wanted["INBOX"].add(f"up-{n}")
                self.wanted["Work"].add(f"down-{n}")
            world.maildir.remove(world.entry("INBOX", "INBOX-3"))
            self.wanted["INBOX"].remove("INBOX-3")
        return make

    @staticmethod
    def signal(pids, number):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
