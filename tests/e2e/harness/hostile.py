"""An IMAP server that says what a test wants, to the real program."""

import socket
import threading

MESSAGES = {uid: b"Subject: m%d\r\n\r\nbody %d\r\n" % (uid, uid)
            for uid in (1, 2, 3)}
CAPABILITIES = b"IMAP4rev1 UIDPLUS MOVE"


def fetch(uid, items):
    """The honest answer to a UID FETCH, of one message."""
    parts = [b"UID %d FLAGS (\\Seen)" % uid, b"RFC822.SIZE %d" %
             len(MESSAGES[uid]), b'INTERNALDATE " 9-Feb-2007 01:02:03 +0000"']
    if b"BODY.PEEK[]" in items:
        parts.append(b"BODY[] {%d}\r\n%s" %
                     (len(MESSAGES[uid]), MESSAGES[uid]))
    return b"* %d FETCH (%s)\r\n" % (uid, b" ".join(parts))


HONEST = {
    b"CAPABILITY": b"* CAPABILITY " + CAPABILITIES + b"\r\n",
    b"LIST": b'* LIST () "/" INBOX\r\n',
    b"STATUS": b"* STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 "
               b"UNSEEN 0)\r\n",
    b"SELECT": b"* 3 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n"
               b"* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] p\r\n"
               b"* OK [UIDVALIDITY 7] v\r\n* OK [UIDNEXT 4] n\r\n",
    b"UID FETCH": lambda text: b"".join(
        fetch(uid, text) for uid in MESSAGES),
    b"UID SEARCH": b"* SEARCH 1 2 3\r\n",
}
CHANGING = (b"APPEND", b"UID STORE", b"UID EXPUNGE", b"UID MOVE", b"UID COPY",
            b"EXPUNGE", b"CREATE", b"DELETE", b"RENAME", b"SUBSCRIBE")


class Hung(Exception):
    """The client went away."""


class Connection:
    def __init__(self, server, peer):
        self.server = server
        self.peer = peer
        self.file = peer.makefile("rb")

    def say(self, data):
        self.peer.sendall(data)

    def flood(self, data, octets):
        """The same again and again, until the client has had enough."""
        chunk = data * max(1, 65536 // len(data))
        while octets > 0:
            self.say(chunk)
            octets -= len(chunk)

    def read_line(self):
        line = self.file.readline(1_000_000)
        if not line.endswith(b"\n"):
            raise Hung
        return line.rstrip(b"\r\n")

    def serve(self):
        greeting = self.server.greeting
        if callable(greeting):
            greeting(self)
        else:
            self.say(greeting)
        while True:
            tag, _, text = self.read_line().partition(b" ")
            self.server.commands.append(text)
            self.answer(tag, text)

    def answer(self, tag, text):
        for verb, said in {**HONEST, **self.server.answers}.items():
            if not text.upper().startswith(verb):
                continue
            if isinstance(said, Raw):
                said.speak(self, tag, text)
                return
            self.say(said(text) if callable(said) else said)
        if text.upper().startswith(b"LOGOUT"):
            self.say(b"* BYE\r\n")
        self.say(tag + self.server.done)


class Raw:
    """An answer that writes everything itself, the tagged line too."""

    def __init__(self, speak):
        self.speak = speak


class HostileServer:
    """`answers`: by the beginning of a command, before its tagged OK."""

    def __init__(self):
        self.greeting = b"* OK [CAPABILITY " + CAPABILITIES + b"] hello\r\n"
        self.answers = {}
        self.done = b" OK done\r\n"  # behind each tag
        self.commands = []
        self.tls = None  # an ssl.SSLContext for implicit TLS
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        try:
            if self.tls:
                peer = self.tls.wrap_socket(peer, server_side=True)
            with peer:
                Connection(self, peer).serve()
        except (OSError, Hung):
            pass

    def changing_commands(self):
        return [text for text in self.commands
                if text.upper().startswith(CHANGING)]

    def close(self):
        self.listener.close()
