"""What two users do while the disk is recorded, and what has to be there when
the power came back.

The local user calls fsync() for what it did, as a careful mail reader does. So
what was done before the power went has to have its effect in the end, also a
deletion. No two acts of a chapter are at one message, so that there is one
right end. In the chapters of careless users, as most are, nobody calls fsync():
new mail then is not cut before the program said that it is on both sides; other
changes may come undone, on both sides alike, and what was removed may be back
with \\Deleted."""

import contextlib
import os
import random
import re
from collections import defaultdict

from harness import corpus, environment, snapshot
from harness.corpus import small_message, to_wire
from harness.maildir import Entry, Maildir
from harness.world import subject

# Those of the first are more than are synced one by one.
FIRST = {"INBOX": 20, "Archive": 10, "Work": 10, "Work/2024": 8}
DATE = corpus.FIRST_DATE
# mbsync leaves a line of its own in what it fetched.
TUID = re.compile(rb"^X-TUID: .*\r\n", re.M)


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class CarefulMaildir(Maildir):
    """What was done here is on the disk when the call returns."""

    def deliver(self, folder, message, letters="", date=None, sub=None):
        name = self.unique_name()
        source = self.path(folder) / "tmp" / name
        with open(source, "wb") as file:
            file.write(message)
            file.flush()
            os.utime(file.fileno(), (date or DATE, date or DATE))
            os.fsync(file.fileno())
        sub = sub or ("cur" if letters else "new")
        info = f":2,{letters}" if sub == "cur" else ""
        target = self.path(folder) / sub / (name + info)
        os.rename(source, target)
        sync_directory(target.parent)
        return Entry(folder, target)

    def set_letters(self, entry, letters):
        found = super().set_letters(entry, letters)
        sync_directory(found.path.parent)
        sync_directory(entry.path.parent)
        return found

    def letter(self, folder, keyword):
        found = super().letter(folder, keyword)
        with open(self.path(folder) / "dovecot-keywords", "rb") as file:
            os.fsync(file.fileno())
        sync_directory(self.path(folder))
        return found

    def move(self, entry, folder, new_name=False):
        found = super().move(entry, folder, new_name)
        sync_directory(found.path.parent)
        sync_directory(entry.path.parent)
        return found

    def remove(self, entry):
        super().remove(entry)
        sync_directory(entry.path.parent)

    def make_folder(self, folder):
        super().make_folder(folder)
        path = self.path(folder)
        while path != self.root.parent:
            sync_directory(path)
            path = path.parent

    def rename_folder(self, old, new):
        super().rename_folder(old, new)
        sync_directory(self.path(new).parent)
        sync_directory(self.path(old).parent)

    def remove_folder(self, folder):
        """In one step, so that it is there or it is not."""
        gone = self.root.with_name("gone")
        os.rename(self.path(folder), gone)
        sync_directory(self.path(folder).parent)
        sync_directory(gone.parent)
        environment.remove_tree(gone)


class Place:
    """Where a message is, and with which flags."""

    def __init__(self, folder, flags=()):
        self.folder = folder
        self.flags = snapshot.normal(flags)

    def key(self, with_flags):
        return self.folder, self.flags if with_flags else frozenset()


class Act:
    """`messages`: {name: Place, or None}; `folders`: {name: is it there}."""

    def __init__(self, messages, folders, is_careless, is_there):
        self.messages = messages
        self.folders = folders
        self.is_careless = is_careless
        self.is_there = is_there


class Ends:
    """All that may be there: {name: [Place or None]}, {folder: [bool]}.
    `settled`: how many of the acts have to stay. `kept`: the names of what is
    taken out of the Maildir."""

    def __init__(self, acts, settled):
        self.messages = defaultdict(list)
        self.folders = defaultdict(list)
        self.kept = set()
        for number, act in enumerate(acts):
            may_be = act.is_careless and number >= settled
            self.put(self.messages, act.messages, may_be, None)
            self.put(self.folders, act.folders, may_be, False)
            if may_be:
                self.add_half_removed(act.messages)
            if act.is_there:
                self.kept.update(name for name, end in act.messages.items()
                                 if end is None)

    def add_half_removed(self, messages):
        for name in (name for name, end in messages.items() if end is None):
            place = self.messages[name][-2]
            self.messages[name].append(
                Place(place.folder, place.flags | {"\\deleted"}))

    @staticmethod
    def put(ends, changes, may_be, nothing):
        for name, end in changes.items():
            before = ends[name] or [nothing]
            ends[name] = before + [end] if may_be else [end]


