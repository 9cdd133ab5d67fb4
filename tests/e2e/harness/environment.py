"""Places, ports, processes, waiting."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
RESERVED = []  # ports, for as long as this process runs


class Failure(Exception):
    """The world did not become what the test waits for."""


def number(name, default):
    """A duration or a count that the environment may change."""
    return type(default)(os.environ.get(name, default))


def cache_directory():
    named = os.environ.get("MAILTWIN_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mailtwin-tests"


def temporary_directory(prefix):
    """A fresh directory that an unprivileged server may walk through."""
    path = Path(tempfile.mkdtemp(prefix=f"mailtwin-{prefix}-"))
    path.chmod(0o711)
    return path


def remove_tree(path):
    """Removes a directory that a dying process may still write to."""
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not Path(path).exists():
            return
        time.sleep(0.1)


def first_port_of_connections():
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    return int(limits.split()[0])


def try_to_bind(family, address):
    """The socket that has the address now, or None."""
    held = socket.socket(family)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(address)
    except OSError:
        held.close()
        return None
    return held


def free_port():
    """Free whenever the caller's server is away, as long as this process runs:
    none that the kernel gives to connections, and none that another test
    took, which a name for the whole machine shows."""
    while True:
        port = random.SystemRandom().randrange(
            10_000, first_port_of_connections())
        reserved = try_to_bind(
            socket.AF_UNIX, f"\0mailtwin-test-port-{port}")
        if not reserved:
            continue
        listener = try_to_bind(socket.AF_INET, ("127.0.0.1", port))
        if listener:
            listener.close()
            RESERVED.append(reserved)
            return port
        reserved.close()


def unprivileged_user():
    """Who the servers run as: never root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    return pwd.getpwnam("nobody")


def wait_until(condition, timeout=20, what="the condition", pause=0.02):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(pause)


def after_a_start(*command):
    """The command, to which the machine seems to have been started just now;
    None where there are no time namespaces, or they are not for us."""
    passed = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    found = ["unshare", "--time", "--boottime", f"-{passed}", *command]
    tried = subprocess.run([*found[:4], "true"], check=False,
                           stderr=subprocess.DEVNULL)
    return found if tried.returncode == 0 else None


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def children(pid):
    """The process ids of everything that `pid` started, deepest last."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if fields[0] != "Z":
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found = []
    waiting = [pid]
    while waiting:
        these = parents.get(waiting.pop(), [])
        found += these
        waiting += these
    return found


def kill(pid, signal_number=signal.SIGKILL):
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        pass


def end_tree(process, signal_number=signal.SIGKILL):
    """Ends a process and all it started, and reaps it. Stopped first: it could
    start another one meanwhile."""
    kill(process.pid, signal.SIGSTOP)
    started = children(process.pid)
    for pid in [process.pid, *started]:
        kill(pid, signal_number)
        kill(pid, signal.SIGCONT)
    process.wait()
