"""More than one program at the same mail: two mailtwins at one account with
another client between them, and a Dovecot that serves the very Maildir. In
the end all are equal; nothing is lost, doubled or back from the dead."""

import os
import time
import unittest
from collections import Counter

import scene
from harness import actors, environment, snapshot
from harness.corpus import small_message, to_wire
from harness.dovecot import Dovecot
from harness.world import subject

SECONDS = environment.number("MAILTWIN_E2E_SECONDS", 25)
SEED = environment.number("MAILTWIN_E2E_SEED", 1)
PER_FOLDER = 50
FIXED = ("INBOX", "Archive", "Work", "Work/2024")
# What one does reaches the others within so many seconds, or a little more
# on a busy machine; acts closer to each other are contested.
WINDOW = 10
# What a Dovecot has in its file names.
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft", "work", "later")


class Together(scene.Scene):
    def begin(self, world):
        self.history = actors.History(WINDOW)
        self.source = actors.new_source(SEED)
        for folder in FIXED:
            if folder != "INBOX":
                world.imap.create(folder)
            world.imap.append_many(folder, list(self.first()))
        world.program.sync()
        world.assert_equal()

    def first(self):
        for _ in range(PER_FOLDER):
            actors.Actor.count += 1
            name = f"s{actors.Actor.count}"
            # Long ago, so that it contests nothing.
            self.history.acts[name].append((-1e9, "both", "new"))
            yield to_wire(small_message(name)), (), 1_234_567_890

    def act(self, people, worlds):
        def check():
            for world in worlds:
                world.program.check_daemon()

        actors.act_for(SECONDS, people, self.source, pause=0.06,
                       between=check)

    def wait_until_all_equal(self, differences, worlds):
        """`differences`: functions; equal is when none has anything to say
        twice in a row."""
        deadline = time.monotonic() + max(90, 3 * scene.PATIENCE)
        patient_until = time.monotonic() + 15
        quiet = 0
        while quiet < 2:
            if time.monotonic() > patient_until:
                self.answer(worlds)
                patient_until += 10
            left = [line for difference in differences
                    for line in difference()]
            quiet = 0 if left else quiet + 1
            if left and time.monotonic() > deadline:
                raise environment.Failure("\n".join(
                    [f"seed {SEED}", *left, *map(tell, worlds)]))
            time.sleep(0.2)

    def answer(self, worlds):
        """A mailbox that one removes while another fills it is made anew on
        the server, and what was in it waits for a person: keep it."""
        for world in worlds:
            if world.program.run("held", expect=None).stdout:
                world.program.run("undo", expect=None)
                self.history.was_undone = True

    def check(self, messages):
        """`messages`: (body, flags) of one of the equal sides."""
        found = [(subject(body), snapshot.normal(flags))
                 for body, flags in messages]
        names = Counter(name for name, _ in found)
        wrong = self.history.wrongs(names)
        wrong += self.history.wrong_flags({
            name: flags for name, flags in lower_case(found)
            if names[name] == 1})
        self.assertEqual([], wrong, "\n".join(
            [f"seed {SEED}", *map(str, wrong)]))


def tell(world):
    """What one of the programs has to say."""
    account = world.program.status()["accounts"][0]
    odd = [mailbox for mailbox in account["mailboxes"]
           if mailbox["held"] or mailbox["failed"] or mailbox["error"]]
    held = world.program.run("held", expect=None).stdout
    return (f"--- {world.directory}: {account['state']} {odd}\n{held}\n"
            f"{world.program.log()[-3000:]}")


def lower_case(found):
    """As the history has them: system flags and keywords as they are set."""
    proper = {flag.lower(): flag for flag in ("\\Draft", *actors.FLAGS)}
    return [(name, {proper.get(flag, flag) for flag in flags})
            for name, flags in found]


def messages_here(world):
    return [(entry.read(), world.maildir.flags(entry))
            for entry in world.maildir.all_entries()]


