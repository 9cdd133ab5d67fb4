"""A small IMAP client, independent of the one under test."""

import base64
import contextlib
import re
import socket
import ssl
import time
from datetime import datetime, timezone

MONTHS = ("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec").split()
LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n\Z")


class ImapError(Exception):
    """The server said NO or BAD, or hung up."""


def utf7_encode(name):
    """Modified UTF-7 of a mailbox name (RFC 3501, 5.1.3)."""
    out = []
    for part in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name):
        if " " <= part[0] <= "~":
            out.append(part.replace("&", "&-"))
        else:
            packed = base64.b64encode(part.encode("utf-16-be"))
            text = packed.decode().rstrip("=").replace("/", ",")
            out.append(f"&{text}-")
    return "".join(out)


def utf7_decode(name):
    def decode(match):
        text = match[1]
        if not text:
            return "&"
        padded = text.replace(",", "/") + "=" * (-len(text) % 4)
        return base64.b64decode(padded).decode("utf-16-be")
    return re.sub(r"&([^-]*)-", decode, name)


def quote(name):
    text = utf7_encode(name).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def format_date(seconds):
    date = datetime.fromtimestamp(seconds, timezone.utc)
    return date.strftime(f'"%d-{MONTHS[date.month - 1]}-%Y %H:%M:%S +0000"')


def parse_date(text):
    day, month, rest = text.strip().split("-", 2)
    text = f"{int(day):02}-{MONTHS.index(month) + 1:02}-{rest}"
    return int(datetime.strptime(text, "%d-%m-%Y %H:%M:%S %z").timestamp())


def join(values):
    return ",".join(str(value) for value in values)


