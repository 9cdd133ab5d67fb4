"""Random users on both sides, and a history of what they did.

The history knows what must be there in the end. Where two users touched one
message at about the same time, several ends are right; `window` says how
long about the same time is."""

import os
import random
import time
from collections import Counter, defaultdict

from .corpus import small_message, to_wire
from .imap import ImapError
from .maildir import SYSTEM_FLAGS
from .world import subject

LETTERS = {flag: letter for letter, flag in SYSTEM_FLAGS.items()}
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "$Forwarded", "work", "later")


class History:
    def __init__(self, window):
        self.window = window
        self.acts = defaultdict(list)      # name: [(time, side, kind)]
        self.copies = Counter()
        self.removals = Counter()
        self.flag_acts = defaultdict(list)  # (name, flag): [(time, side, on)]
        self.gone_with_folder = set()
        self.was_undone = False  # a person kept what was held
        self.log = []

    def add(self, side, kind, name, detail=""):
        now = time.monotonic()
        self.acts[name].append((now, side, kind))
        self.log.append(f"{now:.3f} {side} {kind} {name} {detail}")
        if kind == "copy":
            self.copies[name] += 1
        if kind == "remove":
            self.removals[name] += 1

    def add_folder(self, side, kind, *names):
        self.log.append(f"{time.monotonic():.3f} {side} {kind} folder "
                        f"{' '.join(names)} ")

    def add_flag(self, side, name, flag, is_on):
        self.add(side, "flag", name, f"{'+' if is_on else '-'}{flag}")
        self.flag_acts[name, flag].append((time.monotonic(), side, is_on))

    def remove_with_folder(self, side, name, folder):
        self.gone_with_folder.add(name)
        self.add(side, "remove", name, folder)

    def is_contested(self, name):
        """Somebody else was at it when it was removed, copied or moved; or a
        folder went that somebody else renamed or filled, and what was in it
        was held and kept."""
        if self.was_undone and name in self.gone_with_folder:
            return True
        acts = self.acts[name]
        strong = [act for act in acts if act[2] in ("remove", "copy", "move")]
        return any(abs(one[0] - other[0]) < self.window and
                   one[1] != other[1] for one in strong for other in acts)

    def merged_copies(self, name):
        """Copied on two sides at about the same time: nobody can tell
        whether the two are one message, and one is what they may become."""
        copies = [act for act in self.acts[name] if act[2] == "copy"]
        return sum(any(one[1] < other[1] and
                       abs(one[0] - other[0]) < self.window
                       for other in copies) for one in copies)

    def wrongs(self, counts):
        """`counts`: {name: how many are there}. One line for each wrong."""
        lines = []
        for name in self.acts:
            there = counts.get(name, 0)
            most = 1 + self.copies[name]
            least = max(0, most - self.removals[name])
            least = max(min(1, least), least - self.merged_copies(name))
            if not self.is_contested(name):
                most = least
            if there < least:
                lines.append(self.tell("lost", name, there, least))
            if there > most:
                lines.append(self.tell("too many", name, there, most))
        for name in set(counts) - set(self.acts):
            lines.append(f"from nowhere: {name}")
        return lines

    def tell(self, what, name, there, wanted):
        story = [line for line in self.log
                 if f" {name} " in line or " folder " in line]
        return f"{what}: {name}: {there} of {wanted}\n    " + "\n    ".join(
            story)

    def wrong_flags(self, flags):
        """`flags`: {name: set}, of messages there once. The last one wins."""
        lines = []
        for (name, flag), acts in self.flag_acts.items():
            if name not in flags or self.copies[name]:
                continue
            when, side, is_on = acts[-1]
            if any(act[1] != side and when - act[0] < self.window
                   for act in acts):
                continue
            if self.is_contested(name):
                continue
            if (flag in flags[name]) != is_on:
                lines.append(self.tell(f"flag {flag} is not {is_on}", name,
                                       sorted(flags[name]), is_on))
        return lines


