"""File systems on a disk that is recorded, and the disks a power cut leaves.

A disk with a cache of its own promises one thing: what was written before a
flush began is there after the flush has ended. Of what was written later, any
part may be there, in any order: all, nothing, or every second block."""

import contextlib
import ctypes
import os
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from harness import environment

HEADER = struct.Struct("=QII")
WRITE, FLUSH = 1, 2
BLOCK = 4096
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
ROOM = 2 << 30  # wanted in memory

# As small as each will have it; without what would be done later in the
# background, and with what is needed to mount a twin of one mounted before.
KINDS = {
    "ext4": (128, ["mkfs.ext4", "-q", "-F", "-J", "size=4", "-E",
                   "lazy_itable_init=0,lazy_journal_init=0"], ""),
    "xfs": (300, ["mkfs.xfs", "-q", "-f"], ",nouuid"),
    "btrfs": (128, ["mkfs.btrfs", "-q", "-f"], ""),
}


# `su` leaves root without.
os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


class Unmountable(environment.Failure):
    """The file system itself did not survive."""


def run(*command, failure=environment.Failure):
    done = subprocess.run([str(each) for each in command], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise failure(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def be_alone():
    """What is mounted from here on is seen by this process and those it
    starts, and goes when they end, however they end."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(
            None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace of our own")


def live_in_memory():
    """Nothing here has to outlive the test, and much of it is written."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM:
        tempfile.tempdir = str(memory)


def block_log():
    named = os.environ.get("BLOCK_LOG")
    return named if named and os.access(named, os.X_OK) else None


def missing(kind):
    """Why there can be no recorded disk with this file system, or None."""
    maker = KINDS[kind][1][0]
    if os.getuid() != 0:
        return "only root may mount"
    if not os.path.exists("/dev/fuse"):
        return "the kernel has no FUSE"
    if not block_log():
        return "block_log was not built: no libfuse3-dev, or no BLOCK_LOG"
    if not shutil.which(maker):
        return f"no {maker} (script/setup --tests)"
    return try_mount(kind)


def try_mount(kind):
    directory = environment.temporary_directory("power-cut")
    parts = Parts(kind, directory, 1)
    try:
        parts.make_image(directory / "image")
        parts.mount(directory / "image")
        parts.unmount()
    except environment.Failure as problem:
        return f"no loop device with {kind}: {problem}"
    finally:
        environment.remove_tree(directory)
    return None


class Parts:
    """The file systems that share a disk, and the places where they are
    mounted, always the same: programs remember absolute paths."""

    def __init__(self, kind, directory, count):
        self.kind = kind
        self.places = [directory / f"disk-{number}" for number in range(count)]

    def make_image(self, path):
        size, command, _ = KINDS[self.kind]
        raw = path.with_name(path.name + ".raw")
        for number, place in enumerate(self.places):
            place.mkdir()
            with open(raw, "wb") as file:
                file.truncate(size << 20)
            run(*command, raw)
            run("dd", "bs=1M", "conv=sparse,notrunc", f"seek={number * size}",
                f"if={raw}", f"of={path}")
            raw.unlink()
        os.truncate(path, len(self.places) * size << 20)

    def mount(self, image):
        size, _, options = KINDS[self.kind]
        for number, place in enumerate(self.places):
            run("mount", "-t", self.kind, "-o",
                f"loop,offset={number * size << 20},sizelimit={size << 20},"
                f"noatime{options}", image, place, failure=Unmountable)

    def unmount(self):
        for place in self.places:
            if os.path.ismount(place):
                unmount(place)

    def sync(self):
        for place in self.places:
            run("sync", "-f", place)


def unmount(place):
    environment.wait_until(lambda: try_unmount(place), 30, f"umount {place}",
                           pause=0.05)


def try_unmount(place):
    """A program that was just ended may still hold a file."""
    return subprocess.run(["umount", str(place)], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def other_number(directory):
    """Takes the number that the disk had: another start, another number."""
    image, place = directory / "other", directory / "mounted"
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    run("mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
    place.mkdir()
    # Mounted, it goes with us, however we end.
    run("mount", "-t", "ext4", "-o", "loop", image, place)
    try:
        yield
    finally:
        unmount(place)


class Log:
    """What block_log wrote."""

    def __init__(self, path):
        self.data = path.read_bytes()

    def records(self, start, end):
        """(kind, offset, bytes) of those between two places."""
        while start < end:
            offset, size, kind = HEADER.unpack_from(self.data, start)
            start += HEADER.size
            yield kind, offset, memoryview(self.data)[start:start + size]
            start += size

    def writes(self, start, end):
        return [(offset, data) for kind, offset, data
                in self.records(start, end) if kind == WRITE]


def all_of(writes, _):
    return writes


def none_of(_, __):
    return []


def half_of(writes, source):
    """In every second case whole writes, else single blocks of them."""
    if source.random() < 0.5:
        writes = [(offset + start, data[start:start + BLOCK])
                  for offset, data in writes
                  for start in range(0, len(data), BLOCK)]
    return [each for each in writes if source.random() < 0.5]


PARTS = {"all": all_of, "none": none_of, "half": half_of}


class Rebuilder:
    """Makes the image as it was at one place of the log after the other."""

    def __init__(self, log, base, directory):
        self.log = log
        self.current = directory / "current"
        self.directory = directory
        self.place = 0
        self.count = 0
        run("cp", "--sparse=always", base, self.current)

    def advance(self, place):
        if place < self.place:
            raise ValueError("places come in their order")
        self.write(self.current, self.log.writes(self.place, place))
        self.place = place

    @staticmethod
    def write(path, writes):
        with open(path, "r+b", buffering=0) as file:
            for offset, data in writes:
                file.seek(offset)
                file.write(data)

    def image(self, durable, end, part, seed):
        """Durable up to one place, and a part of what follows until another.
        Returns the path of an image of its own."""
        self.advance(durable)
        self.count += 1
        path = self.directory / f"image-{self.count}"
        run("cp", "--sparse=auto", self.current, path)
        self.write(path, PARTS[part](self.log.writes(durable, end),
                                     random.Random(seed)))
        return path
