"""Programs that attack the jail or the judge, each with what has to become of it.

A program that is to be refused tries ways out by `refused(...)`, which raises Escaped when one of them is open; nothing
in a way is harmful where it is: signals go to a process that is there for this, bombs are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from r1kit.sandbox import Ending, Limits

# What a program gives as a reply when all its ways were closed.
CONTAINED = "contained"


@dataclass(frozen=True)
class Attack:
    """A program, how it has to end, and whether anyone could do it without a jail, without harm.

    ends: CONTAINED when the program goes through; the name of an exception that it has to raise; or how its life has
    to end. Several are allowed where it is a matter of chance, or of the version of Python.
    """

    name: str
    source: str
    ends: tuple[Ending | str, ...] = (CONTAINED,)
    is_real: bool = False
    limits: Limits = field(default_factory=lambda: Limits(wall_seconds=10.0))
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bait:
    """What the programs would like to reach: written at the top of each of them."""

    folder: str
    secret_file: str
    secret: str
    writable: str
    port: int
    port6: int
    datagram_port: int
    abstract: str
    socket_path: str
    victim: int
    parent: int
    mark: str
    has_filter: bool = True

    def lines(self) -> str:
        """Assignments to names in capitals; the secret itself is not among them."""
        names: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "secret"}
        return "".join(f"{name.upper()} = {value!r}\n" for name, value in names.items())


PRELUDE = '''
import ctypes, errno, os, signal, socket, struct, sys, time
class Escaped(Exception): pass
CLOSED = (OSError, MemoryError, ImportError, RuntimeError)
def refused(*ways, why=()):
    """Raises Escaped unless every way is closed, for one of the reasons when some are given."""
    open_ways = []
    for number, way in enumerate(ways):
        try:
            open_ways.append((number, way()))
        except CLOSED as error:
            if why and HAS_FILTER and getattr(error, "errno", None) not in why:
                open_ways.append((number, error))
    if open_ways: raise Escaped(open_ways)
LIBC = ctypes.CDLL(None, use_errno=True)
def c(name, *arguments):
    """A function of the C library; raises OSError when it gives -1."""
    return checked(getattr(LIBC, name)(*map(wide, arguments)))
def call(number, *arguments):
    """A system call by its number."""
    return checked(LIBC.syscall(ctypes.c_long(number), *map(wide, arguments)))
def wide(argument):
    return ctypes.c_long(argument) if isinstance(argument, int) else argument
def checked(result):
    if result == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
IS_X86 = os.uname().machine == "x86_64"
def number(x86, arm): return x86 if IS_X86 else arm
def read(path):
    with open(path, "rb", 0) as file: return file.read(100)
def write(path):
    with open(path, "wb", 0) as file: return file.write(MARK.encode())
def reach(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as line:
        line.settimeout(1)
        line.connect(address)
        return line.send(b"x")
'''


def whole(attack: Attack, bait: Bait) -> str:
    """The program with all it needs."""
    return bait.lines() + PRELUDE + attack.source
