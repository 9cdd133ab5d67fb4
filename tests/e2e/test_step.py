"""Killed before and after every system call that changes something, and with
every such call failing: nothing is lost, doubled or altered, and the next pass
ends in the state that an undisturbed one ends in.

    MAILTWIN_STEP         the stepper of tests/step
    MAILTWIN_E2E_STEP     calls to try per change, or `all`
    MAILTWIN_E2E_CHANGES  changes to try, of changes.py; not set: all
    MAILTWIN_E2E_SEED     which ones, if not all"""

import os
import random
import sys
import time
import unittest
import unittest.mock
from collections import Counter
from pathlib import Path

import changes
import scene
from harness import environment, snapshot, step
from harness.corpus import small_message
from harness.imap import quote
from harness.program import binary
from harness.step import Step
from harness.world import World, subject

POINTS = scene.setting("STEP", "1")
SEED = environment.number("MAILTWIN_E2E_SEED", 1)
CHANGES = environment.number("MAILTWIN_E2E_CHANGES", len(changes.CHANGES))
# One is what it takes; another one may be told that a name is occupied, or
# may learn of an APPEND that a dead connection left behind.
PASSES = 3
# What an error may end with: left over, unreachable, cannot create, I/O,
# temporary, protocol, no configuration. 70 is no answer to an error.
CLEAR_CODES = (0, 1, 69, 73, 74, 75, 76, 78)


def by_folder(look, folders):
    return {folder: look(folder) for folder in folders}


