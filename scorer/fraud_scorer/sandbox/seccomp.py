"""A filter of system calls (seccomp) for code that has only to compute.

It allows what Python needs to read files and do arithmetic, and refuses the rest with EPERM. As a
list of what is allowed, it also refuses calls that a later kernel brings. A thread or process that
is started afterwards inherits it, and nothing takes it off.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import NamedTuple

# By name: the numbers on x86-64 and on ARM64; None where the latter has no such call.
ALLOWED: dict[str, tuple[int, int | None]] = {
    # reading, and writing to what is open already
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "close": (3, 57),
    "lseek": (8, 62),
    "fcntl": (72, 25),
    "stat": (4, None),
    "fstat": (5, 80),
    "lstat": (6, None),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "access": (21, None),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    # memory
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "brk": (12, 214),
    # this thread, and the time
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "arch_prctl": (158, None),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "time": (201, None),
    "times": (100, 153),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "uname": (63, 160),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}


class _Machine(NamedTuple):
    column: int  # in ALLOWED
    audit: int  # how the kernel names the architecture
    seccomp: int  # the number of seccomp(2)
    opens: tuple[tuple[int, int], ...]  # calls that open files, and which argument has the flags


_MACHINES = {
    "x86_64": _Machine(0, 0xC000003E, 317, ((2, 1), (257, 2))),
    "aarch64": _Machine(1, 0xC00000B7, 277, ((56, 2),)),
}
# Of fcntl(2) only what copies descriptors and asks about them: others let the kernel send signals.
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
_FCNTL_COMMAND_ARGUMENT = 1
_FOREIGN = 0x40000000  # x86-64: from here on numbers are of another ABI
_WRITING = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in what a filter sees
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _ALL_THREADS = 1, 1


def available() -> bool:
    """Whether there is such a filter for this machine."""
    return sys.platform == "linux" and platform.machine() in _MACHINES


def confine() -> None:
    """Put this process under the filter, for good. Raises OSError where the kernel does not."""
    machine = _MACHINES[platform.machine()]
    program = b"".join(_program(machine))
    code = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    if libc.syscall(machine.seccomp, _SET_MODE_FILTER, _ALL_THREADS, head) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")


def _program(machine: _Machine) -> list[bytes]:
    fcntl = ALLOWED["fcntl"][machine.column] or 0
    numbers = (numbers[machine.column] for name, numbers in ALLOWED.items() if name != "fcntl")
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, machine.audit, 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER),
        _line(_GREATER, _FOREIGN, 0, 1),
        _line(_RETURN, _REFUSE),
    ]
    for number in numbers:
        if number is not None:
            lines += [_line(_EQUAL, number, 0, 1), _line(_RETURN, _ALLOW)]
    for number, argument in machine.opens:
        lines += [
            _line(_EQUAL, number, 0, 4),
            _line(_LOAD, _ARGUMENTS + 8 * argument),
            _line(_ANY_BIT, _WRITING, 0, 1),
            _line(_RETURN, _REFUSE),
            _line(_RETURN, _ALLOW),
        ]
    commands = [
        part
        for command in _FCNTL_COMMANDS
        for part in (_line(_EQUAL, command, 0, 1), _line(_RETURN, _ALLOW))
    ]
    lines += [
        _line(_EQUAL, fcntl, 0, len(commands) + 2),
        _line(_LOAD, _ARGUMENTS + 8 * _FCNTL_COMMAND_ARGUMENT),
        *commands,
        _line(_RETURN, _REFUSE),
    ]
    return [*lines, _line(_RETURN, _REFUSE)]


def _line(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
