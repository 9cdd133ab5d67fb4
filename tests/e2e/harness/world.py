"""A server's account, a Maildir, and mailtwin between them."""

import re

from . import environment, snapshot
from .maildir import Maildir
from .program import Program
from .proxy import Proxy

# What each rung of the ladder does without.
RUNGS = {
    "qresync": [],
    "condstore": ["QRESYNC"],
    "plain": ["QRESYNC", "CONDSTORE", "ENABLE", "UIDPLUS", "MOVE", "ESEARCH",
              "LIST-STATUS", "LIST-EXTENDED", "SPECIAL-USE", "LITERAL+",
              "LITERAL-", "MULTIAPPEND", "IDLE", "NAMESPACE", "SASL-IR",
              "UNSELECT", "ID", "OBJECTID", "NOTIFY", "APPENDLIMIT",
              "SEARCHRES"],
}


def connection_keys(server, tls, proxy):
    if tls == "off":
        port = proxy.port if proxy else server.port
        return {"host": "127.0.0.1", "port": port, "tls": "off"}
    port = server.tls_port if tls == "implicit" else server.port
    return {"host": "localhost", "port": port, "tls": tls,
            "tls_ca_file": str(server.ca_file)}


class World:
    """`account` adds keys to the account's section of the configuration."""

    def __init__(self, server, user, rung="qresync", tls="off", layout="fs",
                 with_proxy=False, **account):
        self.server = server
        self.user = user
        server.add_user(user)
        self.directory = environment.temporary_directory("client")
        self.directory.chmod(0o700)
        self.maildir = Maildir(self.directory / "mail", layout)
        self.proxy = Proxy(server.port) if with_proxy else None
        self.account = {
            **connection_keys(server, tls, self.proxy),
            "user": user, "password": server.password,
            "maildir": str(self.maildir.root), "layout": layout,
            "poll": "2s", **account}
        if RUNGS[rung]:
            self.account.setdefault("disable", RUNGS[rung])
        self.program = Program(self.directory, {"home": self.account})
        self.imap = server.connect(user)
        self.view = snapshot.RemoteView(self.imap)
        # Without UIDPLUS a removed message is marked \Deleted and stays
        # until somebody expunges the mailbox: EXPUNGE would take others along.
        self.view.has_waiting = rung == "plain"
        self.view.reconnect = self.reconnect

    def configure(self, **account):
        self.account.update(account)
        self.program.configure({"home": self.account})

    def reconnect(self):
        """After a server's restart."""
        self.imap = self.server.connect(self.user)
        self.view.imap = self.imap

    def close(self):
        self.program.close()
        try:
            self.imap.close()
        except (OSError, ValueError):
            pass
        if self.proxy:
            self.proxy.close()
        environment.remove_tree(self.directory)

    # What is there

    def wait_until_equal(self, timeout=30, prefix=""):
        left = snapshot.wait_until_equal(self.view, self.maildir, timeout,
                                         prefix)
        if left:
            raise environment.Failure(self.explain(left))

    def assert_equal(self, prefix=""):
        left = snapshot.compare(self.view, self.maildir, prefix)
        if left:
            raise environment.Failure(self.explain(left))

    def explain(self, lines):
        return ("the two sides differ:\n  " + "\n  ".join(lines) +
                "\n" + self.program.log()[-3000:])

    def remote(self, folder):
        """{subject: flags}, or None without such a mailbox. Twins: a list."""
        if folder not in self.imap.mailboxes()[0]:
            return None
        found = self.imap.fetch(folder).values()
        messages = by_subject((body, flags) for flags, _, body in found)
        if self.view.has_waiting and messages:
            return self.without_waiting(folder, messages)
        return messages

    def without_waiting(self, folder, messages):
        """Marked \Deleted, and not in the Maildir: as good as gone."""
        here = self.local(folder)
        left = {}
        for name, flags in messages.items():
            known = (here or {}).get(name, [])
            kept = [each for each in flags
                    if "\\Deleted" not in each or each in known]
            if kept:
                left[name] = kept
        return left if left or here is not None else None

    def local(self, folder):
        if folder not in self.maildir.folders():
            return None
        return by_subject(
            (entry.read(), self.maildir.flags(entry))
            for entry in self.maildir.entries(folder))

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


def subject(message):
    found = re.search(rb"^Subject: (.*?)\r?$", message, re.M)
    return found[1].decode() if found else "(none)"


def by_subject(messages):
    """Flags sorted into one string; of twins, one for each."""
    found = {}
    for message, flags in messages:
        found.setdefault(subject(message), []).append(
            " ".join(sorted(flags)))
    return {name: sorted(each) for name, each in found.items()}