class Actor:
    """What the two users have in common: what they like to do."""

    KINDS = ("new", "new", "new", "flag", "flag", "flag", "flag", "keyword",
             "keyword", "move", "move", "remove", "copy", "folder")
    count = 0
    flags = FLAGS  # the last two are keywords

    def __init__(self, history, source):
        self.history = history
        self.random = source
        self.folder_count = 0

    def new_name(self):
        Actor.count += 1
        return f"s{Actor.count}"

    def act(self):
        kind = self.random.choice(self.KINDS)
        try:
            getattr(self, f"do_{kind}")()
        except FileNotFoundError:
            pass
        except IndexError:
            pass  # nothing there to choose from
        except FileExistsError:
            pass

    def new_folder(self):
        self.folder_count += 1
        return f"{self.side}{self.folder_count}"

    def spare_folders(self):
        """Folders that actors made; the others always stay."""
        return [name for name in self.folders()
                if name.startswith(("remote", "local"))]

    def do_folder(self):
        choice = self.random.random()
        spare = self.spare_folders()
        # Fewer than those that stay: when most mailboxes are gone at once,
        # mailtwin asks a person, and there is none here.
        if choice < 0.4 and len(spare) < 3:
            self.make_folder(self.new_folder())
        elif choice < 0.7:
            old, new = self.random.choice(spare), self.new_folder()
            self.history.add_folder(self.side, "rename", old, new)
            self.rename_folder(old, new)
        else:
            old = self.random.choice(spare)
            self.history.add_folder(self.side, "remove", old)
            self.remove_folder(old)


class RemoteActor(Actor):
    side = "remote"

    def __init__(self, history, source, connect):
        super().__init__(history, source)
        self.connect = connect
        self.imap = connect()
        self.names = {}

    def act(self):
        try:
            super().act()
        except ImapError as problem:
            if "hung up" in str(problem):
                self.imap = self.connect()
        except OSError:
            self.imap = self.connect()

    def folders(self):
        return self.imap.mailboxes()[0]

    def alive(self, mailbox, with_body=True):
        """Without those marked \\Deleted: nobody here sets the mark but to
        remove, and without UIDPLUS that is all that can be done."""
        found = self.imap.fetch(mailbox, with_body)
        return {uid: each for uid, each in found.items()
                if "\\Deleted" not in each[0]}

    def pick(self):
        """A random message: (mailbox, uid, name, flags)."""
        mailbox = self.random.choice(self.folders())
        found = self.alive(mailbox, with_body=False)
        validity = self.imap.uid_validity
        uid = self.random.choice(list(found))
        key = (mailbox, validity, uid)
        if key not in self.names:
            for each, (_, _, body) in self.imap.fetch(mailbox).items():
                self.names[mailbox, validity, each] = subject(body)
        return mailbox, uid, self.names.get(key), found[uid][0]

    def do_new(self):
        name = self.new_name()
        flags = self.random.sample(self.flags,
                                   self.random.choice([0, 0, 1, 2]))
        mailbox = self.random.choice(self.folders())
        self.imap.append(mailbox, to_wire(small_message(name)), flags)
        self.history.add(self.side, "new", name, mailbox)

    def change_flag(self, flag):
        mailbox, uid, name, flags = self.pick()
        if name is None:
            return
        is_on = flag not in flags
        self.imap.store(mailbox, [uid], "+FLAGS" if is_on else "-FLAGS",
                        [flag])
        self.history.add_flag(self.side, name, flag, is_on)

    def do_flag(self):
        self.change_flag(self.random.choice(self.flags[:4]))

    def do_keyword(self):
        self.change_flag(self.random.choice(self.flags[4:]))

    def do_move(self):
        target = self.random.choice(self.folders())
        mailbox, uid, name, _ = self.pick()
        if name is None or target == mailbox:
            return
        self.history.add(self.side, "move", name, f"{mailbox} {target}")
        self.imap.move(mailbox, [uid], target)

    def do_copy(self):
        target = self.random.choice(self.folders())
        mailbox, uid, name, _ = self.pick()
        if name is None or target == mailbox:
            return
        before = self.history_count(target, name)
        self.imap.copy(mailbox, [uid], target)
        if self.history_count(target, name) > before:
            self.history.add(self.side, "copy", name, f"{mailbox} {target}")

    def history_count(self, mailbox, name):
        return sum(subject(body) == name for _, _, body
                   in self.alive(mailbox).values())

    def do_remove(self):
        mailbox, uid, name, _ = self.pick()
        if name is None:
            return
        self.history.add(self.side, "remove", name, mailbox)
        self.imap.expunge(mailbox, [uid])

    def make_folder(self, name):
        self.imap.create(name)

    def rename_folder(self, old, new):
        self.touch_all(old, "move")
        self.imap.rename(old, new)

    def remove_folder(self, name):
        # Out of reach in one step: what came in between a look at it and the
        # deletion would be gone without being counted.
        self.folder_count += 1
        doomed = f"doomed{self.folder_count}"
        self.imap.rename(name, doomed)
        for _, _, body in self.alive(doomed).values():
            self.history.remove_with_folder(
                self.side, subject(body), doomed)
        self.imap.delete(doomed)

    def touch_all(self, mailbox, kind):
        for _, _, body in self.alive(mailbox).values():
            self.history.add(self.side, kind, subject(body), mailbox)


