"""Random users on both sides while the daemon runs, with and without
kill -9: in the end both sides are equal and nothing is lost, doubled or
back from the dead."""

import time
import unittest
from collections import Counter

import scene
from harness import actors, corpus, environment
from harness.corpus import small_message, to_wire
from harness.world import subject

SECONDS = environment.number("MAILTWIN_E2E_SECONDS", 60)
SEED = environment.number("MAILTWIN_E2E_SEED", 1)
KILLS = environment.number("MAILTWIN_E2E_KILLS", 20)
FIXED = ("INBOX", "Archive", "Work", "Work/2024")


class RandomUsers(scene.Scene):
    def begin(self, window, per_folder=60):
        """An account with mail that both sides hold, and a history."""
        # Random users remove a lot; the guard has tests of its own.
        world = self.world(user=f"u{SEED}", delete_limit="off", poll="1s")
        self.history = actors.History(window)
        self.source = actors.new_source(SEED)
        for folder in FIXED:
            if folder != "INBOX":
                world.imap.create(folder)
            world.imap.append_many(folder, list(self.first(per_folder)))
        world.program.sync()
        world.assert_equal()
        # What was before the history's first second is nobody's act.
        time.sleep(0.1)
        self.actors = [
            actors.RemoteActor(self.history, self.source,
                               lambda: self.server.connect(world.user)),
            actors.LocalActor(self.history, self.source, world.maildir)]
        return world

    def first(self, count):
        for _ in range(count):
            actors.Actor.count += 1
            name = f"s{actors.Actor.count}"
            # Long ago, so that it contests nothing.
            self.history.acts[name].append((-1e9, "both", "new"))
            yield to_wire(small_message(name)), (), 1_234_567_890

    def end(self, world):
        world.wait_until_equal(max(60, 2 * scene.PATIENCE))
        # A pass that is asked for finds nothing that was overlooked.
        world.program.sync()
        world.wait_until_equal(scene.PATIENCE)
        self.assertEqual(world.program.stop_daemon(), 0)
        self.check(world)
        world.program.sync()
        world.assert_equal()
        self.check(world)

    def check(self, world):
        entries = world.maildir.all_entries()
        names = [subject(entry.read()) for entry in entries]
        wrong = self.history.wrongs(Counter(names))
        once = {name: {flag.lower() if flag[0] not in "\\$" else flag
                       for flag in world.maildir.flags(entry)}
                for name, entry in zip(names, entries)
                if names.count(name) == 1}
        wrong += self.history.wrong_flags(once)
        self.assertEqual([], wrong, "\n".join(
            [f"seed {SEED}", *map(str, wrong), world.program.log()[-3000:]]))

    def test_random_actions(self):
        world = self.begin(window=8)
        world.program.start_daemon()
        actors.act_for(SECONDS, self.actors, self.source,
                       between=world.program.check_daemon)
        self.end(world)

    def test_random_actions_and_kill(self):
        world = self.begin(window=20)
        world.program.start_daemon()
        for number in range(KILLS):
            actors.act_for(self.source.uniform(0, 2 * SECONDS / KILLS),
                           self.actors, self.source, pause=0.03)
            self.kill(world, number)
        self.end(world)

    def kill(self, world, number):
        """The worker alone, or all of it as a power cut would."""
        if number % 4 == 0:
            for pid in world.program.workers():
                environment.kill(pid)
            return
        environment.end_tree(world.program.daemon)
        world.program.start_daemon(wait=False)


class FirstSync(scene.Scene):
    """Each kill has to come before the end: mail is added until it does."""

    DOWN = environment.number("MAILTWIN_E2E_FIRST_DOWN", 1500)
    UP = environment.number("MAILTWIN_E2E_FIRST_UP", 100)

    def test_killed_twenty_times(self):
        world = self.world()
        source = actors.new_source(SEED)
        self.down = self.up = 0
        world.imap.create("Archive")
        self.add_mail(world)
        kills = 0
        longest = 1.0
        while kills < KILLS:
            process = world.program.start("sync")
            time.sleep(source.uniform(0.02, longest))
            was_running = process.poll() is None
            environment.end_tree(process)
            if was_running:
                kills += 1
                continue
            self.assertEqual(process.returncode, 0, world.program.log())
            longest *= 0.7
            self.add_mail(world)
        world.program.sync(timeout=600)
        world.assert_equal()
        self.check_counts(world)

    def add_mail(self, world):
        found = corpus.messages(self.DOWN)
        half = len(found) // 2
        # Dates differ, so that no two are twins.
        corpus.load(world.imap, "INBOX", found[:half], self.down)
        corpus.load(world.imap, "Archive", found[half:], self.down + half)
        self.down += len(found)
        for _ in range(self.UP):
            name = f"up{self.up}"
            world.maildir.deliver("Work", small_message(name), "S")
            self.up += 1

    def check_counts(self, world):
        self.assertEqual(world.remote("Work"), {
            f"up{n}": ["\\Seen"] for n in range(self.up)})
        counts = [len(world.imap.fetch(name, with_body=False))
                  for name in ("INBOX", "Archive")]
        self.assertEqual(sum(counts), self.down)


if __name__ == "__main__":
    unittest.main(verbosity=2)
