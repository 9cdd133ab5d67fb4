#!/usr/bin/env python3
"""The demonstration behind script/demo: a private Dovecot, real mail, the
daemon, and a change on each side with the time until it shows on the other.

Everything lives in a temporary directory and on loopback, and is gone at the
end, Ctrl-C included."""

import signal
import sys
import time

from harness import corpus, environment
from harness.corpus import small_message, to_wire
from harness.dovecot import Dovecot
from harness.world import World

TIMEOUT = 60


def say(text=""):
    print(text, flush=True)


class Demo:
    def __init__(self, world):
        self.world = world
        self.imap = world.imap
        self.mail = world.maildir

    def fill(self):
        found = corpus.messages()
        size = sum(map(len, found))
        start = time.monotonic()
        for mailbox in ("Archive", "Lists/debian"):
            self.imap.create(mailbox)
        third = len(found) // 3
        corpus.load(self.imap, "INBOX", found[:third])
        corpus.load(self.imap, "Archive", found[third:2 * third], third)
        corpus.load(self.imap, "Lists/debian", found[2 * third:], 2 * third)
        kind = "real (the SpamAssassin corpus)" if corpus.is_real() else (
            "generated (npm would bring the SpamAssassin corpus)")
        say(f"  {len(found):,} messages, {size / 1e6:.0f} MB, {kind}, in 3 "
            f"mailboxes, {time.monotonic() - start:.1f} s")
        return len(found)

    def first_sync(self, expected):
        """Follows the daemon from its start until all is there."""
        program = self.world.program
        say("$ " + " ".join(program.command("daemon")))
        start = told = time.monotonic()
        shown = 0
        program.start_daemon(wait=False)
        while True:
            time.sleep(0.1)
            found = sum(1 for _ in self.files())
            program.check_daemon()
            now = time.monotonic()
            if now - told >= 1 or (found > shown and now - told >= 0.25):
                say(f"  {now - start:5.1f} s  {found:6,} of {expected:,} "
                    f"messages on the disk")
                shown, told = found, now
            if found >= expected and "watching" in program.states():
                break
            if now - start > 600:
                raise environment.Failure("the first sync does not end")
        say(f"  the first sync took {time.monotonic() - start:.1f} s")
        self.world.assert_equal()
        say("  compared: every message, flag, keyword and date is the same on "
            "both sides")

    def files(self):
        """Also those in tmp: they are named when a batch of them is safe. Last,
        so that none is counted twice."""
        for sub in ("cur", "new", "tmp"):
            yield from self.mail.root.glob(f"**/{sub}/*")

    def show(self, what, act, is_there):
        """Does `act`, waits for `is_there` on the other side, tells."""
        act()
        start = time.monotonic()
        environment.wait_until(lambda: self.try_look(is_there), TIMEOUT, what,
                               pause=0.005)
        taken = 1000 * (time.monotonic() - start)
        say(f"  {what:58}{taken:6.0f} ms")

    def try_look(self, is_there):
        self.world.program.check_daemon()
        try:
            return is_there()
        except (FileNotFoundError, environment.Failure):
            return False

    def local(self, name, folder="Demo"):
        return self.world.local(folder).get(name) if (
            folder in self.mail.folders()) else None

    def remote(self, name, folder="Demo"):
        mailbox = self.world.remote(folder)
        return mailbox.get(name) if mailbox else None

    def store(self, name, *flags):
        uid = self.world.uid("Demo", name)
        self.imap.store("Demo", [uid], "+FLAGS", flags)

    def from_the_server(self):
        say("\nA change on the server, until it shows in the Maildir:")
        mail, imap = self.mail, self.imap
        self.show("new mailbox Demo",
                  lambda: imap.create("Demo"),
                  lambda: "Demo" in mail.folders())
        self.show("new message",
                  lambda: imap.append("Demo", to_wire(small_message("one"))),
                  lambda: self.local("one"))
        self.show("flag \\Seen", lambda: self.store("one", "\\Seen"),
                  lambda: "\\Seen" in self.local("one")[0])
        self.show("keyword project", lambda: self.store("one", "project"),
                  lambda: "project" in self.local("one")[0])
        self.show("move to Archive",
                  lambda: imap.move("Demo", [self.world.uid("Demo", "one")],
                                    "Archive"),
                  lambda: "one" in self.world.local("Archive"))
        self.show("deletion",
                  lambda: imap.expunge(
                      "Archive", [self.world.uid("Archive", "one")]),
                  lambda: "one" not in self.world.local("Archive"))

    def from_the_maildir(self):
        say("\nA change in the Maildir, until it shows on the server:")
        mail = self.mail
        letter = mail.letter("Demo", "waiting")
        self.show("new folder Demo/Größe",
                  lambda: mail.make_folder("Demo/Größe"),
                  lambda: "Demo/Größe" in self.imap.mailboxes()[0])
        self.show("new message",
                  lambda: mail.deliver("Demo", small_message("two")),
                  lambda: self.remote("two"))
        self.show("flag F",
                  lambda: mail.add_letters(self.entry("two"), "F"),
                  lambda: "\\Flagged" in self.remote("two")[0])
        self.show(f"keyword waiting (letter {letter})",
                  lambda: mail.add_letters(self.entry("two"), letter),
                  lambda: "waiting" in self.remote("two")[0])
        self.show("move to Demo/Größe, by rename",
                  lambda: mail.move(mail.set_letters(
                      self.entry("two"), "F"), "Demo/Größe"),
                  lambda: self.remote("two", "Demo/Größe"))
        self.show("deletion",
                  lambda: mail.remove(self.entry("two", "Demo/Größe")),
                  lambda: not self.remote("two", "Demo/Größe"))

    def entry(self, name, folder="Demo"):
        return self.world.entry(folder, name)

    def finish(self):
        self.world.wait_until_equal(TIMEOUT)
        say("\nCompared once more: both sides are the same.")
        say("$ mailtwin status")
        say(self.world.program.run("status", expect=None).stdout.rstrip())
        start = time.monotonic()
        code = self.world.program.stop_daemon()
        say(f"The daemon stopped on SIGTERM in "
            f"{time.monotonic() - start:.1f} s, exit code {code}.")


def interrupted(*_):
    raise KeyboardInterrupt


def run(server):
    say(f"A private Dovecot on 127.0.0.1:{server.port}:")
    world = World(server, "demo", keywords="dovecot")
    try:
        demo = Demo(world)
        expected = demo.fill()
        say("\nThe configuration:")
        say("  " + world.program.config.read_text().replace(
            "\n", "\n  ").rstrip() + "\n")
        demo.first_sync(expected)
        demo.from_the_server()
        demo.from_the_maildir()
        demo.finish()
    except environment.Failure:
        say("\nThe daemon's log ends with:\n" + world.program.log()[-4000:])
        raise
    finally:
        world.close()


def main():
    signal.signal(signal.SIGTERM, interrupted)
    missing = Dovecot.missing()
    if missing:
        say(missing)
        return 1
    server = Dovecot()
    try:
        run(server.start())
    except KeyboardInterrupt:
        say("\ninterrupted; cleaning up")
        return 130
    except environment.Failure as problem:
        say(f"\nfailed: {problem}")
        return 1
    finally:
        server.close()
    say("\nYour own account: script/demo --config FILE, see README.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