class LocalActor(Actor):
    side = "local"

    def __init__(self, history, source, maildir):
        super().__init__(history, source)
        self.maildir = maildir

    def folders(self):
        return self.maildir.folders()

    def pick(self):
        folder = self.random.choice(self.folders())
        entry = self.random.choice(self.maildir.entries(folder))
        return entry, subject(entry.read())

    def do_new(self):
        name = self.new_name()
        letters = self.random.choice(["", "", "S", "FS", "RS"])
        folder = self.random.choice(self.folders())
        self.history.add(self.side, "new", name, folder)
        try:
            self.maildir.deliver(folder, small_message(name), letters)
        except FileNotFoundError:
            del self.history.acts[name]
            raise

    def do_flag(self):
        entry, name = self.pick()
        flag = self.random.choice(self.flags[:4])
        self.toggle(entry, name, flag, LETTERS[flag])

    def do_keyword(self):
        entry, name = self.pick()
        flag = self.random.choice(self.flags[4:])
        self.toggle(entry, name, flag,
                    self.maildir.letter(entry.folder, flag))

    def toggle(self, entry, name, flag, letter):
        is_on = letter not in entry.letters
        if is_on:
            self.maildir.add_letters(entry, letter)
        else:
            self.maildir.drop_letters(entry, letter)
        self.history.add_flag(self.side, name, flag, is_on)

    def do_move(self):
        entry, name = self.pick()
        target = self.random.choice(self.folders())
        if target == entry.folder:
            return
        letters = self.translated(entry, target)
        entry = self.maildir.set_letters(entry, letters)
        self.maildir.move(entry, target, self.random.random() < 0.5)
        self.history.add(self.side, "move", name, f"{entry.folder} {target}")

    def translated(self, entry, target):
        """Letters a-z mean something else in another folder."""
        known = self.maildir.keywords(entry.folder)
        return "".join(
            self.maildir.letter(target, known[each]) if each in known
            else each for each in entry.letters)

    def do_copy(self):
        entry, name = self.pick()
        target = self.random.choice(self.folders())
        if target == entry.folder:
            return
        letters = self.translated(entry, target)
        # Its date goes along: else a copy on either side at the same time
        # would be one message with two dates.
        date = int(entry.path.stat().st_mtime)
        self.maildir.deliver(target, entry.read(), letters, date, "cur")
        self.history.add(self.side, "copy", name, f"{entry.folder} {target}")

    def do_remove(self):
        entry, name = self.pick()
        self.maildir.remove(entry)
        self.history.add(self.side, "remove", name, entry.folder)

    def make_folder(self, name):
        self.maildir.make_folder(name)

    def rename_folder(self, old, new):
        self.touch_all(old, "move")
        self.maildir.rename_folder(old, new)

    def remove_folder(self, name):
        # Out of the tree in one step, so that what came in a moment before
        # is counted as removed too.
        self.folder_count += 1
        doomed = self.maildir.root.with_name(f"removed-{self.folder_count}")
        os.rename(self.maildir.path(name), doomed)
        for sub in ("new", "cur"):
            for path in (doomed / sub).iterdir():
                self.history.remove_with_folder(
                    self.side, subject(path.read_bytes()), name)

    def touch_all(self, folder, kind):
        for entry in self.maildir.entries(folder):
            self.history.add(self.side, kind, subject(entry.read()), folder)


def act_for(seconds, actors, source, pause=0.1, between=None):
    """Lets the actors act in a random order. `between` runs after each."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        source.choice(actors).act()
        if between:
            between()
        time.sleep(source.uniform(0, 2 * pause))


def new_source(seed):
    return random.Random(seed)
