"""The local side, as mutt, mu4e, aerc and a delivery agent treat it."""

import os
import shutil
import socket
import time
from pathlib import Path
from urllib.parse import unquote

from . import environment

SYSTEM_FLAGS = {
    "D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered",
    "S": "\\Seen", "T": "\\Deleted",
}


class Entry:
    """One message file, where it was seen."""

    def __init__(self, folder, path):
        self.folder = folder
        self.path = path
        self.sub = path.parent.name
        self.unique, _, info = path.name.partition(":2,")
        self.letters = info.split(",")[0]

    def read(self):
        return self.path.read_bytes()


class Maildir:
    """Folder names are str with `/` between levels, in both layouts.

    Messages are bytes with LF. An action on a file that somebody renamed
    meanwhile raises FileNotFoundError, as it does for a mail reader."""

    counter = 0

    def __init__(self, root, layout="fs"):
        self.root = Path(root)
        self.layout = layout

    # Folders

    def path(self, folder):
        if self.layout == "fs":
            return self.root / folder
        if folder == "INBOX":
            return self.root
        return self.root / ("." + folder.replace("/", "."))

    def folders(self):
        if not self.root.is_dir():
            return []
        if self.layout == "fs":
            return sorted(self.nested(self.root, ""))
        found = ["INBOX"] if (self.root / "cur").is_dir() else []
        for child in self.root.iterdir():
            if child.name.startswith(".") and (child / "cur").is_dir():
                found.append(unquote(child.name[1:].replace(".", "/")))
        return sorted(found)

    def nested(self, path, name):
        if name and all((path / sub).is_dir() for sub in ("cur", "new")):
            yield unquote(name)
        try:
            children = list(path.iterdir())
        except FileNotFoundError:
            return
        for child in children:
            if child.is_dir() and child.name not in ("cur", "new", "tmp"):
                below = f"{name}/{child.name}" if name else child.name
                yield from self.nested(child, below)

    def make_folder(self, folder):
        path = self.path(folder)
        for sub in ("tmp", "new", "cur"):
            (path / sub).mkdir(parents=True, exist_ok=True)

    def rename_folder(self, old, new):
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.path(old), self.path(new))

    def remove_folder(self, folder):
        shutil.rmtree(self.path(folder))

    # Messages

    def entries(self, folder):
        """new first, then cur: a message moves in that direction."""
        found = {}
        for sub in ("new", "cur"):
            try:
                names = os.listdir(self.path(folder) / sub)
            except FileNotFoundError:
                continue
            for name in names:
                if not name.startswith("."):
                    entry = Entry(folder, self.path(folder) / sub / name)
                    found[str(entry.path)] = entry
        return list(found.values())

    def all_entries(self):
        return [entry for folder in self.folders()
                for entry in self.entries(folder)]

    @classmethod
    def unique_name(cls):
        cls.counter += 1
        now = time.time()
        return (f"{int(now)}.M{int(now % 1 * 1e6)}P{os.getpid()}"
                f"Q{cls.counter}.{socket.gethostname()}")

    def deliver(self, folder, message, letters="", date=None, sub=None):
        """tmp, then new; or cur when it has flags, as a copying reader."""
        self.make_folder(folder)
        name = self.unique_name()
        source = self.path(folder) / "tmp" / name
        source.write_bytes(message)
        if date:
            os.utime(source, (date, date))
        sub = sub or ("cur" if letters else "new")
        info = f":2,{letters}" if sub == "cur" else ""
        target = self.path(folder) / sub / (name + info)
        os.rename(source, target)
        return Entry(folder, target)

    def set_letters(self, entry, letters):
        """Renames for flags, out of new if need be."""
        info = "".join(sorted(set(letters)))
        target = self.path(entry.folder) / "cur" / f"{entry.unique}:2,{info}"
        os.rename(entry.path, target)
        return Entry(entry.folder, target)

    def add_letters(self, entry, letters):
        return self.set_letters(entry, entry.letters + letters)

    def drop_letters(self, entry, letters):
        return self.set_letters(entry, set(entry.letters) - set(letters))

    def move(self, entry, folder, new_name=False):
        """Keeps the name (mutt), or takes a new one (mu4e, aerc)."""
        unique = self.unique_name() if new_name else entry.unique
        name = entry.path.name.replace(entry.unique, unique, 1)
        target = self.path(folder) / entry.sub / name
        os.rename(entry.path, target)
        return Entry(folder, target)

    def copy(self, entry, folder):
        return self.deliver(folder, entry.read(), entry.letters,
                            int(entry.path.stat().st_mtime), entry.sub)

    def remove(self, entry):
        os.unlink(entry.path)

    # Keywords

    def keywords(self, folder):
        """{letter: keyword} of the folder's dovecot-keywords."""
        found = {}
        try:
            text = (self.path(folder) / "dovecot-keywords").read_text()
        except FileNotFoundError:
            return found
        for line in text.splitlines():
            index, _, name = line.partition(" ")
            found[chr(ord("a") + int(index))] = name
        return found

    def letter(self, folder, keyword):
        """The letter of a keyword, added under the dotlock if it is new."""
        known = self.keywords(folder)
        for letter, name in known.items():
            if name.lower() == keyword.lower():
                return letter
        lock = self.path(folder) / "dovecot-keywords.lock"
        environment.wait_until(lambda: self.try_lock(lock), 10, str(lock))
        known = self.keywords(folder)
        letter = next(chr(code) for code in range(97, 123)
                      if chr(code) not in known)
        known[letter] = keyword
        lock.write_text("".join(
            f"{ord(each) - 97} {known[each]}\n" for each in sorted(known)))
        os.rename(lock, self.path(folder) / "dovecot-keywords")
        return letter

    @staticmethod
    def try_lock(path):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    def flags(self, entry):
        """The letters in the words of IMAP."""
        keywords = self.keywords(entry.folder)
        found = set()
        for letter in entry.letters:
            if letter in SYSTEM_FLAGS:
                found.add(SYSTEM_FLAGS[letter])
            elif letter in keywords:
                found.add(keywords[letter])
            else:
                found.add(f"unknown letter {letter}")
        return frozenset(found)
