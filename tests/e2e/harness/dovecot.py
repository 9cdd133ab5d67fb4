"""A private Dovecot 2.3 on loopback: plain (with STARTTLS) and TLS."""

import grp
import os
import shutil
import signal
import subprocess

from . import environment, tls
from .imap import Imap

PASSWORD = "correct-horse-7rTqz"

CONFIG = """\
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
instance_name = mailtwin-test
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {base}/mail/%u
mail_location = {location}
mail_max_userip_connections = 100
mail_max_keyword_length = 250
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Trash {{
    special_use = \\Trash
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_limit = 200
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  client_limit = 10000
}}
service auth {{
  client_limit = 10000
}}
service stats {{
  chroot =
  client_limit = 10000
}}
{extra}
"""

ZLIB = """\
mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
"""


class Dovecot:
    """start(), stop(), kill(), restart(); any user name is an account."""

    name = "dovecot"
    keeps_mailbox_ids = False

    @staticmethod
    def missing():
        """Why this server cannot run here, or None."""
        if shutil.which("dovecot", path=path_of_daemons()):
            return None
        return "dovecot-imapd is not installed (script/setup)"

    def __init__(self, storage="mdbox", compress=False, extra="",
                 location=None):
        """`location`: of everybody's mail, in place of one for each user."""
        self.base = environment.temporary_directory("dovecot")
        self.port = environment.free_port()
        self.tls_port = environment.free_port()
        self.password = PASSWORD
        self.location = location or f"{storage}:~/{storage}"
        self.owner = environment.unprivileged_user()
        self.process = None
        self.ca_file, certificate, key = tls.make_certificate(self.base)
        self.config = self.base / "dovecot.conf"
        self.write_config(certificate, key, (ZLIB if compress else "") + extra)
        mail = self.base / "mail"
        mail.mkdir()
        if os.getuid() == 0:
            os.chown(mail, self.owner.pw_uid, self.owner.pw_gid)

    def write_config(self, certificate, key, extra):
        is_root = os.getuid() == 0
        me = self.owner.pw_name
        group = grp.getgrgid(self.owner.pw_gid).gr_name
        self.config.write_text(CONFIG.format(
            base=self.base, certificate=certificate, key=key,
            uid=self.owner.pw_uid, gid=self.owner.pw_gid,
            location=self.location, password=PASSWORD, extra=extra,
            internal="dovecot" if is_root else me,
            internal_group="dovecot" if is_root else group,
            login="dovenull" if is_root else me,
            port=self.port, tls_port=self.tls_port))

    def start(self):
        self.process = subprocess.Popen(
            [shutil.which("dovecot", path=path_of_daemons()), "-F", "-c",
             str(self.config)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        environment.wait_until(self.is_up, 20, f"dovecot in {self.base}")
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise environment.Failure(f"dovecot ended: {self.log()}")
        return environment.is_listening(self.port)

    def log(self):
        path = self.base / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        """Ends the server; its mail stays."""
        if self.process and self.process.poll() is None:
            started = environment.children(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            for pid in started:
                environment.kill(pid)
        self.process = None

    def kill(self):
        """Ends the server as a power cut would."""
        environment.end_tree(self.process)
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        self.stop()
        environment.remove_tree(self.base)

    def add_user(self, user):
        """Every user exists already."""

    def connect(self, user):
        return Imap("127.0.0.1", self.port, user, PASSWORD)

    def doveadm(self, user, *arguments):
        return subprocess.run(
            ["doveadm", "-c", str(self.config), arguments[0],
             *arguments[1:2], "-u", user, *arguments[2:]],
            check=True, capture_output=True, text=True).stdout


def path_of_daemons():
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
