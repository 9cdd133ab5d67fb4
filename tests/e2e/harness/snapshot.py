"""Both sides of an account in one form.

A snapshot is {mailbox: Counter of (sha256, flags, seconds)}: the hash of the
message with CRLF line ends, its flags and keywords, its INTERNALDATE."""

import hashlib
import time
from collections import Counter

from .imap import ImapError, join

_local_hashes = {}


def canonical(message):
    """CRLF line ends; a lone CR is content and stays."""
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def expected_file(message):
    """What contract says the Maildir file of a server's message holds."""
    rest = message.replace(b"\r\n", b"")
    if b"\r" in rest or b"\n" in rest:
        return message
    return message.replace(b"\r\n", b"\n")


def digest(message):
    return hashlib.sha256(canonical(message)).hexdigest()[:16]


def normal(flags):
    """Keywords do not tell case."""
    return frozenset(flag.lower() for flag in flags)


class RemoteView:
    """Snapshots through one client, fetching each body once."""

    def __init__(self, imap, with_dates=True):
        self.imap = imap
        self.with_dates = with_dates
        self.has_waiting = False
        self.reconnect = None
        self.hashes = {}

    def snapshot(self):
        names, _ = self.imap.mailboxes()
        return {name: self.mailbox(name) for name in names}

    def mailbox(self, name):
        found = self.imap.fetch(name, with_body=False)
        validity = self.imap.uid_validity
        keys = {uid: (name, validity, uid) for uid in found}
        missing = [uid for uid in found if keys[uid] not in self.hashes]
        for start in range(0, len(missing), 500):
            self.read_bodies(name, missing[start:start + 500], keys)
        return Counter(
            (self.hashes.get(keys[uid], "gone"), normal(flags),
             date if self.with_dates else 0)
            for uid, (flags, date, _) in found.items())

    def read_bodies(self, name, uids, keys):
        bodies = self.imap.fetch(name, uids=join(uids))
        for uid, (_, _, body) in bodies.items():
            if uid in keys:
                self.hashes[keys[uid]] = digest(body)


def local_digest(path):
    stat = path.stat()
    # Inodes are used again, and tests set the mtime: the name tells.
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns,
           path.name.partition(":2,")[0])
    if key not in _local_hashes:
        _local_hashes[key] = digest(path.read_bytes())
    return _local_hashes[key], int(stat.st_mtime)


def local_snapshot(maildir, with_dates=True):
    found = {}
    for folder in maildir.folders():
        counter = found[folder] = Counter()
        for entry in maildir.entries(folder):
            sha, date = local_digest(entry.path)
            counter[sha, normal(maildir.flags(entry)),
                    date if with_dates else 0] += 1
    return found


def describe(message):
    sha, flags, date = message
    return f"{sha} ({' '.join(sorted(flags))}) {date}"


def without_waiting(remote, local):
    """A server without UIDPLUS keeps what is removed, marked \\Deleted."""
    left = {}
    for name, messages in remote.items():
        here = local.get(name, Counter())
        waiting = Counter({message: count for message, count
                           in (messages - here).items()
                           if "\\deleted" in message[1]})
        if name in local or not messages or messages - waiting:
            left[name] = messages - waiting
    return left


def difference(remote, local, limit=12):
    """What tells the two apart, one line each; empty when nothing does."""
    lines = []
    for name in sorted(set(remote) | set(local)):
        if name not in local:
            lines.append(f"{name}: only on the server "
                         f"({sum(remote[name].values())} messages)")
            continue
        if name not in remote:
            lines.append(f"{name}: only in the Maildir "
                         f"({sum(local[name].values())} messages)")
            continue
        for message in remote[name] - local[name]:
            lines.append(f"{name}: server only: {describe(message)}")
        for message in local[name] - remote[name]:
            lines.append(f"{name}: Maildir only: {describe(message)}")
    if len(lines) > limit:
        lines[limit:] = [f"... and {len(lines) - limit} more"]
    return lines


def below(prefix, found):
    return {name: each for name, each in found.items()
            if name.startswith(prefix)}


def compare(view, maildir, prefix=""):
    """The difference between the two sides now, or why there is no answer.

    Only mailboxes whose names begin with `prefix` count."""
    try:
        remote = below(prefix, view.snapshot())
        local = below(prefix, local_snapshot(maildir, view.with_dates))
        if view.has_waiting:
            remote = without_waiting(remote, local)
        return difference(remote, local)
    except FileNotFoundError as problem:
        return [f"a file moved while it was looked at: {problem}"]
    except ImapError as problem:
        # Who has a mailbox selected that is deleted is hung up on.
        if "hung up" in str(problem) and view.reconnect:
            view.reconnect()
        return [f"a mailbox changed while it was looked at: {problem}"]


def wait_until_equal(view, maildir, timeout=30, prefix="", pause=0.1):
    """Returns the difference that is left: an empty list when equal."""
    deadline = time.monotonic() + timeout
    while True:
        lines = compare(view, maildir, prefix)
        if not lines or time.monotonic() > deadline:
            return lines
        time.sleep(pause)
