"""The kernel's word on who touched which file (inotify(7))."""

import ctypes
import os
import select
import struct

ACCESS, MODIFY, OPEN = 0x1, 0x2, 0x20
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
CLOSE_WRITE, ATTRIB, IS_DIR = 0x8, 0x4, 0x40000000
HEADER = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    def __init__(self):
        self.fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self.paths = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def add(self, path, mask):
        wd = _libc.inotify_add_watch(self.fd, os.fsencode(path), mask)
        if wd < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}")
        self.paths[wd] = str(path)

    def read(self, timeout=0.0):
        """[(mask, directory, name)], waiting for the first of them."""
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return []
        data = os.read(self.fd, 65536)
        events = []
        while data:
            wd, mask, _, size = HEADER.unpack_from(data)
            name = data[HEADER.size:HEADER.size + size].rstrip(b"\0")
            events.append((mask, self.paths.get(wd, ""), os.fsdecode(name)))
            data = data[HEADER.size + size:]
        return events
