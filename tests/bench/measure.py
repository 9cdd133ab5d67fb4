"""Runs a program and says what it took."""

import math
import os
import statistics
import subprocess
import threading
import time
from pathlib import Path

from harness import environment


class Cost:
    """Seconds of the clock, of the processor; megabytes of memory: what each
    process had at its peak, added, and what all had at once, where a page
    that several processes share counts once (PSS)."""

    FIELDS = ("wall", "user", "sys", "memory", "share")

    def __init__(self, wall, user, sys, memory, share):
        self.wall = wall
        self.user = user
        self.sys = sys
        self.memory = memory
        self.share = share

    def __str__(self):
        return (f"{self.wall:7.2f} s wall {self.user:6.2f} s user "
                f"{self.sys:6.2f} s sys {self.memory:6.1f} MB "
                f"{self.share:6.1f} MB PSS")


def megabytes(text, field, otherwise):
    """What a field of a file in /proc says in kB; a zombie's are not there."""
    for line in text.splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return otherwise


def share_of(pid):
    """Only root is told that of a process that keeps its memory to itself."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        return math.nan
    except OSError:
        return 0
    return megabytes(rollup, "Pss:", 0)


class MemoryWatch(threading.Thread):
    """The sum of the peaks of all processes of one tree, and the peak of the
    sum of their proportional shares.

    The kernel's figure for a waited-for child would not do: it is that of
    the largest process alone, and counts what the child had of us before it
    became the program."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peaks = {}
        self.share = 0
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.wait(0.01):
            share = self.look(self.pid)
            if math.isnan(share) or share > self.share:
                self.share = share

    def look(self, pid):
        """Returns the share of the process and all below it."""
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return 0
        self.peaks[pid] = megabytes(status, "VmHWM:", self.peaks.get(pid, 0))
        share = share_of(pid)
        for task in tasks:
            try:
                path = Path(f"/proc/{pid}/task/{task}/children")
                below = path.read_text().split()
            except OSError:
                continue
            for child in below:
                share += self.look(int(child))
        return share

    def finish(self):
        """Returns both, in megabytes."""
        self.is_over.set()
        self.join()
        return sum(self.peaks.values()), self.share


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
    memory, share = watch.finish()
    if process.returncode != 0:
        raise environment.Failure(
            f"{command[0]} ended with {process.returncode}:\n"
            f"{output.decode(errors='replace')[-3000:]}")
    return Cost(wall, usage.ru_utime, usage.ru_stime, memory, share)


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
