"""What people see when something is wrong, and what never happens then."""

import errno
import os
import signal
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

import scene
from harness import environment, inject
from harness.corpus import small_message, to_wire
from harness.program import (EX_CONFIG, EX_HELD, EX_NOPERM, EX_OK,
                             EX_UNAVAILABLE, EX_USAGE)


class Configuration(scene.Scene):
    def test_every_mistake_is_shown_at_its_place(self):
        world = self.world()
        world.program.write_config(
            "accounts:\n"
            "  home:\n"
            "    hots: imap.example.org\n"
            "    user: me\n"
            "    password: secret-canary\n"
            "    maildir: ~/Mail\n"
            "    connections: many\n")
        world.program.secrets.add("secret-canary")
        for command in (["sync"], ["daemon"], ["check", "--offline"]):
            done = world.program.run(*command, expect=EX_CONFIG, timeout=20)
            path = str(world.program.config)
            self.assertIn(f"{path}:3:5: ", done.stderr)
            self.assertIn("did you mean 'host'?", done.stderr)
            self.assertIn(f"{path}:7:", done.stderr)
            self.assertIn("^", done.stderr)

    def test_no_configuration(self):
        world = self.world()
        world.program.config.unlink()
        world.program.sync(expect=EX_CONFIG)

    def test_password_that_others_can_read_is_refused(self):
        world = self.world()
        world.program.config.chmod(0o644)
        world.program.sync(expect=EX_CONFIG)

    def test_plain_text_to_a_far_host_is_refused(self):
        world = self.world()
        world.configure(host="imap.example.org", tls="off")
        world.program.sync(expect=EX_CONFIG)

    def test_check_offline_needs_no_server(self):
        world = self.world()
        world.configure(port=environment.free_port())
        world.program.run("check", "--offline")

    def test_usage(self):
        world = self.world()
        world.program.run("snyc", expect=EX_USAGE)
        world.program.run("sync", "--no-such-option", expect=EX_USAGE)
        world.program.run("sync", "nobody", expect=EX_USAGE)
        world.program.run("version")
        self.assertIn("sync", world.program.run("help").stdout)


class Server(scene.Scene):
    def test_wrong_password(self):
        world = self.world()
        world.configure(password="not-the-password-canary")
        done = world.program.sync(expect=EX_NOPERM)
        self.assertIn("home", done.stderr)

    def test_server_down(self):
        world = self.world()
        world.configure(host="127.0.0.1", port=environment.free_port(),
                        tls="off")
        world.program.sync(expect=EX_UNAVAILABLE)

    def test_untrusted_certificate(self):
        if not self.server.tls_port:
            self.skipTest("this server has no TLS port")
        world = self.world(tls="implicit")
        del world.account["tls_ca_file"]
        world.configure()
        world.imap.append("INBOX", b"Subject: m\r\n\r\n\r\n")
        done = world.program.sync(expect=None)
        self.assertNotEqual(done.returncode, EX_OK)
        self.assertEqual(world.maildir.all_entries(), [])

    def test_check_changes_nothing(self):
        world = self.world()
        world.imap.append("INBOX", b"Subject: m\r\n\r\n\r\n")
        done = world.program.run("check")
        self.assertIn("IDLE", done.stdout)
        self.assertEqual(world.maildir.all_entries(), [])

    def test_dry_run_changes_nothing(self):
        world = self.world(with_proxy=True)
        world.imap.append("INBOX", to_wire(small_message("down")))
        world.imap.create("Work")
        world.imap.append("Work", to_wire(small_message("there")))
        world.maildir.deliver("INBOX", small_message("up"))
        before = sorted(map(str, world.maildir.root.rglob("*")))
        done = world.program.sync("--dry-run")
        told = done.stdout.splitlines()
        self.assertGreaterEqual(len(told), 3)
        self.assertEqual(len(told), len(set(told)), told)
        self.assertIn("create folder here: Work, and download 1 message", told)
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertEqual(
            before, sorted(map(str, world.maildir.root.rglob("*"))))
        world.program.sync()
        world.assert_equal()

    def test_other_accounts_go_on(self):
        good = self.world()
        bad = self.world(user="bad")
        bad.account["password"] = "not-the-password-canary"
        good.program.configure({"bad": bad.account, "good": good.account})
        good.imap.append("INBOX", to_wire(small_message("m")))
        good.program.sync(expect=EX_NOPERM)
        good.assert_equal()

    def test_only_the_named_account(self):
        good = self.world()
        bad = self.world(user="bad")
        bad.account["password"] = "not-the-password-canary"
        good.program.configure({"bad": bad.account, "good": good.account})
        good.program.sync("good")

    def test_excluded_mailboxes_stay_away(self):
        world = self.world(mailboxes=["*", "!Junk"])
        world.imap.create("Junk")
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.sync()
        self.assertEqual(world.maildir.folders(), ["INBOX"])

    def test_connection_cut_in_the_middle(self):
        world = self.world(with_proxy=True)
        world.imap.append_many("INBOX", [
            (to_wire(small_message(f"m{n}", size=20_000)), (), 1_000_000_000)
            for n in range(100)])
        for after in (300, 5_000, 200_000, 1_000_000):
            world.proxy.cut_after = after
            world.program.sync(expect=None)
            self.assertLessEqual(len(world.maildir.all_entries()), 100)
        world.proxy.cut_after = None
        world.program.sync()
        world.assert_equal()

    def test_upload_cut_in_the_middle_is_not_doubled(self):
        world = self.world(with_proxy=True)
        for n in range(60):
            world.maildir.deliver("INBOX", small_message(f"m{n}", size=9_000))
        for after in (2_000, 2_500, 3_000, 4_000):
            world.proxy.forget()
            world.proxy.cut_after = after
            world.program.sync(expect=None)
        world.proxy.cut_after = None
        world.program.sync()
        world.assert_equal()
        self.assertEqual(len(world.imap.fetch("INBOX")), 60)


