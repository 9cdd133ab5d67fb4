"""One line of time for a disk and a server.

The client loses its power, the server does not. So a state to start from again
is a disk and a server of the same moment, and which belong together is seen
while it is recorded:

* block_log stops the disk at each flush, the gate stops what the client sends,
  the server comes to rest: what it holds then is what it holds at that flush.
* An answer passes the gate only after what the server holds was noted, as the
  client may write something to its disk because of it.

A moment is a place in the log of the disk, and the server then. If the power
goes at this moment, then all before the last flush that has ended is on the
disk, and any part of what was written after it until now, nothing included."""

import os
import socket
import subprocess
import threading
from pathlib import Path

from harness import environment

import disk


class Moment:
    """`durable` and `end`: places in the log. `acts`: how many acts of the
    users there were; `settled`: how many of them have to stay, whatever they
    were. `chapter`: what the program was doing; `is_end`: it had done
    it, and said so."""

    def __init__(self, durable, end, server, acts, settled, chapter, is_end):
        self.durable = durable
        self.end = end
        self.server = server
        self.acts = acts
        self.settled = settled
        self.chapter = chapter
        self.is_end = is_end


class Line:
    """What happened, in order."""

    def __init__(self):
        self.moments = []
        self.durable = 0
        self.server = None
        self.acts = 0
        self.settled = 0
        self.chapter = None  # without the program there is nothing to test

    def note(self, end, is_end=False):
        if self.chapter:
            self.moments.append(Moment(self.durable, end, self.server,
                                       self.acts, self.settled,
                                       self.chapter, is_end))

    def flush(self, place):
        self.note(place)
        self.durable = place + disk.HEADER.size


class Servers:
    """Snapshots of one user's mail on a Dovecot that runs."""

    def __init__(self, dovecot, user, directory):
        self.dovecot = dovecot
        self.home = dovecot.base / "mail" / user
        self.directory = directory
        self.signature = None
        self.count = 0

    def look(self):
        found = []
        for path, _, names in os.walk(self.home):
            for name in names:
                try:
                    stat = os.stat(os.path.join(path, name))
                except FileNotFoundError:
                    continue
                found.append((path, name, stat.st_ino, stat.st_size,
                              stat.st_mtime_ns))
            found.append((path,))
        return sorted(found)

    def is_resting(self):
        """All of its processes wait for somebody to say something."""
        for pid in environment.children(self.dovecot.process.pid):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            name, _, rest = stat.partition("(")[2].rpartition(")")
            if name == "imap" and not rest.startswith(" S"):
                return False
        return True

    def take(self):
        """Returns the number of the snapshot of what is there now."""
        if self.signature is None or self.look() != self.signature:
            environment.wait_until(self.try_take, 30, "the server at rest",
                                   pause=0.001)
        return self.count

    def try_take(self):
        if not self.is_resting():
            return False
        before = self.look()
        target = self.path(self.count + 1)
        disk.run("cp", "-a", self.home, target)
        if not self.is_resting() or self.look() != before:
            environment.remove_tree(target)
            return False
        self.signature = before
        self.count += 1
        return True

    def path(self, number):
        return self.directory / str(number)

    def restore(self, number):
        environment.remove_tree(self.home)
        disk.run("cp", "-a", self.path(number), self.home)


class Gate:
    """What client and server say passes here. `note` is called before an
    answer is let through."""

    def __init__(self, target):
        self.target = target
        self.lock = threading.RLock()
        self.note = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for work, ends in ((self.ask, (client, server)),
                               (self.answer, (server, client))):
                threading.Thread(target=self.carry, args=(work, *ends),
                                 daemon=True).start()

    @staticmethod
    def carry(work, source, target):
        try:
            while data := source.recv(65536):
                work(target, data)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def ask(self, server, data):
        with self.lock:
            server.sendall(data)

    def answer(self, client, data):
        with self.lock:
            if self.note:
                self.note()
        client.sendall(data)

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Recorder:
    """A mounted disk, recorded from the beginning; see the top of this file."""

    def __init__(self, parts, directory, gate, servers):
        self.parts = parts
        self.directory = directory
        self.gate = gate
        self.servers = servers
        self.base = directory / "base"
        self.log_path = directory / "log"
        self.fuse = directory / "fuse"
        self.line = Line()
        self.process = None
        self.thread = None
        self.failure = None

    def start(self):
        image = self.directory / "recorded"
        self.parts.make_image(self.base)
        disk.run("cp", "--sparse=always", self.base, image)
        self.fuse.mkdir()
        self.process = subprocess.Popen(
            [disk.block_log(), image, self.log_path, self.fuse],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        environment.wait_until((self.fuse / "disk").exists, 20, "block_log")
        self.thread = threading.Thread(target=self.answer_flushes, daemon=True)
        self.thread.start()
        self.parts.mount(self.fuse / "disk")
        self.gate.note = self.note_server

    def answer_flushes(self):
        for text in self.process.stdout:
            with self.gate.lock:
                self.take()
                self.line.flush(int(text))
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()

    def take(self):
        """The disk waits for whoever calls this: it may not raise."""
        try:
            self.line.server = self.servers.take()
        except Exception as problem:  # pylint: disable=broad-except
            self.failure = self.failure or problem

    def note_server(self):
        before = self.line.server
        self.take()
        if self.line.server != before:
            self.line.note(os.path.getsize(self.log_path))

    # What is told by whoever drives the program

    def end_act(self):
        with self.gate.lock:
            self.line.acts += 1
            self.note_server()

    def settle(self):
        """What was done until now has to stay."""
        with self.gate.lock:
            self.line.settled = self.line.acts

    def set_running(self, chapter):
        """None: no longer."""
        with self.gate.lock:
            self.note_server()
            self.line.chapter = chapter

    def note_end(self, chapter):
        """The program has said that it has done this."""
        self.set_running(chapter)
        with self.gate.lock:
            self.line.note(os.path.getsize(self.log_path), True)
        self.set_running(None)

    def stop(self):
        """Returns the log and the moments."""
        self.gate.note = None
        self.close()
        if self.failure:
            raise self.failure
        return disk.Log(self.log_path), self.line.moments

    def close(self):
        if self.process is None:
            return
        for place in (*self.parts.places, self.fuse):
            disk.try_unmount(place)
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
