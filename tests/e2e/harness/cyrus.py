"""A private Cyrus 3.6 on loopback, from unpacked Debian packages.

cyrus-imapd and dovecot-imapd cannot both be installed, so script/setup
unpacks the former into the cache."""

import os
import shutil
import signal
import socket
import subprocess

from . import environment
from .imap import Imap

PASSWORD = "correct-horse-7rTqz"

IMAPD_CONF = """\
configdirectory: {base}/conf
partition-default: {base}/spool
defaultpartition: default
admins: cyrus
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {base}/sasldb2
sasl_mech_list: PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1
unixhierarchysep: yes
altnamespace: yes
cyrus_user: {user}
cyrus_group: {group}
autocreate_quota: 0
idlesocket: {base}/conf/socket/idle
delete_mode: immediate
expunge_mode: immediate
munge8bit: no
servername: localhost
syslog_prefix: mailtwin-test
"""

CYRUS_CONF = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {base}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {base}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1
}}
DAEMON {{
  idled cmd="{bin}/idled -C {base}/imapd.conf"
}}
"""


def unpacked():
    return environment.cache_directory() / "cyrus"


class Cyrus:
    """start(), stop(), kill(), restart(); users are added one by one."""

    name = "cyrus"
    keeps_mailbox_ids = True
    tls_port = None
    ca_file = None

    @staticmethod
    def missing():
        """Why this server cannot run here, or None."""
        if not (unpacked() / "usr/lib/cyrus/bin/imapd").exists():
            return f"no Cyrus in {unpacked()} (script/setup --tests)"
        if not shutil.which("saslpasswd2", path="/usr/sbin:/usr/bin"):
            return "sasl2-bin is not installed (script/setup --tests)"
        return None

    def __init__(self):
        self.base = environment.temporary_directory("cyrus")
        self.port = environment.free_port()
        self.password = PASSWORD
        self.owner = environment.unprivileged_user()
        self.process = None
        self.users = set()
        # The cache may lie where the server's user cannot look.
        root = self.base / "root"
        shutil.copytree(unpacked() / "usr/lib", root, symlinks=True)
        self.bin = root / "cyrus/bin"
        self.environment = dict(
            os.environ, LD_LIBRARY_PATH=f"{root}/x86_64-linux-gnu",
            CYRUS_VERBOSE="0")
        self.write_config()

    def write_config(self):
        import grp
        group = grp.getgrgid(self.owner.pw_gid).gr_name
        (self.base / "imapd.conf").write_text(IMAPD_CONF.format(
            base=self.base, user=self.owner.pw_name, group=group))
        (self.base / "cyrus.conf").write_text(CYRUS_CONF.format(base=self.base,
            bin=self.bin, port=self.port))
        for name in ("socket", "proc", "db", "log", "msg", "quota", "user",
                     "lock"):
            (self.base / "conf" / name).mkdir(parents=True)
        (self.base / "spool").mkdir()
        self.own(self.base / "conf", self.base / "spool")

    def own(self, *paths):
        if os.getuid() != 0:
            return
        for path in paths:
            for found in [path, *path.rglob("*")]:
                os.chown(found, self.owner.pw_uid, self.owner.pw_gid)

    def start(self):
        # Ended, it ends its whole process group: servers of other tests.
        config = self.base / "imapd.conf"
        self.process = subprocess.Popen(
            [self.bin / "master", "-D", "-C", config, "-M",
             self.base / "cyrus.conf", "-p", self.base / "conf/master.pid"],
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        environment.wait_until(self.is_up, 30, f"cyrus in {self.base}")
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise environment.Failure(f"cyrus ended ({self.process.poll()})")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.settimeout(5)
                return link.recv(4) == b"* OK"
        except OSError:
            return False

    def log(self):
        return ""

    def stop(self):
        if self.process and self.process.poll() is None:
            started = environment.children(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            for pid in started:
                environment.kill(pid)
        self.process = None

    def kill(self):
        environment.end_tree(self.process)
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        self.stop()
        environment.remove_tree(self.base)

    def add_user(self, user):
        if user in self.users:
            return
        self.users.add(user)
        database = self.base / "sasldb2"
        for realm in {"localhost", socket.gethostname()}:
            subprocess.run(
                ["/usr/sbin/saslpasswd2", "-p", "-c", "-f", str(database),
                 "-u", realm, user], input=PASSWORD.encode(), check=True,
                env=self.environment, stderr=subprocess.DEVNULL)
        self.own(database)

    def connect(self, user):
        self.add_user(user)
        return Imap("127.0.0.1", self.port, user, PASSWORD)