class Imap:
    """One connection. Mailbox names are str, messages are bytes with CRLF."""

    def __init__(self, host, port, user=None, password=None, ca_file=None,
                 timeout=60):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca_file:
            context = ssl.create_default_context(cafile=str(ca_file))
            self.socket = context.wrap_socket(
                self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.tags = 0
        self.uid_validity = None
        self.uid_next = None
        self.capabilities = set()
        self.read_line()
        if user:
            self.login(user, password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.sendall(b"bye LOGOUT\r\n")
        except OSError:
            pass
        self.file.close()
        self.socket.close()

    # The wire

    def read_line(self):
        """One response: a list of bytes, text and literals by turns."""
        parts = []
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise ImapError("the server hung up")
            literal = LITERAL.search(line)
            if not literal:
                parts.append(line[:-2])
                return parts
            parts.append(line[:literal.start()])
            parts.append(self.file.read(int(literal[1])))

    def send(self, text, *pieces):
        """Starts a command; bytes among the pieces become literals."""
        self.tags += 1
        tag = f"t{self.tags}"
        out = [f"{tag} {text}".encode()]
        for piece in pieces:
            if isinstance(piece, bytes):
                out.append(b"{%d+}\r\n%s" % (len(piece), piece))
            else:
                out.append(piece.encode())
        self.socket.sendall(b"".join(out) + b"\r\n")
        return tag.encode()

    def finish(self, tag):
        untagged = []
        while True:
            parts = self.read_line()
            word, _, rest = parts[0].partition(b" ")
            if word != tag:
                untagged.append(parts)
                continue
            if not rest.startswith(b"OK"):
                raise ImapError(rest.decode(errors="replace"))
            return rest.decode(errors="replace"), untagged

    def command(self, text, *pieces):
        return self.finish(self.send(text, *pieces))

    # Commands

    def login(self, user, password):
        self.command(f'LOGIN "{user}" "{password}"')
        _, untagged = self.command("CAPABILITY")
        for parts in untagged:
            if parts[0].startswith(b"* CAPABILITY "):
                self.capabilities = set(parts[0].decode().split()[2:])

    def mailboxes(self):
        """All selectable mailboxes and the delimiter."""
        _, untagged = self.command('LIST "" "*"')
        names = []
        delimiter = "/"
        for parts in untagged:
            match = re.match(rb'\* LIST \(([^)]*)\) ("?)(.+?)\2 (.*)',
                             parts[0], re.S)
            if not match:
                continue
            delimiter = match[3].decode()
            attributes = match[1].lower()
            if b"\\noselect" in attributes or b"\\nonexist" in attributes:
                continue
            raw = parts[1] if len(parts) > 1 else match[4]
            text = raw.decode()
            if text.startswith('"'):
                text = re.sub(r"\\(.)", r"\1", text[1:-1])
            names.append(utf7_decode(text))
        return names, delimiter

    def select(self, mailbox, verb="SELECT"):
        _, untagged = self.command(f"{verb} {quote(mailbox)}")
        for parts in untagged:
            text = parts[0].decode(errors="replace")
            match = re.search(r"\[(UIDVALIDITY|UIDNEXT) (\d+)\]", text)
            if match:
                name = "uid_" + match[1][3:].lower()
                setattr(self, name, int(match[2]))

    @contextlib.contextmanager
    def inside(self, mailbox):
        """Selects for a moment: a server may hang up on whoever has a
        mailbox selected that somebody else deletes."""
        self.select(mailbox)
        yield
        self.leave()

    def create(self, mailbox):
        self.command(f"CREATE {quote(mailbox)}")

    def delete(self, mailbox):
        self.command(f"DELETE {quote(mailbox)}")

    def rename(self, old, new):
        self.command(f"RENAME {quote(old)} {quote(new)}")

    def leave(self):
        self.command("UNSELECT")

    def append(self, mailbox, message, flags=(), date=None):
        """Returns the new UID, where the server tells it."""
        done, _ = self.command(
            f"APPEND {quote(mailbox)} ({' '.join(flags)}) "
            f"{format_date(date or time.time())} ", message)
        match = re.search(r"\[APPENDUID \d+ (\d+)\]", done)
        return int(match[1]) if match else None

    def append_many(self, mailbox, messages):
        """`messages`: (bytes, flags, seconds). One MULTIAPPEND each 500."""
        has_multi = "MULTIAPPEND" in self.capabilities
        size = 500 if has_multi else 1
        for start in range(0, len(messages), size):
            pieces = []
            for message, flags, date in messages[start:start + size]:
                pieces.append(f" ({' '.join(flags)}) {format_date(date)} ")
                pieces.append(message)
            self.command(f"APPEND {quote(mailbox)}", *pieces)

    def store(self, mailbox, uids, change, flags):
        """`change`: +FLAGS, -FLAGS or FLAGS."""
        with self.inside(mailbox):
            self.command(f"UID STORE {join(uids)} {change} "
                         f"({' '.join(flags)})")

    def move(self, mailbox, uids, target):
        with self.inside(mailbox):
            self.command(f"UID MOVE {join(uids)} {quote(target)}")

    def copy(self, mailbox, uids, target):
        with self.inside(mailbox):
            self.command(f"UID COPY {join(uids)} {quote(target)}")

    def expunge(self, mailbox, uids):
        with self.inside(mailbox):
            self.command(f"UID STORE {join(uids)} +FLAGS.SILENT (\\Deleted)")
            self.command(f"UID EXPUNGE {join(uids)}")

    def fetch(self, mailbox, with_body=True, uids="1:*"):
        """{uid: (flags, seconds, bytes or None)}, flags without \\Recent."""
        items = "UID FLAGS INTERNALDATE"
        if with_body:
            items += " BODY.PEEK[]"
        with self.inside(mailbox):
            _, untagged = self.command(f"UID FETCH {uids} ({items})")
        found = {}
        for parts in untagged:
            if b" FETCH (" in parts[0]:
                message = parse_fetch(parts, with_body)
                if message:
                    found[message[0]] = message[1:]
        return found

    def idle(self):
        """Enters IDLE; read_line() then returns what happens."""
        tag = self.send("IDLE")
        while not self.read_line()[0].startswith(b"+"):
            pass
        return tag

    def done(self, tag):
        self.socket.sendall(b"DONE\r\n")
        return self.finish(tag)


def parse_fetch(parts, with_body):
    text = b" ".join(parts[0::2]).decode(errors="replace")
    uid = re.search(r"\bUID (\d+)", text)
    flags = re.search(r"\bFLAGS \(([^)]*)\)", text)
    date = re.search(r'\bINTERNALDATE "([^"]*)"', text)
    if not (uid and flags and date):
        return None
    body = None
    if with_body:
        body = parts[1] if len(parts) > 1 else b""
    names = frozenset(flags[1].split()) - {"\\Recent"}
    return int(uid[1]), names, parse_date(date[1]), body