class Secrets(scene.Scene):
    def test_the_password_shows_nowhere(self):
        """Not in the process list, the environment, the logs, the state."""
        world = self.world(with_proxy=True)
        world.proxy.delay = 0.05
        world.imap.append("INBOX", to_wire(small_message("m")))
        secret = world.server.password.encode()
        process = world.program.start("--verbose", "sync")
        seen = set()
        while process.poll() is None:
            for pid in [process.pid, *environment.children(process.pid)]:
                seen.add(pid)
                for name in ("cmdline", "environ"):
                    self.assertNotIn(secret, self.read_proc(pid, name))
        self.assertEqual(process.returncode, 0, world.program.log())
        self.assertGreater(len(seen), 0)
        for path in world.directory.rglob("*"):
            if path.is_file() and path != world.program.config:
                self.assertNotIn(secret, path.read_bytes(), path)

    @staticmethod
    def read_proc(pid, name):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                return file.read()
        except OSError:
            return b""

    def test_password_command_and_file(self):
        world = self.world()
        del world.account["password"]
        file = world.directory / "password"
        file.touch(mode=0o600)
        file.write_text(world.server.password + "\n")
        world.configure(password_file=str(file))
        world.program.sync()
        del world.account["password_file"]
        world.configure(password_command=f"cat '{file}'")
        world.program.sync()


