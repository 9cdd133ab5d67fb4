"""First sync and nothing to do, mailtwin beside mbsync.

Dovecot (mdbox) on loopback holds the corpus as INBOX once and as Archive
three times. Both programs store durably: mbsync with FSync on, its
default. Runs alternate, each into an empty directory after a sync(2) and a
pause; the medians count. What they wrote is removed after the last one: ext4
gives out the inodes of what was just removed only after a minute, and looks for
others meanwhile."""

import shutil
import sys

import measure
from harness import corpus, environment
from harness.dovecot import Dovecot
from harness.program import Program, binary

USER = "bench"
MBSYNCRC = """\
FSync {fsync}

IMAPAccount bench
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account bench

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
Expunge None
"""


class Mbsync:
    name = "mbsync"

    def __init__(self, server, directory, options):
        self.mail = directory / "mail"
        self.config = directory / "mbsyncrc"
        self.home = directory
        self.config.write_text(MBSYNCRC.format(
            port=server.port, user=USER, password=server.password,
            mail=self.mail, fsync="no" if options.no_fsync else "yes"))

    def prepare(self):
        self.mail.mkdir()

    def command(self):
        return ["mbsync", "-q", "-c", str(self.config), "all"]


class Mailtwin:
    name = "mailtwin"

    def __init__(self, server, directory, _):
        self.home = directory
        self.mail = directory / "mail"
        self.program = Program(directory, {"bench": {
            "host": "127.0.0.1", "port": server.port, "tls": "off",
            "user": USER, "password": server.password,
            "maildir": str(self.mail)}})

    def prepare(self):
        """An account needs nothing but its configuration."""

    def command(self):
        return [binary(), "--config", str(self.program.config), "sync"]


PROGRAMS = (Mailtwin, Mbsync)


def add_commands(works):
    for name, run, text in (
            ("first-sync", first_sync, "an empty Maildir, a full account"),
            ("no-change", no_change, "nothing has changed")):
        work = works.add_parser(name, help=text)
        work.set_defaults(run=run)
        work.add_argument("--runs", type=int, default=3)
        work.add_argument("--pause", type=float, default=5,
                          help="seconds of quiet before each run")
        work.add_argument("--directory", help="where the Maildirs are "
                          "written (a real disk; default: $TMPDIR)")
        work.add_argument("--only", choices=[
            program.name for program in PROGRAMS])
        work.add_argument("--no-fsync", action="store_true",
                          help="let mbsync do without (for curiosity)")


def chosen(options):
    found = [program for program in PROGRAMS
             if options.only in (None, program.name)]
    for program in found:
        if program is Mbsync and not shutil.which("mbsync"):
            raise environment.Failure("no mbsync: script/setup --bench")
    return found


def fill(server):
    found = corpus.messages()
    imap = server.connect(USER)
    imap.create("Archive")
    corpus.load(imap, "INBOX", found)
    for turn in range(3):
        corpus.load(imap, "Archive", found, turn)
    imap.close()
    print(f"{4 * len(found):,} messages, "
          f"{4 * sum(map(len, found)) / 1e6:.0f} MB, "
          f"{'real' if corpus.is_real() else 'generated'} mail",
          flush=True)
    return 4 * len(found)


def count_files(mail):
    return sum(1 for sub in ("cur", "new")
               for _ in mail.glob(f"*/{sub}/*"))


def fresh(program, server, options):
    directory = environment.temporary_directory(f"bench-{program.name}")
    if options.directory:
        environment.remove_tree(directory)
        directory = environment.Path(options.directory) / directory.name
        directory.mkdir(parents=True)
    return program(server, directory, options)


def first_run(subject, options, expected):
    subject.prepare()
    measure.quiet_disk(options.pause)
    cost = measure.run(subject.command(), subject.home)
    found = count_files(subject.mail)
    if found != expected:
        raise environment.Failure(f"{subject.name}: {found} files, "
                                  f"not {expected}")
    return cost


def with_server(options, work):
    server = Dovecot()
    try:
        server.start()
        return work(server, chosen(options), options)
    finally:
        server.close()


def first_sync(options):
    return with_server(options, measure_first)


def measure_first(server, programs, options):
    expected = fill(server)
    costs = {program: [] for program in programs}
    homes = []
    try:
        for number in range(options.runs):
            for program in programs:
                subject = fresh(program, server, options)
                homes.append(subject.home)
                cost = first_run(subject, options, expected)
                costs[program].append(cost)
                print(f"run {number + 1} {program.name:9}{cost}", flush=True)
    finally:
        for home in homes:
            environment.remove_tree(home)
    return report(costs)


def no_change(options):
    return with_server(options, measure_nothing)


def measure_nothing(server, programs, options):
    fill(server)
    costs = {}
    for program in programs:
        subject = fresh(program, server, options)
        try:
            subject.prepare()
            measure.run(subject.command(), subject.home)
            measure.quiet_disk(max(2, options.pause))
            costs[program] = [
                measure.run(subject.command(), subject.home)
                for _ in range(max(5, options.runs))]
        finally:
            environment.remove_tree(subject.home)
    return report(costs)


def report(costs):
    medians = {program: measure.median(each)
               for program, each in costs.items()}
    for program, cost in medians.items():
        print(f"median {program.name:8}{cost}")
    if len(medians) == 2:
        ours, theirs = medians[Mailtwin], medians[Mbsync]
        print(f"mailtwin is {theirs.wall / ours.wall:.1f} times as fast, with "
              f"{ours.memory / theirs.memory:.1f} times the memory, "
              f"{ours.share / theirs.share:.1f} times the PSS")
    sys.stdout.flush()
    return 0
