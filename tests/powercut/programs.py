"""The programs that are tried, and how a person sees that one needs a hand."""

import json
import os
import shutil
import subprocess

from harness.program import Program, binary

TIMEOUT = 120
MBSYNCRC = """\
IMAPAccount server
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore far
Account server

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Sync All
Create Both
Expunge Both
SyncState *
"""


def run(command, home):
    """Returns (exit code, what it said)."""
    done = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", timeout=TIMEOUT,
        env={**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"})
    return done.returncode, done.stdout + done.stderr


class Mailtwin:
    """Its Maildir and its state are both on the disk that loses power."""

    name = "mailtwin"
    with_flags = True
    chapters = ("mail_that_is_there", "new_mail_here", "new_mail_there",
                "flags", "moves", "removals", "careless_mail_here",
                "careless_changes_here", "new_folders", "folder_changes",
                "all_at_once")

    def __init__(self, directory, places, port, user, password):
        self.mail = places[0] / "mail"
        state = places[-1] / "state"
        self.program = Program(directory, {"home": {
            "host": "127.0.0.1", "port": port, "tls": "off", "user": user,
            "password": password, "maildir": str(self.mail)}},
            state_dir=str(state))
        self.removed = [state / "home/removed",
                        self.mail.with_name(".mailtwin-removed")]

    @staticmethod
    def missing():
        return None if os.access(binary(), os.X_OK) else "mailtwin is not built"

    def prepare(self):
        """It makes what it needs."""

    def command(self):
        return self.program.command("sync")

    def trouble(self):
        """What `status` tells of that somebody would have to look at."""
        done = self.program.run("status", "--json", expect=None)
        account = json.loads(done.stdout)["accounts"][0]
        found = [f"{key}: {account[key]}" for key in ("error",)
                 if account.get(key)]
        found += [f"{box['name']}: {key} {box[key]}"
                  for box in account["mailboxes"]
                  for key in ("held", "failed", "error") if box.get(key)]
        return found + [f"pending: {account['pending']}"
                        for _ in range(any(account["pending"].values()))]

    def kept(self):
        """The files of messages it has taken out of the Maildir."""
        return [path for place in self.removed
                for path in place.rglob("cur/*") if path.is_file()]


class Mbsync:
    """With its defaults, which call fsync(); each direction by itself."""

    name = "mbsync"
    with_flags = False
    chapters = ("mail_that_is_there", "new_mail_here", "new_mail_there")

    def __init__(self, directory, places, port, user, password):
        self.mail = places[0] / "mail"
        self.config = directory / "mbsyncrc"
        self.config.write_text(MBSYNCRC.format(
            port=port, user=user, password=password, mail=self.mail))

    @staticmethod
    def missing():
        return None if shutil.which("mbsync") else (
            "no mbsync: script/setup --bench")

    def prepare(self):
        self.mail.mkdir(exist_ok=True)

    def command(self):
        return ["mbsync", "-q", "-c", str(self.config), "all"]

    def trouble(self):
        return []

    def kept(self):
        """It keeps none, and nobody removes any in its chapters."""
        return []


PROGRAMS = {each.name: each for each in (Mailtwin, Mbsync)}
