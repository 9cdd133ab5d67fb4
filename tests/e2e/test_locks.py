"""Locks that were left behind: nobody has to wait for who is gone."""

import os
import socket
import subprocess
import time
import unittest

import scene
from harness import environment
from harness.corpus import small_message, to_wire

# Of a held lock nothing may be done for two minutes.
WAIT = 100


class Locks(scene.Scene):
    """Two files, as Dovecot has them: who holds both may add a keyword."""

    def begin(self, text):
        world = self.world()
        world.imap.append("INBOX", to_wire(small_message("m")))
        world.program.sync()
        world.imap.store("INBOX", [world.uid("INBOX", "m")], "+FLAGS",
                         ["waiting"])
        for name in ("dovecot-uidlist.lock", "dovecot-keywords.lock"):
            path = world.maildir.path("INBOX") / name
            path.write_text(text)
            os.utime(path, (time.time() - 5, time.time() - 5))
        return world

    def sync(self, world, command):
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=WAIT,
            env=world.program.environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        world.assert_equal()

    def test_of_a_process_that_was_killed(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        world = self.begin(f"{gone.pid}:{socket.gethostname()}")
        self.sync(world, world.program.command("sync"))

    def restart(self, text):
        world = self.begin(text)
        command = environment.after_a_start(*world.program.command("sync"))
        if command is None:
            self.skipTest("no time namespace")
        self.sync(world, command)

    def test_without_a_word_from_before_the_power_went(self):
        self.restart("")

    def test_of_a_number_that_is_another_process_now(self):
        self.restart(f"{os.getpid()}:{socket.gethostname()}")

    def test_of_another_host_is_left_alone(self):
        world = self.begin("1:elsewhere.example.org")
        done = world.program.sync(expect=1)
        self.assertIn("locked", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
