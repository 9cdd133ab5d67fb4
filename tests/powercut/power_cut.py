#!/usr/bin/env python3
"""Cuts the power at many moments and looks what is there afterwards.

    MAILTWIN=… BLOCK_LOG=… power_cut.py --file-system xfs --states 25

Records one run of a program with its users on a disk (recorder.py, story.py).
Then, for a choice of moments and of what the disk had kept of its last writes:
rebuilds the disk, mounts it, puts the server back to what it held at that
moment, runs the program twice and judges.

    clean     both sides hold what they have to, the second run found
              nothing to do, nothing asks for a hand
    lost      a message is on neither side, or was taken out of the Maildir
              and is not kept
    doubled   a message is there more than once
    stuck     the program fails, or holds something, or is never done; or says
              that it is done, and the sides differ
    other     a message is altered, in the wrong folder, has wrong flags, or
              is back though its removal was on the disk

One state may be of several kinds but clean. Ends with 77 when there can be no
such disk here, with a line that says why."""

import argparse
import json
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS / "powercut")]

# pylint: disable=wrong-import-position
import disk
import story
from harness import environment
from harness.dovecot import Dovecot
from programs import PROGRAMS
from programs import run as run_program
from recorder import Gate, Recorder, Servers

USER = "cut"
SKIPPED = 77
# The cut may take what the users did not call fsync() for, until it is said to
# be on both sides.
UNCUT = ("careless_mail_here",)
KINDS = ("clean", "lost", "doubled", "stuck", "other")
AS = {"lost": "lost", "doubled": "doubled", "stuck": "stuck",
      "missing": "stuck", "apart": "stuck"}
# How many file systems there are on the disk. When the state has one of its
# own, its flushes make nothing of the Maildir durable by the way.
LAYOUTS = {"together": 1, "apart": 2}
# The server is not what loses its power.
DOVECOT = "mail_fsync = never\n"


class State:
    """A moment, and the part that is there of what was not flushed yet."""

    def __init__(self, number, moment, part, turn):
        self.number = number
        self.moment = moment
        self.part = part
        self.turn = turn

    def __str__(self):
        turn = f" {self.turn}" if self.part == "half" else ""
        moment = self.moment
        return (f"moment {self.number}, {moment.chapter} (log "
                f"{moment.durable}..{moment.end}, server {moment.server}), "
                f"{self.part}{turn} of the last writes")


def choose(log, moments, count, source):
    """At most `count` states, in the order of the log. The end of each chapter
    without the last writes; each other moment once with nothing and once with
    all of them, the rest with halves."""
    states, halves, seen = [], [], set()
    ends = [State(number, moment, "none", 0)
            for number, moment in enumerate(moments) if moment.is_end][:count]
    count -= len(ends)
    for number, moment in enumerate(moments):
        has_writes = bool(log.writes(moment.durable, moment.end))
        for part in ("none", "all")[:1 + has_writes]:
            # All of them, at a flush, is none of the next ones.
            key = (moment.durable if part == "none" else
                   moment.end + disk.HEADER.size, moment.server, moment.acts)
            is_chosen = moment.is_end and part == "none"
            if key not in seen and not is_chosen:
                states.append(State(number, moment, part, 0))
            seen.add(key)
        if len(log.writes(moment.durable, moment.end)) > 0:
            halves.append((number, moment))
    turn = 0
    while halves and len(states) < count:
        states += [State(*each, "half", turn) for each in halves]
        turn += 1
    if len(states) > count:
        # Halves of something are what hides best.
        states += [State(*each, "half", turn) for each in halves]
        states = source.sample(states, count)
    return sorted(ends + states, key=lambda state: (state.moment.durable,
                                                    state.number))