def started_at(pid):
    """In seconds since 1970, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    ticks = int(fields.split()[19])
    since_boot = ticks / os.sysconf("SC_CLK_TCK")
    return (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) +
            since_boot)


def tells_of_the_dead(lock):
    """Its number may be another process's by now, another mailtwin's, too: who
    made the lock was there before it."""
    pid, _, host = lock.read_text().partition(":")
    if not pid.isdigit() or host != os.uname().nodename:
        return False
    started = started_at(pid)
    return started is None or started > lock.stat().st_mtime


class Account:
    """Both sides as a change left them, not synced yet."""

    count = 0

    def __init__(self, server, name, rung):
        Account.count += 1
        self.name = name
        self.world = World(server, f"s{os.getpid()}x{Account.count}", rung)
        self.model = changes.start()
        if not name.startswith("first_sync"):
            changes.put_there(self.world, self.model)
            self.world.program.sync()
        changes.CHANGES[name](self.world, self.model)
        self.kept = self.kept_names()
        self.passes = 0
        self.story = []

    def close(self):
        self.world.close()

    # What is there

    def there(self):
        return by_folder(self.world.remote, self.world.imap.mailboxes()[0])

    def here(self):
        return by_folder(self.world.local, self.world.maildir.folders())

    def names(self):
        return tuple({name for folder in side.values() for name in folder}
                     for side in (self.there(), self.here()))

    def kept_names(self):
        """Per side: who is there already, and is to be there in the end."""
        wanted = {name for folder in self.model.values() for name in folder}
        return tuple(each & wanted for each in self.names())

    def check_kept(self):
        """At no moment does a side lose what it is to have in the end."""
        there, here = self.names()
        for side, kept, found in (("server", self.kept[0], there),
                                  ("Maildir", self.kept[1], here)):
            if kept - found:
                self.fail(f"lost on the side of the {side}: {kept - found}")

    def differences(self):
        wanted = {folder: {name: [flags] for name, flags in messages.items()}
                  for folder, messages in self.model.items()}
        found = [f"{side}: {folder}: {each.get(folder)} instead of "
                 f"{wanted.get(folder)}"
                 for side, each in (("server", self.there()),
                                    ("Maildir", self.here()))
                 for folder in sorted(set(wanted) | set(each))
                 if wanted.get(folder) != each.get(folder)]
        return found + snapshot.compare(self.world.view, self.world.maildir)

    def check_bytes(self):
        for entry in self.world.maildir.all_entries():
            message = entry.read()
            if message != small_message(subject(message)):
                self.fail(f"altered: {entry.path}")

    def state(self):
        """All that a pass with nothing to do leaves alone."""
        imap = self.world.imap
        server = {}
        for folder in imap.mailboxes()[0]:
            _, untagged = imap.command(
                f"STATUS {quote(folder)} (UIDVALIDITY UIDNEXT HIGHESTMODSEQ)")
            server[folder] = untagged, imap.fetch(folder, with_body=False)
        root = self.world.maildir.root
        files = {}
        for path in sorted(root.rglob("*")):
            stat = path.stat()
            files[str(path.relative_to(root))] = (
                stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns)
        return server, files

    def left_over(self):
        """Half-written files, and locks that say of nobody that he is dead:
        those others would wait for."""
        return [path for path in self.world.maildir.root.rglob("*")
                if path.name.endswith(".new") or
                (path.name.endswith(".lock") and not tells_of_the_dead(path))]

    # What is done

    def step(self, *what, **options):
        done = Step(self.world, *what, **options)
        self.story.append(done)
        return done.run("sync")

    def step_daemon(self, *what):
        """Until both sides are as they should be, and the daemon is told to
        end; one that was killed itself is started again."""
        done = Step(self.world, *what)
        self.story.append(done)
        program = self.world.program
        program.daemon = done.start("daemon")
        self.wait_for(lambda: program.daemon.poll() is not None or
                      not self.differences())
        self.check_kept()
        if program.daemon.poll() is not None:
            program.start_daemon(wait=False)
            self.wait_for(lambda: not self.differences())
        program.stop_daemon()
        return done

    def wait_for(self, condition):
        try:
            environment.wait_until(condition, scene.PATIENCE, "the daemon", 0.1)
        except environment.Failure:
            self.fail("\n".join(self.differences()) +
                      self.world.program.log()[-3000:])

    def sync(self):
        """Passes until all is done."""
        while True:
            done = self.world.program.run("sync", expect=None)
            self.passes += 1
            left = self.differences()
            self.story.append(f"sync: {done.returncode} {done.stderr}")
            if done.returncode == 0 and not left:
                return
            if done.returncode == 0 or self.passes == PASSES:
                self.fail("the sides are not as they should be:\n" +
                          "\n".join(left))

    def check_end(self):
        self.sync()
        self.check_bytes()
        before = self.state()
        self.world.program.sync()
        after = self.state()
        if before != after:
            self.fail("a pass with nothing to do did something: "
                      f"{before} became {after}")
        if self.left_over():
            self.fail(f"left over: {self.left_over()}")

    def fail(self, why):
        story = "\n".join(str(each) for each in self.story)
        raise environment.Failure(f"{self.name}: {why}\n{story}")


class StepScene(scene.Scene):
    """`MODES`: (mode, error), each tried at every call of KIND."""

    KIND = "change"
    MODES = ()

    @classmethod
    def setUpClass(cls):
        missing = step.missing()
        if missing:
            raise unittest.SkipTest(missing)
        super().setUpClass()

    def account(self, name):
        account = Account(self.server, name, scene.RUNG)
        self.accounts.append(account)
        return account

    def setUp(self):
        self.accounts = []
        self.tried = 0
        self.passes = Counter()
        self.source = random.Random(f"{SEED} {self.id()}")

    def end(self, account):
        account.check_end()
        self.passes[account.passes] += 1
        if account.passes > 1:
            print("more than one pass:", *account.story, sep="\n  ",
                  file=sys.stderr)
        account.close()
        self.accounts.remove(account)
        self.tried += 1

    def tearDown(self):
        for account in self.accounts:
            account.close()

    # Which calls

    def run_all(self, name):
        """Undisturbed, for the number of calls; then disturbed."""
        account = self.account(name)
        done = account.step("count", kind=self.KIND)
        if done.code != 0:
            account.fail("not even undisturbed")
        count = done.count()
        self.end(account)
        for number, way in self.points(count):
            self.one_alone(name, number, way)
        if POINTS == "all":
            self.run_beyond(name, count)
        print(f"{name}: {count} calls, {self.tried - 1} runs, passes "
              f"needed: {dict(sorted(self.passes.items()))}", file=sys.stderr)

    def points(self, count):
        every = [(number, way) for number in range(1, count + 1)
                 for way in self.MODES]
        if POINTS == "all":
            return every
        return self.source.sample(every, min(len(every), int(POINTS)))

    def run_beyond(self, name, count):
        """No run is like the other: this one may make more calls."""
        for way in self.MODES:
            number = count + 1
            while self.one_alone(name, number, way):
                number += 1

    def one_alone(self, name, number, way):
        """What it breaks leaves the others to be tried."""
        with self.subTest(change=name, call=number, way=way):
            return self.one(name, number, way)
        return False

    def one(self, name, number, way):
        """False when the run did not come so far."""
        raise NotImplementedError


class Killed(StepScene):
    MODES = ("kill-before", "kill-after")

    def one(self, name, number, way):
        account = self.account(name)
        done = account.step(way, number)
        account.check_kept()
        self.end(account)
        return bool(done.acted())


class KilledWorker(Killed):
    """Its supervisor lives and tells of it."""

    MODES = ("kill-worker-before", "kill-worker-after")


class KilledUnderDaemon(StepScene):
    """And the supervisor starts another one."""

    MODES = ("kill-worker-before", "kill-worker-after")

    def one(self, name, number, way):
        account = self.account(name)
        done = account.step_daemon(way, number)
        self.end(account)
        return bool(done.acted())


class KilledTwice(StepScene):
    """And once more while it recovers."""

    MODES = ("kill-before", "kill-after")

    def one(self, name, number, way):
        account = self.account(name)
        done = account.step(way, number)
        account.check_kept()
        account.step(self.source.choice(self.MODES),
                     self.source.randint(1, 60))
        account.check_kept()
        self.end(account)
        return bool(done.acted())


class Failing(StepScene):
    """One call fails once, and the disk is fine again."""

    MODES = (("fail", "EIO"), ("fail", "ENOSPC"), ("short",))
    CODES = CLEAR_CODES
    NEEDS_WORD = True

    def one(self, name, number, way):
        account = self.account(name)
        done = account.step(way[0], number, *way[1:], kind=self.KIND)
        self.check_failed(account, done)
        self.end(account)
        return bool(done.acted())

    def check_failed(self, account, done):
        account.check_kept()
        check_fsyncs(account, done)
        if done.code not in self.CODES and not was_not_loaded(done):
            account.fail(f"ended with {done.code}")
        if done.code == 0 and account.differences():
            account.fail("called in sync what is not: "
                         f"{account.differences()}")
        if self.NEEDS_WORD and done.code != 0 and not done.output:
            account.fail("ended with no word")


class FailingDisk(Failing):
    """From one call on all of its name fail, until the disk is repaired."""

    MODES = (("fail-from", "EIO"), ("fail-from", "ENOSPC"))


class WithoutSanitizers(Failing):
    """They need memory and descriptors themselves."""

    @classmethod
    def setUpClass(cls):
        if b"__asan_init" in Path(binary()).read_bytes():
            cls.use_release(Path(binary()))
        super().setUpClass()

    @classmethod
    def use_release(cls, program):
        """script/test makes both."""
        release = program.parents[2] / "gcc-release" / "syncd" / "mailtwin"
        if (not release.exists() or
                release.stat().st_mtime < program.stat().st_mtime):
            raise unittest.SkipTest("no program without sanitizers")
        patched = unittest.mock.patch.dict(
            os.environ, MAILTWIN=str(release))
        patched.start()
        cls.addClassCleanup(patched.stop)


class FailingDescriptor(WithoutSanitizers):
    KIND = "open"
    MODES = (("fail", "EMFILE"), ("fail-from", "EMFILE"))


class FailingLook(Failing):
    """What cannot be read is not absent."""

    KIND = "look"
    MODES = (("fail", "EIO"), ("fail-from", "EIO"))


class FailingMemory(WithoutSanitizers):
    """Without memory the program ends; that is like being killed."""

    KIND = "memory"

    MODES = (("fail", "ENOMEM"), ("fail-from", "ENOMEM"))

    def check_failed(self, account, done):
        account.check_kept()
        if done.code == 0 and account.differences():
            account.fail("called in sync what is not: "
                         f"{account.differences()}")


class FailedFsync(StepScene):
    """What could not be made durable is given up: a second fsync() would
    succeed, and prove nothing."""

    def failed(self, number, name, path):
        account = self.account("first_sync")
        done = account.step("fail", number, "EIO", name=name, path=path)
        if done.code not in CLEAR_CODES:
            account.fail(f"ended with {done.code}")
        account.check_kept()
        check_fsyncs(account, done)
        return account, done

    def some(self, every):
        return every if POINTS == "all" else self.source.sample(every, 3)

    def test_of_a_message(self):
        """Its file is dead: unlinked, and the message is fetched again."""
        every = [(number + 1, folder)
                 for folder, messages in changes.START.items()
                 for number in range(len(messages))]
        for number, folder in self.some(every):
            self.one_message(number, f"/{folder}/tmp/")

    def one_message(self, number, directory):
        account, done = self.failed(number, "fsync", directory)
        path, = [call.path for call in done.acted()]
        later = names(done.calls()[done.first():])
        self.assertTrue(("unlinkat", path) in later, "it was not unlinked")
        self.assertEqual([call for call in later if path in call[1] and
                          call[0] not in ("unlinkat", "openat")], [])
        again = account.step("count", path=path)
        self.assertTrue(("openat", path) in names(again.calls()),
                        "it was not fetched again")
        self.end(account)

    def test_of_a_directory(self):
        for number in self.some(range(1, 9)):
            account, _ = self.failed(number, "fsync", "/mail")
            self.end(account)

    def test_of_the_state(self):
        """The worker ends; the next one reads all of it, from the disk."""
        for number in self.some(range(1, 13)):
            account, done = self.failed(number, "fdatasync", "/state.mdb")
            self.assertTrue(done.acted())
            worker = done.acted()[0].thread
            later = [call for call in done.calls()[done.first():]
                     if call.path.endswith("/state.mdb") and
                     call.name != "openat" and call.thread == worker]
            self.assertEqual(later, [])
            again = account.step("count", kind="look", path="/state.mdb")
            readers = {call.thread for call in again.calls()
                       if call.name == "openat"}
            self.assertGreater(len(readers), 1, "it was not verified")
            self.end(account)


def was_not_loaded(done):
    """The loader's call failed: nothing of the program has run."""
    return (done.code == 127 and
            "error while loading shared libraries" in done.output)