class Daemon(scene.Scene):
    def test_stops_on_sigterm_within_seconds(self):
        world = self.world()
        world.program.start_daemon()
        start = time.monotonic()
        self.assertEqual(world.program.stop_daemon(), EX_OK)
        self.assertLess(time.monotonic() - start, 10)

    def test_status_of_no_daemon(self):
        world = self.world()
        done = world.program.run("status", expect=None)
        self.assertIn(done.returncode, (0, 1, 75))

    def test_status_as_json(self):
        world = self.world()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.start_daemon()
        status = world.program.status()
        account = status["accounts"][0]
        self.assertEqual(account["name"], "home")
        self.assertEqual(account["state"], "watching")
        self.assertIsNone(account["error"])
        self.assertEqual(account["pending"], {"local": 0, "remote": 0})
        for key in ("since", "last_success", "server", "mailboxes"):
            self.assertIn(key, account)
        self.assertIn("extensions", account["server"])
        inbox = [each for each in account["mailboxes"]
                 if each["name"] == "INBOX"][0]
        self.assertEqual(inbox["messages"], 1)
        for key in ("state", "last_success", "held", "failed", "error"):
            self.assertIn(key, inbox)

    def test_second_daemon_refuses(self):
        world = self.world()
        world.program.start_daemon()
        done = world.program.run("daemon", expect=None, timeout=20)
        self.assertNotEqual(done.returncode, 0)
        world.program.check_daemon()

    def test_sync_asks_the_daemon(self):
        world = self.world(poll="1h", idle=False)
        world.program.start_daemon()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.sync()
        world.assert_equal()
        world.program.check_daemon()

    def test_sigusr1_syncs_now(self):
        world = self.world(poll="1h", idle=False)
        world.program.start_daemon()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.daemon.send_signal(signal.SIGUSR1)
        world.wait_until_equal(scene.PATIENCE)

    def test_sighup_reloads(self):
        world = self.world()
        world.imap.create("Junk")
        world.program.start_daemon()
        world.configure(mailboxes=["*", "!Junk"])
        world.program.daemon.send_signal(signal.SIGHUP)
        time.sleep(1)
        world.program.wait_for_state("watching")
        world.imap.append("Junk", to_wire(small_message("spam")))
        world.imap.append("INBOX", to_wire(small_message("m")))
        environment.wait_until(lambda: world.local("INBOX"),
                               scene.PATIENCE, "m in INBOX")
        time.sleep(1)
        self.assertFalse(world.local("Junk"))

    def test_mistake_on_reload_keeps_the_old_configuration(self):
        world = self.world()
        world.program.start_daemon()
        text = world.program.config.read_text()
        world.program.write_config(text + "nonsense: 1\n")
        world.program.daemon.send_signal(signal.SIGHUP)
        time.sleep(1)
        world.program.check_daemon()
        world.program.write_config(text)
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.wait_until_equal(scene.PATIENCE)

    def test_worker_is_started_again(self):
        world = self.world()
        world.program.start_daemon()
        workers = environment.wait_until(world.program.workers, 10, "workers")
        for pid in workers:
            environment.kill(pid)
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.wait_until_equal(scene.PATIENCE)

    def test_server_restart_is_survived(self):
        world = self.world()
        world.program.start_daemon()
        self.server.kill()
        time.sleep(1)
        world.program.check_daemon()
        world.maildir.deliver("INBOX", small_message("up"))
        self.server.start()
        world.reconnect()
        world.imap.append("INBOX", to_wire(small_message("down")))
        world.wait_until_equal(2 * scene.PATIENCE)

    def test_server_down_at_the_start(self):
        world = self.world()
        self.server.stop()
        try:
            world.program.start_daemon(wait=False)
            time.sleep(1)
            world.program.check_daemon()
        finally:
            self.server.start()
        world.reconnect()
        world.imap.append("INBOX", to_wire(small_message("down")))
        world.wait_until_equal(2 * scene.PATIENCE)

    def test_cut_connection_is_made_again(self):
        world = self.world(with_proxy=True)
        world.program.start_daemon()
        world.proxy.cut()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.wait_until_equal(scene.PATIENCE)

    def test_dead_connection_is_noticed_within_a_minute(self):
        """Nothing arrives, nobody says so; a new connection would work."""
        world = self.world(with_proxy=True)
        world.program.start_daemon()
        dead = list(world.proxy.connections)
        world.proxy.freeze()
        world.imap.append("INBOX", to_wire(small_message("m")))
        waiting = threading.Timer(5, lambda: self.revive(world, dead))
        waiting.start()
        self.addCleanup(waiting.cancel)
        world.wait_until_equal(90)

    @staticmethod
    def revive(world, dead):
        """The network is back; what was connected before stays dead."""
        world.proxy.abandon(dead)
        world.proxy.thaw()

    def test_notifies_systemd(self):
        world = self.world()
        path = str(world.directory / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(scene.PATIENCE)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                world.program.start_daemon(wait=False)
            finally:
                del os.environ["NOTIFY_SOCKET"]
            said = ""
            while "READY=1" not in said:
                said += listener.recv(4096).decode() + "\n"
            world.program.daemon.send_signal(signal.SIGTERM)
            while "STOPPING=1" not in said:
                said += listener.recv(4096).decode() + "\n"
        self.assertEqual(world.program.stop_daemon(), EX_OK)


class Confinement(scene.Scene):
    def test_every_thread_of_a_worker_is_confined(self):
        world = self.world()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.start_daemon()
        world.wait_until_equal(scene.PATIENCE)
        workers = world.program.workers()
        self.assertGreater(len(workers), 0)
        for pid in workers:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                facts = self.facts(thread / "status")
                self.assertEqual(facts["NoNewPrivs"], "1")
                self.assertEqual(facts["Seccomp"], "2")
                self.assertEqual(facts["Umask"], "0077")
                # CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN
                self.assertEqual(int(facts["CapEff"], 16) & 0x203000, 0)
            limits = Path(f"/proc/{pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 +0 ")

    @staticmethod
    def facts(path):
        pairs = (line.split(":", 1) for line in path.read_text().splitlines())
        return {name: value.strip() for name, value in pairs}

    def two_accounts(self):
        """A worker of the first, and the Maildir of the second."""
        world, other = self.world(), self.world(user="other")
        other.imap.append("INBOX", to_wire(small_message("private")))
        world.program.configure({"home": world.account,
                                 "other": other.account})
        world.program.start_daemon()
        world.wait_until_equal(scene.PATIENCE)
        other.wait_until_equal(scene.PATIENCE)
        mine = [pid for pid in world.program.workers()
                if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2]
                == b"home"]
        self.assertEqual(len(mine), 1)
        if "not confined" in world.program.log():
            self.skipTest("this kernel confines too little")
        return world, other, mine[0]

    @staticmethod
    def files(world):
        return {path: (path.stat().st_ino, path.is_file() and
                       path.read_bytes())
                for path in world.maildir.root.rglob("*")}

    def test_a_worker_that_was_taken_over_reaches_no_other_account(self):
        """Its registers are set as an attacker would, and it makes the call."""
        if not inject.is_possible():
            self.skipTest("needs root, on x86-64")
        world, other, pid = self.two_accounts()
        secret = other.maildir.all_entries()[0].path
        own = world.maildir.root / "INBOX" / "tmp"
        forbidden = other.maildir.root / "INBOX" / "new"
        here, before = inject.AT_FDCWD, self.files(other)
        with inject.Taken(pid) as taken:
            def call(*arguments):
                return taken.call(*arguments)

            self.assertGreater(
                call("openat", here, own / "probe", os.O_CREAT, 0o600), 0)
            self.assertEqual(call("unlinkat", here, own / "probe", 0), 0)
            for refused in (
                    call("openat", here, secret, os.O_RDONLY),
                    call("openat", here, secret, os.O_RDWR),
                    call("openat", here, forbidden, os.O_DIRECTORY),
                    call("openat", here, forbidden / "x", os.O_CREAT, 0o600),
                    call("openat", here, world.program.config, os.O_RDONLY),
                    call("openat", here, "/etc/passwd", os.O_RDONLY),
                    call("mkdirat", here, forbidden / "d", 0o700),
                    call("unlinkat", here, secret, 0),
                    call("renameat", here, secret, here, own / "stolen"),
                    call("linkat", here, secret, here, own / "stolen", 0),
                    call("symlinkat", secret, here, own / "link"),
                    call("kill", os.getpid(), 0)):
                self.assertIn(-refused, (errno.EACCES, errno.EPERM,
                                         errno.ENOSYS, errno.EXDEV))
        self.assertEqual(self.files(other), before)
        world.imap.append("INBOX", to_wire(small_message("later")))
        world.wait_until_equal(scene.PATIENCE)

    def test_a_folder_that_becomes_a_link_leads_to_no_other_account(self):
        world, other, _ = self.two_accounts()
        world.imap.create("Work")
        world.imap.append("Work", to_wire(small_message("work")))
        world.wait_until_equal(scene.PATIENCE)
        folder, away = world.maildir.root / "Work", world.directory / "away"
        before = self.files(other)
        for round_number in range(20):
            folder.rename(away)
            folder.symlink_to(other.maildir.root / "INBOX")
            world.imap.append("Work", to_wire(
                small_message(f"late{round_number}")))
            time.sleep(0.05)
            folder.unlink()
            away.rename(folder)
        world.wait_until_equal(2 * scene.PATIENCE)
        self.assertEqual(self.files(other), before)
        self.assertEqual(
            [name for name in world.imap.mailboxes()[0]
             if "private" in world.remote(name)], [])

    def test_a_replaced_certificate_is_read_by_a_new_worker(self):
        """The old one may read the old file only."""
        if not self.server.tls_port:
            self.skipTest("this server has no TLS port")
        world = self.world(tls="implicit")
        authority, new = (world.directory / name for name in ("ca", "new"))
        for path in (authority, new):
            path.write_bytes(Path(self.server.ca_file).read_bytes())
        world.configure(tls_ca_file=str(authority))
        world.program.start_daemon()
        before = set(world.program.workers())
        new.rename(authority)
        self.server.kill()
        self.server.start()
        world.reconnect()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.wait_until_equal(2 * scene.PATIENCE)
        self.assertTrue(before.isdisjoint(world.program.workers()))

    def test_a_tunnel_says_that_it_is_not_confined(self):
        world = self.world(with_proxy=True)
        port = world.account["port"]
        del world.account["port"], world.account["host"]
        world.configure(tunnel="exec python3 -c 'import socket,os,select,sys\n"
                        f"s=socket.create_connection((\"127.0.0.1\",{port}))\n"
                        "while True:\n"
                        "  for f in select.select([0,s],[],[])[0]:\n"
                        "    d=os.read(0,9999) if f==0 else s.recv(9999)\n"
                        "    if not d: sys.exit()\n"
                        "    s.sendall(d) if f==0 else os.write(1,d)'")
        world.imap.append("INBOX", to_wire(small_message("m")))
        done = world.program.sync()
        self.assertIn("not confined", done.stderr)
        world.assert_equal()

    def test_removed_messages_are_kept_on_another_disk(self):
        """Beside the Maildir, in a directory that is made before."""
        world = self.world()
        state = Path(tempfile.mkdtemp(dir="/dev/shm"))
        self.addCleanup(environment.remove_tree, state)
        if state.stat().st_dev == world.directory.stat().st_dev:
            self.skipTest("/dev/shm is on the disk of the Maildir")
        world.program.configure({"home": world.account},
                                state_dir=str(state / "state"))
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.sync()
        world.imap.expunge("INBOX", [world.uid("INBOX", "m")])
        world.program.sync()
        self.assertEqual(world.maildir.all_entries(), [])
        kept = world.directory / ".mailtwin-removed"
        self.assertEqual(
            len([each for each in kept.rglob("*") if each.is_file()]), 1)


