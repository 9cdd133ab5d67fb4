"""How soon a change is on the other side, with the daemon on loopback.

A change in the Maildir is timed from the rename to the moment another
client sees it on the server (polled each 2 ms or so); a change on the server
from the tagged OK to the moment the kernel reports the file (inotify).

Dovecot 2.3 tells a client in IDLE or NOTIFY of a change half a second late,
on purpose (NOTIFY_DELAY_MSECS), Cyrus at once: the line `server alone` is
what a bare client in IDLE waits. It explains a figure, it excuses none: the
limits hold for both servers as they are."""

import os
import statistics
import time

import measure
from harness import environment, inotify
from harness.corpus import small_message, to_wire
from harness.cyrus import Cyrus
from harness.dovecot import Dovecot
from harness.maildir import Entry
from harness.world import World

SERVERS = {"cyrus": Cyrus, "dovecot": Dovecot}
HERE, THERE = "INBOX", "Archive"
LIMITS_MS = {"median": 150, "p99": 500}
DELETION_LIMIT_MS = 1000
TIMEOUT = 30


def add_command(works):
    work = works.add_parser("latency", help="daemon: how soon a change is "
                            "on the other side")
    work.set_defaults(run=run)
    work.add_argument("--samples", type=int, default=200)
    work.add_argument("--server", choices=[*SERVERS, "both"], default="both")
    work.add_argument("--pause", type=float, default=0.05,
                      help="seconds between two samples")


