"""System calls that Python has no function for, by ctypes. A failing call raises OSError with its name."""

from __future__ import annotations

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

NUM_CAPABILITIES = 64
CAPABILITY_VERSION_3 = 0x20080522

# The same on all machines whose tables `syscalls` knows, but for the first two.
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPSET = {"x86_64": 126, "aarch64": 91}

Argument = int | bytes | None | ctypes.Array[ctypes.c_char]


def call(name: str, *arguments: Argument) -> int:
    """The result of a function of the C library. Raises OSError when it is -1."""
    return _checked(name, getattr(LIBC, name)(*map(_wide, arguments)))


def syscall(name: str, number: int, *arguments: Argument) -> int:
    """The result of a system call by its number. Raises OSError when it is -1."""
    return _checked(name, LIBC.syscall(ctypes.c_long(number), *map(_wide, arguments)))


def _wide(argument: Argument) -> object:
    # Where the arguments vary in number a plain int would be passed as 32 bits, with rubbish above them.
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


def _checked(name: str, result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def prctl(option: int, argument: int = 0, second: int = 0) -> None:
    """Set a property of this process. Raises OSError."""
    call("prctl", option, argument, second, 0, 0)


def forbid_new_privileges() -> None:
    """No program started from here gains rights by its set-user-id bit or file capabilities."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def empty_bounding_set() -> None:
    """No program started from here can be given a capability. Nothing for those who have no right to do this."""
    for capability in range(NUM_CAPABILITIES):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:
            # EINVAL: there are no more; EPERM: an ordinary user, who has none to drop.
            return


def drop_capabilities() -> None:
    """Give up every capability for good: those held, and those that could be inherited. Raises OSError."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    number = CAPSET[os.uname().machine]
    syscall("capset", number, ctypes.addressof(header), ctypes.addressof(nothing))