def names(calls):
    return [(call.name, call.path) for call in calls]


def check_fsyncs(account, done):
    """After a failed fsync() of a file, nobody calls it for that file again
    before it was made or opened anew."""
    files, dead = set(), set()
    for call in done.calls():
        is_sync = call.name in ("fsync", "fdatasync")
        if call.name == "openat":
            files.add(call.path)
            dead.discard(call.path)
        elif is_sync and call.path in dead:
            account.fail(f"a second fsync of {call.path}")
        elif is_sync and call.deed == "failed" and call.path in files:
            dead.add(call.path)


def some_changes(scene_class):
    source = random.Random(f"{SEED} {scene_class.__name__}")
    every = sorted(changes.CHANGES)
    return sorted(source.sample(every, min(CHANGES, len(every))))


def add_tests(scene_class):
    for name in some_changes(scene_class):
        setattr(scene_class, f"test_{name}",
                lambda self, name=name: self.run_all(name))
    # The sample of the class it is made from is none of its own.
    for name in dir(scene_class):
        if name.startswith("test_") and name not in vars(scene_class):
            setattr(scene_class, name, None)


for each in (Killed, KilledTwice, KilledWorker, KilledUnderDaemon, Failing,
             FailingDisk, FailingDescriptor, FailingLook, FailingMemory):
    add_tests(each)
# Frames, not tests.
del each, StepScene, WithoutSanitizers

if __name__ == "__main__":
    unittest.main(verbosity=2)