class Story:
    """The users. Each `do_…` is a list of acts; the program runs after it."""

    def __init__(self, recorder, mail, imap, seed):
        self.recorder = recorder
        self.imap = imap
        self.maildir = CarefulMaildir(mail)
        self.source = random.Random(seed)
        self.acts = []
        self.is_careless = False
        self.bodies = {}
        self.places = {}
        self.touched = set()
        self.count = 0

    def tell(self, chapter):
        self.touched.clear()
        getattr(self, f"do_{chapter}")()

    def act(self, work, messages=None, folders=None, is_there=False):
        messages, folders = messages or {}, folders or {}
        self.acts.append(Act(messages, folders, self.is_careless, is_there))
        work()
        self.recorder.end_act()
        self.places.update(messages)
        self.touched.update(messages)

    def new_message(self):
        self.count += 1
        name = f"m{self.count}"
        size = self.source.choice([0, 100, 3000, 9000])
        self.bodies[name] = small_message(name, size=size)
        return name, self.bodies[name]

    def names_in(self, folder):
        return sorted((name for name, place in self.places.items()
                       if place and place.folder == folder),
                      key=lambda name: int(name[1:]))

    def quiet_in(self, folder):
        """Nobody was at these in this chapter: both sides have them."""
        return [name for name in self.names_in(folder)
                if name not in self.touched]

    # The two hands

    def receive(self, folder, flags=()):
        name, body = self.new_message()
        self.act(lambda: self.imap.append(folder, to_wire(body), flags,
                                          DATE + self.count),
                 {name: Place(folder, flags)})

    def deliver(self, folder, letters="", flags=()):
        name, body = self.new_message()
        self.act(lambda: self.maildir.deliver(folder, body, letters,
                                              DATE + self.count),
                 {name: Place(folder, flags)})

    def uid(self, folder, name):
        for uid, (_, _, body) in self.imap.fetch(folder).items():
            if subject(body) == name:
                return uid
        raise environment.Failure(f"no {name} in {folder} on the server")

    def entry(self, folder, name):
        for entry in self.maildir.entries(folder):
            if subject(entry.read()) == name:
                return entry
        raise environment.Failure(f"no {name} in {folder} of the Maildir")

    def flag_here(self, name, letter, flag):
        place = self.places[name]
        entry = self.entry(place.folder, name)
        self.act(lambda: self.maildir.add_letters(entry, letter),
                 {name: Place(place.folder, place.flags | {flag})})

    def keyword_here(self, name, keyword):
        folder = self.places[name].folder
        self.flag_here(name, self.maildir.letter(folder, keyword), keyword)

    def read_no_more_here(self, name):
        place = self.places[name]
        entry = self.entry(place.folder, name)
        self.act(lambda: self.maildir.drop_letters(entry, "S"),
                 {name: Place(place.folder, place.flags - {"\\seen"})})

    def flag_there(self, name, flag):
        place = self.places[name]
        uid = self.uid(place.folder, name)
        self.act(lambda: self.imap.store(place.folder, [uid], "+FLAGS",
                                         [flag]),
                 {name: Place(place.folder, place.flags | {flag})})

    def read_no_more_there(self, name):
        place = self.places[name]
        uid = self.uid(place.folder, name)
        self.act(lambda: self.imap.store(place.folder, [uid], "-FLAGS",
                                         ["\\Seen"]),
                 {name: Place(place.folder, place.flags - {"\\seen"})})

    def move_here(self, name, folder, new_name):
        place = self.places[name]
        entry = self.entry(place.folder, name)
        self.act(lambda: self.maildir.move(entry, folder, new_name),
                 {name: Place(folder, place.flags)})

    def move_there(self, name, folder):
        place = self.places[name]
        uid = self.uid(place.folder, name)
        self.act(lambda: self.imap.move(place.folder, [uid], folder),
                 {name: Place(folder, place.flags)})

    def remove_here(self, name):
        entry = self.entry(self.places[name].folder, name)
        self.act(lambda: self.maildir.remove(entry), {name: None})

    def remove_there(self, name):
        folder = self.places[name].folder
        uid = self.uid(folder, name)
        self.act(lambda: self.imap.expunge(folder, [uid]), {name: None},
                 is_there=True)

    def make(self, side, folder):
        work = self.maildir.make_folder if side == "here" else self.imap.create
        self.act(lambda: work(folder), folders={folder: True})

    def rename(self, side, old, new):
        work = (self.maildir.rename_folder if side == "here"
                else self.imap.rename)
        messages = {name: Place(new, self.places[name].flags)
                    for name in self.names_in(old)}
        self.act(lambda: work(old, new), messages, {old: False, new: True})

    def remove_folder(self, side, folder):
        work = (self.maildir.remove_folder if side == "here"
                else self.imap.delete)
        self.act(lambda: work(folder),
                 {name: None for name in self.names_in(folder)},
                 {folder: False}, side == "there")

    # The chapters

    def do_mail_that_is_there(self):
        for folder, count in FIRST.items():
            if folder != "INBOX":
                self.make("there", folder)
            for number in range(count):
                self.receive(folder, ["\\Seen"] if number % 2 else [])

    def do_new_mail_here(self):
        for folder in ("INBOX", "INBOX", "Work", "Work/2024", "Archive"):
            self.deliver(folder)
            self.deliver(folder, "S", ["\\Seen"])

    def do_careless_mail_here(self):
        """What the program then says to be on both sides has to stay so."""
        with self.careless():
            self.do_new_mail_here()

    def do_careless_changes_here(self):
        with self.careless():
            for source, target in (("INBOX", "Work"), ("Archive", "INBOX"),
                                   ("Work/2024", "Archive")):
                same, other, gone, *rest = self.quiet_in(source)
                self.move_here(same, target, False)
                self.move_here(other, target, True)
                self.remove_here(gone)
                for name in rest[:2]:
                    self.flag_here(name, "R", "\\answered")

    @contextlib.contextmanager
    def careless(self):
        careful, self.maildir = self.maildir, Maildir(self.maildir.root)
        self.is_careless = True
        yield
        self.maildir, self.is_careless = careful, False

    def do_new_mail_there(self):
        for folder in ("INBOX", "INBOX", "INBOX", "Work", "Archive"):
            self.receive(folder)

    def do_flags(self):
        for folder in ("INBOX", "Work", "Archive"):
            names = self.quiet_in(folder)
            for name in names[0:4:2]:
                self.flag_here(name, "F", "\\flagged")
            for name in names[1:2]:
                self.flag_there(name, "\\answered")
            for name in names[3:4]:
                self.flag_there(name, "later")
            seen = [name for name in names[4:]
                    if "\\seen" in self.places[name].flags]
            for name in seen[:1]:
                self.read_no_more_here(name)
            for name in seen[1:2]:
                self.read_no_more_there(name)
            for name in [each for each in names[4:] if each not in seen][:1]:
                self.keyword_here(name, "mine")

    def do_moves(self):
        for source, target in (("INBOX", "Work"), ("Archive", "INBOX"),
                               ("Work/2024", "Archive")):
            first, second, third, *_ = self.quiet_in(source)
            self.move_here(first, target, False)
            self.move_here(second, target, True)
            self.move_there(third, target)

    def do_removals(self):
        for folder in ("INBOX", "Work", "Archive"):
            names = self.quiet_in(folder)
            for name in names[0:4:2]:
                self.remove_here(name)
            for name in names[1:4:2]:
                self.remove_there(name)

    def do_new_folders(self):
        for side in ("here", "there"):
            self.make(side, f"made-{side}")
            self.make(side, f"deep-{side}/er")
            self.make(side, f"gone-{side}")
        for folder in ("made-here", "deep-here/er", "gone-here"):
            self.deliver(folder, "S", ["\\Seen"])
            self.deliver(folder)
        for folder in ("made-there", "deep-there/er", "gone-there"):
            self.receive(folder, ["\\Seen"])
            self.receive(folder)

    def do_folder_changes(self):
        for side, other in (("here", "there"), ("there", "here")):
            self.rename(side, f"made-{other}", f"named-{side}")
            self.rename(side, f"deep-{other}/er", f"deep-{other}/est")
            self.remove_folder(side, f"gone-{other}")

    def do_all_at_once(self):
        self.do_new_mail_there()
        self.do_new_mail_here()
        self.do_moves()
        self.do_removals()
        self.do_flags()


