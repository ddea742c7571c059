"""seccomp-BPF: an allow-list of system calls, which no later step of the process can widen. seccomp(2).

What is not on the list fails with EPERM; calls newer than this list with ENOSYS, so that the C library falls back on
older ones. No sockets, no new processes (threads only), no signals to others, no tracing, no mounts, no programs.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Iterator

from r1kit.sandbox.inside.kernel import PR_SET_SECCOMP, prctl
from r1kit.sandbox.inside.syscalls import ARCHITECTURES, CHANGING, HARMLESS, numbers

MODE_FILTER = 2
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
EPERM, ENOSYS = REFUSE | errno.EPERM, REFUSE | errno.ENOSYS
LOAD, AND, RETURN, IF_EQUAL, IF_GREATER, IF_AT_LEAST, IF_ANY_BIT = 0x20, 0x54, 0x06, 0x15, 0x25, 0x35, 0x45
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
# The numbers are the same on all machines from here on, and most calls of that age are not on the list.
FIRST_NEW_CALL = 424
# On x86-64 these belong to the x32 interface, whose numbers mean other calls.
X32_BIT = 0x40000000

CLONE_THREAD = 0x00010000
CLONE_NEW_NAMESPACE = 0x7E020080
AF_UNIX, SOCK_STREAM, SOCK_TYPE = 1, 1, 0xF
PR_SET_NAME, PR_GET_NAME, PR_SET_VMA = 15, 16, 0x53564D41
# isatty, the size of a window, close-on-exec, non-blocking, how much can be read. Not TIOCSTI, FIOSETOWN, FIOASYNC.
IOCTLS = (0x5401, 0x5413, 0x5450, 0x5451, 0x5421, 0x541B)
# Duplicates, flags, locks. Not F_SETOWN and F_SETSIG, which have the kernel send signals to anyone.
FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
# O_CREAT, O_TRUNC and the bit of O_TMPFILE: Landlock did not always see a file cut short.
OPEN_TO_CHANGE = 0x40 | 0x200 | 0x400000

Instruction = tuple[int, int, int, int]


def install(*, read_only: bool) -> None:
    """Restrict this process, which has one thread; with `read_only` no folder can be changed. Raises OSError."""
    packed = b"".join(
        struct.pack("=HBBI", *line) for line in program(os.uname().machine, os.getpid(), read_only)
    )
    code = ctypes.create_string_buffer(packed, len(packed))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(packed) // 8, ctypes.addressof(code)))
    prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.addressof(header))


def program(machine: str, own_pid: int, read_only: bool) -> list[Instruction]:
    """The filter for a process, as (code, jump if true, jump if false, value)."""
    table = numbers(machine)
    allowed = [table[name] for name in HARMLESS if name in table]
    if not read_only:
        allowed += [table[name] for name in (*CHANGING, "open", "openat") if name in table]
    return [
        *_only_on(machine),
        *_ranges(sorted(allowed)),
        *_conditions(table, own_pid),
        *(_opens_to_read(table) if read_only else ()),
        (IF_AT_LEAST, 0, 1, FIRST_NEW_CALL),
        (RETURN, 0, 0, ENOSYS),
        (RETURN, 0, 0, EPERM),
    ]


def _only_on(machine: str) -> Iterator[Instruction]:
    yield LOAD, 0, 0, ARCHITECTURE_AT
    yield IF_EQUAL, 1, 0, ARCHITECTURES[machine]
    yield RETURN, 0, 0, KILL
    yield LOAD, 0, 0, NUMBER_AT
    yield IF_AT_LEAST, 0, 1, X32_BIT
    yield RETURN, 0, 0, KILL


def _ranges(allowed: list[int]) -> Iterator[Instruction]:
    """Three lines for each run of numbers without a gap."""
    first = last = allowed[0]
    for number in [*allowed[1:], -1]:
        if number != last + 1:
            yield IF_AT_LEAST, 0, 2, first
            yield IF_GREATER, 1, 0, last
            yield RETURN, 0, 0, ALLOW
            first = number
        last = number


def _conditions(table: dict[str, int], own_pid: int) -> Iterator[Instruction]:
    yield from _when(table["clone3"], [(RETURN, 0, 0, ENOSYS)])
    yield from _when(table["clone"], _thread_only())
    yield from _when(table["kill"], _one_of(0, [own_pid]))
    yield from _when(table["tgkill"], _one_of(0, [own_pid]))
    yield from _when(table["prlimit64"], _one_of(0, [0, own_pid]))
    yield from _when(table["prctl"], _one_of(0, [PR_SET_NAME, PR_GET_NAME, PR_SET_VMA]))
    yield from _when(table["ioctl"], _one_of(1, IOCTLS))
    yield from _when(table["fcntl"], _one_of(1, FCNTLS))
    yield from _when(table["socketpair"], _pair_of_streams())


def _when(number: int, lines: list[Instruction]) -> list[Instruction]:
    # Each of these ends with a return, so that the number of the call is still loaded for those after it.
    return [(IF_EQUAL, 0, len(lines), number), *lines]


def _argument(index: int) -> Instruction:
    # All arguments looked at here are ints, of which the kernel takes the low half.
    return LOAD, 0, 0, ARGUMENTS_AT + 8 * index


def _one_of(index: int, values: Iterable[int]) -> list[Instruction]:
    tests = [line for value in values for line in ((IF_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [_argument(index), *tests, (RETURN, 0, 0, EPERM)]


def _thread_only() -> list[Instruction]:
    return [
        _argument(0),
        (IF_ANY_BIT, 2, 0, CLONE_NEW_NAMESPACE),
        (IF_ANY_BIT, 0, 1, CLONE_THREAD),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, EPERM),
    ]


def _pair_of_streams() -> list[Instruction]:
    """asyncio wakes itself through such a pair, which leads nowhere else."""
    return [
        _argument(0),
        (IF_EQUAL, 0, 4, AF_UNIX),
        _argument(1),
        (AND, 0, 0, SOCK_TYPE),
        (IF_EQUAL, 0, 1, SOCK_STREAM),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, EPERM),
    ]


def _opens_to_read(table: dict[str, int]) -> Iterator[Instruction]:
    for name, index in (("open", 1), ("openat", 2)):
        if name in table:
            refused = [_argument(index), (IF_ANY_BIT, 1, 0, OPEN_TO_CHANGE), (RETURN, 0, 0, ALLOW)]
            yield from _when(table[name], [*refused, (RETURN, 0, 0, EPERM)])