class Bench:
    def __init__(self, server, options):
        self.options = options
        self.world = World(server, "bench", delete_limit="off")
        self.imap = self.world.imap
        self.mail = self.world.maildir
        self.imap.create(THERE)
        # The one that looks; self.imap acts.
        self.looker = server.connect("bench")
        self.watch = inotify.Watch()
        self.count = 0

    def start(self):
        self.world.program.sync()
        for folder in (HERE, THERE):
            for sub in ("new", "cur"):
                self.watch.add(
                    self.mail.path(folder) / sub, inotify.MOVED_TO |
                    inotify.MOVED_FROM | inotify.CREATE | inotify.DELETE)
        self.world.program.start_daemon()

    def close(self):
        os.close(self.watch.fd)
        self.looker.close()
        self.world.close()

    def name(self):
        self.count += 1
        return f"sample-{self.count}"

    # Both sides as they are, outside the time taken

    def rest(self):
        self.world.wait_until_equal(TIMEOUT)
        while self.watch.read():
            pass
        time.sleep(self.options.pause)

    def given(self):
        """One more message on both sides, in INBOX. Returns its name."""
        name = self.name()
        self.imap.append(HERE, to_wire(small_message(name)))
        environment.wait_until(
            lambda: name in self.world.local(HERE), TIMEOUT, name)
        return name

    def stock(self, count):
        """`count` messages on both sides: [(uid, unique)]."""
        for folder in (HERE, THERE):
            uids = list(self.imap.fetch(folder, with_body=False))
            if uids:
                self.imap.expunge(folder, uids)
        names = [self.name() for _ in range(count)]
        self.imap.append_many(HERE, [
            (to_wire(small_message(name)), (), 1_000_000_000)
            for name in names])
        self.rest()
        subjects = {}
        for entry in self.mail.entries(HERE):
            text = entry.read().partition(b"Subject: ")[2]
            subjects[text.partition(b"\n")[0].decode()] = entry.unique
        uids = list(self.imap.fetch(HERE, with_body=False))
        return list(zip(uids, (subjects[name] for name in names)))

    # The far ends

    def until_file(self, mask, folder, wanted):
        """Waits for the kernel's word on a file: wanted(name)."""
        directory = str(self.mail.path(folder))
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            for event, path, name in self.watch.read(1):
                if (event & mask and path.startswith(directory) and
                        wanted(name)):
                    return time.monotonic()
        raise environment.Failure(f"no file in {folder}")

    def until_server(self, wanted):
        """Polls the selected mailbox until a response is wanted(text)."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            _, untagged = self.looker.command("NOOP")
            for parts in untagged:
                if wanted(parts[0]):
                    return time.monotonic()
            time.sleep(0.002)
        raise environment.Failure("nothing on the server")

    def look_at(self, mailbox):
        self.looker.select(mailbox)

    def entry(self, unique, folder=HERE):
        for sub in ("cur", "new"):
            for name in os.listdir(self.mail.path(folder) / sub):
                if name.partition(":2,")[0] == unique:
                    return Entry(folder, self.mail.path(folder) / sub / name)
        raise FileNotFoundError(unique)

    # Samples: each returns seconds

    def down_new(self, _):
        self.imap.append(HERE, to_wire(small_message(self.name())))
        start = time.monotonic()
        arrived = inotify.MOVED_TO | inotify.CREATE
        return self.until_file(arrived, HERE, lambda name: True) - start

    def down_flag(self, item):
        uid, unique = item
        self.imap.store(HERE, [uid], "+FLAGS.SILENT", ["\\Flagged"])
        start = time.monotonic()
        return self.until_file(
            inotify.MOVED_TO, HERE, lambda name: name.startswith(unique) and
            "F" in name.partition(":2,")[2]) - start

    def down_move(self, item):
        uid, _ = item
        self.imap.move(HERE, [uid], THERE)
        start = time.monotonic()
        return self.until_file(inotify.MOVED_TO | inotify.CREATE, THERE,
                               lambda name: True) - start

    def down_deletion(self, item):
        uid, unique = item
        self.imap.expunge(HERE, [uid])
        start = time.monotonic()
        return self.until_file(inotify.MOVED_FROM | inotify.DELETE, HERE,
                               lambda name: name.startswith(unique)) - start

    def up_new(self, _):
        self.look_at(HERE)
        self.mail.deliver(HERE, small_message(self.name()))
        start = time.monotonic()
        return self.until_server(lambda text: b" EXISTS" in text) - start

    def up_flag(self, item):
        self.look_at(HERE)
        self.mail.add_letters(self.entry(item[1]), "F")
        start = time.monotonic()
        return self.until_server(lambda text: b"\\Flagged" in text) - start

    def up_move(self, item):
        self.look_at(THERE)
        self.mail.move(self.entry(item[1]), THERE)
        start = time.monotonic()
        return self.until_server(lambda text: b" EXISTS" in text) - start

    def up_deletion(self, item):
        self.look_at(HERE)
        self.mail.remove(self.entry(item[1]))
        start = time.monotonic()
        return self.until_server(lambda text: b" EXPUNGE" in text) - start

    def measure(self, kind):
        sample = getattr(self, kind)
        items = self.stock(self.options.samples)
        taken = []
        for item in items:
            taken.append(1000 * sample(item))
            while self.watch.read(self.options.pause):
                pass
        self.rest()
        return taken


def server_alone(server):
    """What a bare client in IDLE waits for a new message, in ms."""
    taken = []
    with server.connect("alone") as waiting, server.connect("alone") as acting:
        waiting.select("INBOX")
        tag = waiting.idle()
        for _ in range(5):
            acting.append("INBOX", b"Subject: m\r\n\r\n\r\n")
            start = time.monotonic()
            while b" EXISTS" not in waiting.read_line()[0]:
                pass
            taken.append(1000 * (time.monotonic() - start))
            time.sleep(0.7)
        waiting.done(tag)
    return statistics.median(taken)


def show(kind, taken):
    """One line of the table. Returns whether the figures are as wanted."""
    median = statistics.median(taken)
    p99 = measure.percentile(taken, 0.99)
    direction, _, change = kind.partition("_")
    if change == "deletion":
        is_good = p99 <= DELETION_LIMIT_MS
    else:
        is_good = median <= LIMITS_MS["median"] and p99 <= LIMITS_MS["p99"]
    arrow = "server to Maildir" if direction == "down" else "Maildir to server"
    print(f"{change:10}{arrow:20}{median:8.0f} ms median{p99:8.0f} ms p99"
          f"{max(taken):8.0f} ms max{'' if is_good else '   too slow'}",
          flush=True)
    return is_good


def run_server(kind, options):
    missing = kind.missing()
    if missing:
        raise environment.Failure(missing)
    server = kind()
    try:
        server.start()
        print(f"{kind.name}: server alone {server_alone(server):.0f} ms, "
              f"{options.samples} samples each", flush=True)
        bench = Bench(server, options)
        try:
            bench.start()
            return all([show(sample, bench.measure(sample))
                        for change in ("new", "flag", "move", "deletion")
                        for sample in (f"down_{change}", f"up_{change}")])
        finally:
            bench.close()
    finally:
        server.close()


def run(options):
    names = list(SERVERS) if options.server == "both" else [options.server]
    good = [run_server(SERVERS[name], options) for name in names]
    return 0 if all(good) else 1
