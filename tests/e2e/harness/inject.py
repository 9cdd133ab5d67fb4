"""System calls made by another process, as somebody would who had taken it
over: its registers are set, one instruction runs, and all is as before."""

import ctypes
import os
import platform

from . import environment

PTRACE_SINGLESTEP = 9
PTRACE_GETREGS, PTRACE_SETREGS = 12, 13
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WALL = 0x40000000
SYSCALL = b"\x0f\x05"
NUMBERS = {"connect": 42, "execve": 59, "kill": 62, "openat": 257,
           "mkdirat": 258, "unlinkat": 263, "renameat": 264, "linkat": 265,
           "symlinkat": 266}
ARGUMENTS = ("rdi", "rsi", "rdx", "r10", "r8")
AT_FDCWD = ctypes.c_ulong(-100).value


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
        "rip cs eflags rsp ss fs_base gs_base ds es fs gs").split()]


def is_possible():
    return platform.machine() == "x86_64" and os.getuid() == 0


class Taken:
    """A process that does what we say: `with Taken(pid) as taken:`. It is
    taken over while it waits in a system call."""

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.restype = ctypes.c_long
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long,
                                     ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(self, request, address=None, data=None):
        if self.libc.ptrace(request, self.pid, address, data) == -1:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def attach(self):
        self.ptrace(PTRACE_ATTACH)
        os.waitpid(self.pid, WALL)
        self.ptrace(PTRACE_GETREGS, None, ctypes.addressof(self.before))
        place = self.before.rip - len(SYSCALL)
        if os.pread(self.memory, len(SYSCALL), place) == SYSCALL:
            return True
        self.ptrace(PTRACE_DETACH)
        return False

    def __enter__(self):
        self.before = Registers()
        self.memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        environment.wait_until(self.attach, 20, "a system call", pause=0.1)
        return self

    def __exit__(self, *_):
        self.ptrace(PTRACE_SETREGS, None, ctypes.addressof(self.before))
        self.ptrace(PTRACE_DETACH)
        os.close(self.memory)

    def call(self, name, *arguments):
        """What the kernel says: a number, negative for an error."""
        registers = Registers.from_buffer_copy(self.before)
        registers.rip -= len(SYSCALL)
        registers.orig_rax = ctypes.c_ulong(-1).value  # none is begun again
        registers.rax = NUMBERS[name]
        place = registers.rsp - 16384
        for register, value in zip(ARGUMENTS, arguments):
            if isinstance(value, (str, bytes, os.PathLike)):
                data = os.fsencode(value) + b"\0"
                os.pwrite(self.memory, data, place)
                value, place = place, place + len(data)
            setattr(registers, register, value)
        self.ptrace(PTRACE_SETREGS, None, ctypes.addressof(registers))
        self.ptrace(PTRACE_SINGLESTEP)
        os.waitpid(self.pid, WALL)
        self.ptrace(PTRACE_GETREGS, None, ctypes.addressof(registers))
        return ctypes.c_long(registers.rax).value