# ---- Judging ----

class Side:
    """What is on one side: {name: [(folder, flags)]}, its folders, and the
    names of messages whose bytes are not what they were."""

    def __init__(self, found, folders, bodies):
        self.folders = set(folders)
        self.places = defaultdict(list)
        self.altered = set()
        for folder, flags, body in found:
            name = subject(body)
            self.places[name].append((folder, snapshot.normal(flags)))
            body = TUID.sub(b"", snapshot.canonical(body))
            if body != to_wire(bodies.get(name, b"")):
                self.altered.add(name)


def server_side(imap, bodies):
    names, _ = imap.mailboxes()
    return Side([(name, flags, body) for name in names
                 for flags, _, body in imap.fetch(name).values()],
                names, bodies)


def maildir_side(maildir, bodies):
    return Side([(entry.folder, maildir.flags(entry), entry.read())
                 for entry in maildir.all_entries()],
                maildir.folders(), bodies)


def wrongs(ends, side, other, with_flags):
    """[(kind, text)] of all on one side that is not as it has to be."""
    found = [("altered", name) for name in sorted(side.altered)]
    found += [("doubled", f"{name} from nowhere")
              for name in sorted(set(side.places) - set(ends.messages))]
    for name, places in ends.messages.items():
        there = [key if with_flags else (key[0], frozenset())
                 for key in side.places.get(name, [])]
        wanted = [place and place.key(with_flags) for place in places]
        if len(there) > 1:
            found.append(("doubled", f"{name} {there}"))
        elif not there and None not in wanted:
            kind = "missing" if other.places.get(name) else "lost"
            found.append((kind, f"{name} of {wanted}"))
        elif there and set(wanted) == {None}:
            found.append(("undone", f"{name} is back: {there}"))
        elif there and there[0] not in wanted:
            found.append(("wrong", f"{name} {there[0]}, not {wanted}"))
    for folder, ends_of in ends.folders.items():
        if (folder in side.folders) not in ends_of:
            found.append(("wrong", f"folder {folder}: {ends_of}"))
    return found


def differences(ends, server, maildir):
    """[(kind, text)] of what may be so or so, and is not the same on both."""
    return [("apart", f"{name}: {server.places.get(name)} on the server, "
             f"{maildir.places.get(name)} in the Maildir")
            for name, places in ends.messages.items()
            if len(places) > 1
            and server.places.get(name) != maildir.places.get(name)]