class Trial:
    """One program on one file system: recorded once, cut many times."""

    def __init__(self, program, kind, layout, seed):
        self.kind = kind
        self.seed = seed
        self.directory = environment.temporary_directory("power-cut")
        self.parts = disk.Parts(kind, self.directory, LAYOUTS[layout])
        self.server = Dovecot(extra=DOVECOT)
        self.gate = None
        self.recorder = None
        self.make_program = PROGRAMS[program]
        self.program = None
        self.story = None
        self.log = self.moments = None
        self.said = []  # by the runs after the last cut

    def __enter__(self):
        self.server.start()
        self.gate = Gate(self.server.port)
        servers = self.directory / "servers"
        servers.mkdir()
        self.recorder = Recorder(self.parts, self.directory, self.gate,
                                 Servers(self.server, USER, servers))
        self.program = self.make_program(
            self.directory, self.parts.places, self.gate.port, USER,
            self.server.password)
        return self

    def __exit__(self, *_):
        self.gate.close()
        self.recorder.close()
        self.parts.unmount()
        self.server.close()
        environment.remove_tree(self.directory)

    # Recording

    def record(self):
        imap = self.server.connect(USER)
        imap.fetch("INBOX")  # it exists from now on
        self.recorder.start()
        try:
            self.program.prepare()
            self.story = story.Story(self.recorder, self.program.mail, imap,
                                     self.seed)
            before = None
            for chapter in self.program.chapters:
                # btrfs renames old files otherwise than those just made.
                if before not in UNCUT:
                    self.parts.sync()
                    self.recorder.settle()
                self.story.tell(chapter)
                self.run_recorded(chapter)
                before = chapter
        finally:
            imap.close()
            self.log, self.moments = self.recorder.stop()

    def run_recorded(self, chapter):
        self.recorder.set_running(None if chapter in UNCUT else chapter)
        code, text = run_program(self.program.command(), self.directory)
        if chapter in UNCUT:
            self.recorder.settle()
        self.recorder.note_end(chapter)
        ends = story.Ends(self.story.acts, len(self.story.acts))
        wrong = self.compare(ends, self.story.imap)
        if code != 0 or wrong:
            raise environment.Failure(
                f"{self.kind}: {chapter}, before any cut: exit code {code}, "
                f"{wrong}\n{text[-3000:]}")

    # Cutting

    def states(self, count, chapter):
        source = random.Random(f"{self.seed} {self.kind}")
        return choose(self.log, [
            moment for moment in self.moments
            if chapter in (None, moment.chapter)], count, source)

    def replay(self, states):
        """Yields (state, what was wrong)."""
        directory = self.directory / "replay"
        directory.mkdir(exist_ok=True)
        rebuilder = disk.Rebuilder(self.log, self.recorder.base, directory)
        with disk.other_number(directory):
            yield from self.replay_with(rebuilder, states)

    def replay_with(self, rebuilder, states):
        for state in states:
            image = rebuilder.image(
                state.moment.durable, state.moment.end, state.part,
                f"{self.seed} {state.number} {state.turn}")
            self.recorder.servers.restore(state.moment.server)
            yield state, self.try_state(state, image)
            image.unlink()

    def try_state(self, state, image):
        try:
            self.parts.mount(image)
            return self.try_mounted(state)
        except disk.Unmountable as problem:
            return [("unmountable", str(problem))]
        finally:
            self.parts.unmount()

    def try_mounted(self, state):
        ends = story.Ends(self.story.acts[:state.moment.acts],
                          state.moment.settled)
        self.program.prepare()
        self.said = []
        left = self.look_at_files()
        with self.server.connect(USER) as imap:
            found = self.run_twice(imap)
            found += self.compare(ends, imap)
        if not found:
            return found
        return found + [("said", each) for each in self.said + left]

    def look_at_files(self):
        """What the cut has left of the Maildir, for who looks for a cause."""
        found = []
        for entry in self.story.maildir.all_entries():
            stat = entry.path.stat()
            found.append(f"{story.subject(entry.read()):6} {entry.path} "
                         f"inode {stat.st_ino} links {stat.st_nlink}")
        return found

    def run_twice(self, imap):
        found = []
        before = None
        for turn in range(2):
            # To the program the machine has just been started.
            command = self.program.command()
            command = environment.after_a_start(*command) or command
            code, text = run_program(command, self.directory)
            self.said.append(text.strip())
            if code != 0:
                return [("stuck", f"run {turn + 1} ended with {code}: "
                         f"{text[-2000:].strip()}")]
            after = self.look(imap)
            if before and after != before:
                found.append(("stuck", "the second run was not idle:\n" +
                              "\n".join(sorted(map(str, after ^ before)))))
            before = after
        return found + [("stuck", each) for each in self.program.trouble()]

    def look(self, imap):
        """All that a run without work must leave as it is."""
        found = {str(entry.path)
                 for entry in self.story.maildir.all_entries()}
        for name in imap.mailboxes()[0]:
            for uid, (flags, _, _) in imap.fetch(name, False).items():
                found.add((name, imap.uid_validity, uid, flags))
        return found

    def compare(self, ends, imap):
        bodies = self.story.bodies
        server = story.server_side(imap, bodies)
        maildir = story.maildir_side(self.story.maildir, bodies)
        found = []
        for name, side, other in (("server", server, maildir),
                                  ("Maildir", maildir, server)):
            found += [(kind, f"{name}: {text}") for kind, text in story.wrongs(
                ends, side, other, self.program.with_flags)]
        found += story.differences(ends, server, maildir)
        kept = {story.subject(path.read_bytes())
                for path in self.program.kept()}
        return found + [("lost", f"{name} is not kept")
                        for name in sorted(ends.kept - kept)]