class Guard(scene.Scene):
    """Absence is a claim that needs a proof."""

    def filled(self, count=30, **options):
        world = self.world(**options)
        world.imap.create("Work")
        for folder in ("INBOX", "Work"):
            world.imap.append_many(folder, [
                (to_wire(small_message(f"{folder}-{n}")), ["\\Seen"],
                 1_000_000_000 + n) for n in range(count)])
        world.program.sync()
        world.assert_equal()
        return world

    def counts(self, world):
        return {name: len(world.imap.fetch(name, with_body=False))
                for name in ("INBOX", "Work")}

    def test_emptied_maildir_deletes_nothing(self):
        world = self.filled()
        for entry in world.maildir.all_entries():
            world.maildir.remove(entry)
        left = world.program.sync(expect=EX_HELD).stderr
        self.assertIn("home/INBOX: UID", left)
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 30})
        self.assertIn("INBOX", world.program.run("held", expect=None).stdout)
        self.assertNotEqual(world.program.sync(expect=None).returncode, 0)
        world.program.run("approve")
        world.program.sync()
        self.assertEqual(self.counts(world), {"INBOX": 0, "Work": 0})
        world.assert_equal()

    def test_held_deletions_are_undone(self):
        world = self.filled()
        for entry in world.maildir.entries("Work"):
            world.maildir.remove(entry)
        world.program.sync(expect=EX_HELD)
        world.program.run("undo")
        world.program.sync()
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 30})
        world.assert_equal()

    def test_missing_root_deletes_nothing(self):
        """An unmounted disk."""
        world = self.filled()
        away = world.directory / "away"
        world.maildir.root.rename(away)
        done = world.program.sync(expect=None)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 30})
        if world.maildir.root.exists():
            self.skipTest("the root was made again, and nothing was lost")
        away.rename(world.maildir.root)
        world.program.sync()
        world.assert_equal()

    def test_empty_root_deletes_nothing(self):
        """The empty mount point of an unmounted disk."""
        world = self.filled()
        away = world.directory / "away"
        world.maildir.root.rename(away)
        world.maildir.root.mkdir()
        world.program.sync(expect=None)
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 30})

    def test_emptied_server_deletes_nothing(self):
        world = self.filled()
        uids = list(world.imap.fetch("Work", with_body=False))
        world.imap.expunge("Work", uids)
        world.program.sync(expect=EX_HELD)
        self.assertEqual(len(world.maildir.entries("Work")), 30)
        world.program.run("approve")
        world.program.sync()
        self.assertEqual(world.maildir.entries("Work"), [])
        world.assert_equal()

    def test_few_deletions_pass(self):
        world = self.filled()
        for entry in world.maildir.entries("Work")[:10]:
            world.maildir.remove(entry)
        world.program.sync()
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 20})

    def test_delete_limit_off(self):
        world = self.filled(delete_limit="off")
        for entry in world.maildir.entries("Work"):
            world.maildir.remove(entry)
        world.program.sync()
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 0})

    def test_moving_everything_is_no_deletion(self):
        world = self.filled()
        for entry in world.maildir.entries("Work"):
            world.maildir.move(entry, "INBOX")
        world.program.sync()
        self.assertEqual(self.counts(world), {"INBOX": 60, "Work": 0})
        world.assert_equal()

    def test_removed_message_comes_back_with_undo(self):
        world = self.filled()
        name = "Work-7"
        world.imap.expunge("Work", [world.uid("Work", name)])
        world.program.sync()
        self.assertNotIn(name, world.local("Work"))
        world.program.run("undo")
        world.program.sync()
        self.assertIn(name, world.local("Work"))
        self.assertIn(name, world.remote("Work"))

    def test_lost_state_deletes_and_doubles_nothing(self):
        world = self.filled()
        environment.remove_tree(world.program.state)
        world.imap.append("Work", to_wire(small_message("new")))
        world.maildir.remove(world.maildir.entries("INBOX")[0])
        world.program.sync()
        world.assert_equal()
        self.assertEqual(self.counts(world), {"INBOX": 30, "Work": 31})


