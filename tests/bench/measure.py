"""Runs a program and says what it took."""

import os
import statistics
import subprocess
import threading
import time
from pathlib import Path

from harness import environment


class Cost:
    """Seconds of the clock, of the processor; megabytes of memory."""

    FIELDS = ("wall", "user", "sys", "memory")

    def __init__(self, wall, user, sys, memory):
        self.wall = wall
        self.user = user
        self.sys = sys
        self.memory = memory

    def __str__(self):
        return (f"{self.wall:7.2f} s wall {self.user:6.2f} s user "
                f"{self.sys:6.2f} s sys {self.memory:6.1f} MB")


class MemoryWatch(threading.Thread):
    """The sum of the peaks of all processes of one tree.

    The kernel's figure for a waited-for child would not do: it is that of
    the largest process alone, and counts what the child had of us before it
    became the program."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peaks = {}
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.wait(0.01):
            self.look(self.pid)

    def look(self, pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self.peaks[pid] = int(line.split()[1]) / 1024
        for task in tasks:
            try:
                path = Path(f"/proc/{pid}/task/{task}/children")
                below = path.read_text().split()
            except OSError:
                continue
            for child in below:
                self.look(int(child))

    def finish(self):
        self.is_over.set()
        self.join()
        return sum(self.peaks.values())


def run(command, home):
    """Runs `command` to a good end. Returns its Cost."""
    start = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "HOME": str(home)})
    watch = MemoryWatch(process.pid)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    memory = watch.finish()
    if process.returncode != 0:
        raise environment.Failure(
            f"{command[0]} ended with {process.returncode}:\n"
            f"{output.decode(errors='replace')[-3000:]}")
    return Cost(wall, usage.ru_utime, usage.ru_stime, memory)


def median(costs):
    return Cost(*(statistics.median(getattr(cost, field) for cost in costs)
                  for field in Cost.FIELDS))


def quiet_disk(pause):
    """What was written or removed before is no part of what comes next."""
    os.sync()
    time.sleep(pause)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