def classes(wrong):
    """What one state counts as."""
    found = {AS.get(kind, "other") for kind, _ in wrong if kind != "said"}
    return found or {"clean"}


def tell(kind, state, wrong, is_verbose):
    lines = [f"{kind}: {state}"]
    lines += [f"    {name}: {text}" for name, text in wrong
              if is_verbose or name != "said"]
    if len(lines) > 20 and not is_verbose:
        lines[20:] = [f"    … and {len(lines) - 20} more"]
    print("\n".join(lines), flush=True)


def run(options):
    """Returns a Counter of KINDS, and of states."""
    counts = Counter()
    kind = options.file_system
    with Trial(options.program, kind, options.layout, options.seed) as trial:
        trial.record()
        states = trial.states(options.states, options.chapter)
        print(f"{options.program} on {kind}, {options.layout}: "
              f"{len(trial.moments)} moments, "
              f"{len(states)} states, seed {options.seed}", flush=True)
        for state, wrong in trial.replay(states):
            counts["states"] += 1
            counts.update(classes(wrong))
            if wrong:
                tell(kind, state, wrong, options.verbose)
    return counts


def summary(program, kind, counts):
    return (f"{program:9} {kind:6} {counts['states']:6} states" +
            "".join(f"  {counts[each]:5} {each}" for each in KINDS))


def main():
    parser = argparse.ArgumentParser(prog="power_cut.py")
    parser.add_argument("--program", choices=PROGRAMS, default="mailtwin")
    parser.add_argument("--file-system", choices=disk.KINDS, required=True)
    parser.add_argument("--layout", choices=LAYOUTS, default="together",
                        help="Maildir and state on one file system, or two")
    parser.add_argument("--states", type=int, default=25)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--chapter", help="cut only while this is done: "
                        "flags, moves, …")
    parser.add_argument("--verbose", action="store_true",
                        help="tell what was left, and what was said")
    parser.add_argument("--result", type=Path, help="write the counts here")
    options = parser.parse_args()
    # Servers and mounts are cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        disk.be_alone()
    except OSError as problem:
        print(f"skipped: {problem}")
        return SKIPPED
    disk.live_in_memory()
    why = (disk.missing(options.file_system) or Dovecot.missing() or
           PROGRAMS[options.program].missing())
    if why:
        print(f"skipped: {why}")
        return SKIPPED
    started = time.monotonic()
    counts = run(options)
    print(f"{summary(options.program, options.file_system, counts)}  "
          f"({time.monotonic() - started:.0f} s)")
    if options.result:
        options.result.write_text(json.dumps(counts))
    return 0 if counts["clean"] == counts["states"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except environment.Failure:
        traceback.print_exc()
        sys.exit(1)