class Validity(scene.Scene):
    def test_new_uid_validity_fetches_nothing_again(self):
        world = self.world(with_proxy=True)
        names = [f"m{n}" for n in range(40)]
        world.imap.create("Work")
        self.fill(world, names)
        world.program.sync()
        world.assert_equal()
        files = self.inodes(world)
        world.imap.delete("Work")
        time.sleep(1.1)
        world.imap.create("Work")
        self.fill(world, reversed(names))
        if self.server.keeps_mailbox_ids:
            world.program.sync(expect=None)
            self.assertEqual(len(world.imap.fetch("Work")), 40)
            return
        world.proxy.forget()
        world.program.sync(expect=(EX_OK, EX_HELD))
        self.assertEqual(world.proxy.changing_commands(), [])
        self.assertEqual(self.inodes(world), files)
        self.assertLess(world.proxy.received, 40 * 4_000)
        world.assert_equal()

    @staticmethod
    def fill(world, names):
        world.imap.append_many("Work", [
            (to_wire(small_message(name, size=4_000)), ["\\Seen"],
             1_000_000_000 + int(name[1:])) for name in names])

    @staticmethod
    def inodes(world):
        return {entry.path.stat().st_ino
                for entry in world.maildir.entries("Work")}


if __name__ == "__main__":
    unittest.main(verbosity=2)
