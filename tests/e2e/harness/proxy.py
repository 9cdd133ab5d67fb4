"""A TCP proxy on loopback that records, counts, delays, freezes and cuts: at
once, after so many bytes, or when something certain is said."""

import re
import socket
import threading
import time
from collections import deque

from . import environment

LITERAL = re.compile(rb"\{(\d+)\+?\}\Z")
READS_ONLY = {
    "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS", "AUTHENTICATE", "LOGIN",
    "ENABLE", "SELECT", "EXAMINE", "LIST", "LSUB", "NAMESPACE", "STATUS",
    "IDLE", "DONE", "UNSELECT", "SEARCH", "FETCH", "ID", "NOTIFY", "COMPRESS",
    "CHECK", "GETQUOTA", "GETQUOTAROOT",
}


class Snare:
    """Waits for `pattern` in what one side says ("sent" by the client, or
    "received" by it), and then does to that connection:

    refuse  cuts it before what matched has passed
    lose    lets it pass, and cuts before the answer has
    freeze  lets nothing pass any more, and tells nobody
    half    closes the way to the client; what it says still passes
    bye     has the server say BYE in the middle of things, and cuts

    or calls it, when it is a function, and lets things pass then."""

    TAIL = 200

    def __init__(self, side, pattern, action, skip=0):
        self.side = side
        self.pattern = re.compile(pattern, re.I | re.S)
        self.action = action
        self.skip = skip
        self.is_taken = False
        self.sprung = threading.Event()  # and what it does is done


class Direction:
    """Bytes from one socket to the other, in order, each after the delay."""

    def __init__(self, proxy, source, target, record):
        self.proxy = proxy
        self.source = source
        self.target = target
        self.record = record
        self.queue = deque()
        self.ready = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        threading.Thread(target=self.write, daemon=True).start()

    def put(self, data):
        with self.ready:
            self.queue.append((time.monotonic() + self.proxy.delay, data))
            self.ready.notify()

    def read(self):
        while True:
            try:
                data = self.source.recv(65536)
            except OSError:
                data = b""
            data = self.record(data)
            self.put(data)
            if not data:
                return

    def write(self):
        while True:
            with self.ready:
                while not self.queue:
                    self.ready.wait()
                due, data = self.queue.popleft()
            time.sleep(max(0, due - time.monotonic()))
            self.proxy.thawed.wait()
            if self.source in self.proxy.abandoned:
                return
            try:
                if not data:
                    self.target.shutdown(socket.SHUT_WR)
                    return
                self.send(data)
            except OSError:
                return

    def send(self, data):
        size = self.proxy.piece_size or len(data)
        for start in range(0, len(data), size):
            self.target.sendall(data[start:start + size])


class Connection:
    def __init__(self, proxy, client, server):
        self.sockets = (client, server)
        self.sent = bytearray()
        self.received = 0
        self.is_deaf = False
        self.tails = {"sent": b"", "received": b""}
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.proxy = proxy
        Direction(proxy, client, server, self.record_sent)
        Direction(proxy, server, client, self.record_received)

    # Each returns what passes.

    def record_sent(self, data):
        self.sent += data
        self.proxy.sent_total += len(data)
        limit = self.proxy.cut_sent_after
        if limit is not None and self.proxy.sent_total > limit:
            self.proxy.cut_sent_after = None
            data = data[:limit - self.proxy.sent_total]
            self.sockets[1].sendall(data)
            self.cut()
            return b""
        return self.snare("sent", data)

    def record_received(self, data):
        self.received += len(data)
        limit = self.proxy.cut_after
        if limit is not None and self.received > limit:
            self.proxy.cut_after = None
            self.cut()
        if self.is_deaf:
            self.cut()
            return b""
        return self.snare("received", data)

    def snare(self, side, data):
        snare = self.proxy.snare
        if not data or not snare or snare.side != side:
            return data
        seen = self.tails[side] + data
        self.tails[side] = seen[-Snare.TAIL:]
        if not snare.pattern.search(seen) or snare.is_taken:
            return data
        self.tails[side] = b""
        if snare.skip > 0:
            snare.skip -= 1
            return data
        snare.is_taken = True
        try:
            return self.spring(snare.action, data)
        finally:
            snare.sprung.set()

    def spring(self, action, data):
        if callable(action):
            action()
        elif action == "lose":
            self.is_deaf = True
        elif action == "freeze":
            self.proxy.abandon([self])
        elif action == "half":
            self.sockets[0].shutdown(socket.SHUT_WR)
        else:
            if action == "bye":
                self.sockets[0].sendall(b"* BYE going down\r\n")
            self.cut()
            return b""
        return data

    def cut(self):
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Listens on `port`, talks to `target_port`."""

    def __init__(self, target_port, delay=0.0):
        self.target_port = target_port
        self.delay = delay
        self.cut_after = None
        self.cut_sent_after = None
        self.sent_total = 0
        self.piece_size = None
        self.snare = None
        self.attempts = 0
        self.thawed = threading.Event()
        self.thawed.set()
        self.connections = []
        self.abandoned = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.attempts += 1
            try:
                server = socket.create_connection(
                    ("127.0.0.1", self.target_port), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.connections.append(Connection(self, client, server))

    def cut(self):
        """Breaks every connection; new ones are let in."""
        for connection in list(self.connections):
            connection.cut()

    def freeze(self):
        """Nothing passes any more, and nobody is told."""
        self.thawed.clear()

    def thaw(self):
        self.thawed.set()

    def abandon(self, connections):
        """These stay silent for ever, as behind a router that forgot them."""
        for connection in connections:
            self.abandoned.update(connection.sockets)

    def set_snare(self, *arguments, **options):
        """See Snare. One at a time; it springs once."""
        self.snare = Snare(*arguments, **options)
        return self.snare

    def forget(self):
        """Starts the record anew."""
        self.sent_total = 0
        for connection in self.connections:
            connection.sent.clear()
            connection.received = 0

    def close(self):
        # shutdown() wakes the thread that sits in accept(); close() does not.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thaw()
        self.cut()
        for connection in self.connections:
            for each in connection.sockets:
                each.close()

    @property
    def received(self):
        """Bytes that came from the server."""
        return sum(each.received for each in self.connections)

    def commands(self):
        """Every command sent, as (VERB, line); UID FETCH counts as FETCH."""
        found = []
        for connection in self.connections:
            found += parse_commands(bytes(connection.sent))
        return found

    def changing_commands(self):
        """Those that may change something on the server."""
        return [line for verb, line in self.commands()
                if verb not in READS_ONLY]


def parse_commands(data):
    """`data`: the client's side of one plain connection."""
    found = []
    line = b""
    while data:
        piece, end, data = data.partition(b"\r\n")
        if not end:
            break
        line += piece
        literal = LITERAL.search(piece)
        if literal:
            size = int(literal[1])
            line += b"<%d bytes>" % size
            data = data[size:]
            continue
        words = line.split()
        if len(words) > 1:
            verb = words[1].upper()
            if verb == b"UID" and len(words) > 2:
                verb = words[2].upper()
            found.append((verb.decode(errors="replace"),
                          line.decode(errors="replace")))
        line = b""
    return found


def wait_for_connection(proxy, timeout=10):
    environment.wait_until(lambda: proxy.connections, timeout,
                           "a connection through the proxy")