class TwoMachines(Together):
    """Two Maildirs, two states, one account."""

    def test_two_daemons_and_a_client(self):
        # They remove a lot; the guard has tests of its own.
        options = {"user": f"two{SEED}", "delete_limit": "off", "poll": "1s",
                   "retention": "0"}
        worlds = [self.world(**options), self.world(**options)]
        self.begin(worlds[0])
        worlds[1].program.sync()
        worlds[1].assert_equal()
        time.sleep(0.1)
        people = [self.remote_actor(worlds[0])]
        for number, world in enumerate(worlds):
            people.append(actors.LocalActor(
                self.history, self.source, world.maildir))
            people[-1].side = f"local{'ab'[number]}"
            world.program.start_daemon()
        self.act(people, worlds)
        self.end(worlds)

    def remote_actor(self, world):
        return actors.RemoteActor(
            self.history, self.source,
            lambda: self.server.connect(world.user))

    def end(self, worlds):
        differences = [
            lambda world=world: snapshot.compare(world.view, world.maildir)
            for world in worlds]
        self.wait_until_all_equal(differences, worlds)
        for world in worlds:
            world.program.sync()
        self.wait_until_all_equal(differences, worlds)
        for world in worlds:
            self.assertEqual(world.program.stop_daemon(), 0)
        # Nobody has anything left to do, one after the other.
        for world in worlds:
            world.program.sync()
            world.assert_equal()
        for world in worlds:
            self.check(messages_here(world))


class HomeServer(Together):
    """mailtwin keeps the Maildir equal to an account far away, and a Dovecot
    at home serves the same files to somebody else."""

    def home(self, world):
        """Dovecot's files lie beside the messages, as they do at home."""
        root = world.maildir.root
        location = f"maildir:{root}"
        if scene.LAYOUT == "fs":
            location += f":LAYOUT=fs:INBOX={root}/INBOX"
        # The server of the scene may keep its own mail in another way.
        home = Dovecot(storage="maildir", location=location)
        self.addCleanup(home.close)
        return home.start()

    def test_a_server_on_the_maildir(self):
        world = self.world(user=f"home{SEED}", delete_limit="off", poll="1s")
        if os.getuid() == 0:
            world.program.become(environment.unprivileged_user())
        self.begin(world)
        home = self.home(world)
        time.sleep(0.1)
        people = []
        for side, server in (("remote", self.server), ("local", home)):
            people.append(actors.RemoteActor(
                self.history, self.source,
                lambda server=server: server.connect(world.user)))
            people[-1].side = side
            # $Forwarded has a test of its own.
            people[-1].flags = FLAGS
        world.program.start_daemon()
        self.act(people, [world])
        self.end(world, home)

    def test_forwarded(self):
        """For Dovecot it is a keyword, for other readers the letter P."""
        world = self.world(poll="1s")
        if os.getuid() == 0:
            world.program.become(environment.unprivileged_user())
        for name in ("m1", "m2"):
            world.imap.append("INBOX", to_wire(small_message(name)))
        world.program.sync()
        home = self.home(world)
        near = home.connect(world.user)
        self.addCleanup(near.close)
        # In another order, maybe.
        uids = {imap: {subject(body): uid for uid, (_, _, body)
                       in imap.fetch("INBOX").items()}
                for imap in (near, world.imap)}
        world.program.start_daemon()
        for change in ("+FLAGS", "-FLAGS", "+FLAGS", "-FLAGS"):
            for imap, name in ((world.imap, "m1"), (near, "m2")):
                imap.store("INBOX", [uids[imap][name]], change,
                           ["$Forwarded"])
            wanted = ["$Forwarded"] if change[0] == "+" else []
            environment.wait_until(
                lambda wanted=wanted: all(
                    list(flags) == wanted for imap in (near, world.imap)
                    for flags, _, _ in imap.fetch("INBOX", False).values()),
                2 * scene.PATIENCE, f"{change} $Forwarded")

    def end(self, world, home):
        view = snapshot.RemoteView(home.connect(world.user))
        self.addCleanup(view.imap.close)

        def between_servers():
            return compare_servers(world.view, view)

        def on_disk():
            return snapshot.compare(world.view, world.maildir)

        self.wait_until_all_equal([between_servers, on_disk], [world])
        world.program.sync()
        self.wait_until_all_equal([between_servers, on_disk], [world])
        self.assertEqual(world.program.stop_daemon(), 0)
        world.program.sync()
        self.wait_until_all_equal([between_servers, on_disk], [world])
        self.check(messages_here(world))
        for name in ("dovecot-uidlist", "dovecot.index.log"):
            self.assertTrue(
                (world.maildir.path("INBOX") / name).exists(), name)


def compare_servers(far, near):
    try:
        return snapshot.difference(far.snapshot(), near.snapshot())
    except snapshot.ImapError as problem:
        return [f"a mailbox changed while it was looked at: {problem}"]


# Frames, not tests.
del Together

if __name__ == "__main__":
    unittest.main(verbosity=2)
