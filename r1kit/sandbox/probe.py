"""Finds out what holds on this machine: each layer is put on alone, and an escape that it should stop is tried."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from r1kit.core.errors import SandboxError
from r1kit.sandbox import bubblewrap
from r1kit.sandbox.inside.attempts import (
    CONNECT,
    LOCAL_SOCKET,
    READ_FILE,
    SEE_PROCESS,
    SIGNAL,
    START_PROCESS,
    USE_MEMORY,
    WRITE_FILE,
)
from r1kit.sandbox.interpreter import Interpreter, this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, LIMITS, NAMESPACES, SECCOMP, Layer, Layers
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.session import Session

PROBE_LIMITS: Final = Limits(wall_seconds=30.0, memory_bytes=64 * 2**20)

OUTSIDE: Final = frozenset((READ_FILE, WRITE_FILE, CONNECT, LOCAL_SOCKET, SIGNAL, SEE_PROCESS))
# What each layer has to stop by itself.
STOPS: Final = {
    NAMESPACES: OUTSIDE,
    BUBBLEWRAP: OUTSIDE,
    LANDLOCK: frozenset((READ_FILE, WRITE_FILE)),
    SECCOMP: frozenset((CONNECT, LOCAL_SOCKET, SIGNAL, START_PROCESS)),
    LIMITS: frozenset((USE_MEMORY,)),
}
# What all that hold have to stop together.
STOPPED_IN_THE_END: Final = OUTSIDE | {USE_MEMORY}

WHAT_THEY_DO: Final = {
    NAMESPACES: "no host files, processes or network",
    BUBBLEWRAP: "no host files, processes or network, by bwrap",
    LANDLOCK: "reads Python, writes the work folder, nothing else",
    SECCOMP: "no sockets, new processes or signals to others",
    LIMITS: "processor, memory, file size, open files, threads",
}


@dataclass(frozen=True, slots=True)
class Bait:
    """What an escape would reach, as `inside.attempts.open_ways` wants it."""

    readable: str
    writable: str
    port: int
    abstract: str
    victim: int
    num_bytes: int = 2 * PROBE_LIMITS.memory_bytes

    def as_request(self) -> dict[str, Any]:
        """The request to try all of it."""
        return {name: getattr(self, name) for name in self.__slots__}


def probe() -> Layers:
    """What holds here. Raises SandboxError off Linux, and when the interpreter does not start by itself."""
    interpreter = this_interpreter()
    found: dict[str, Layer] = {}
    with bait() as lure:
        for name in (NAMESPACES, LANDLOCK, SECCOMP, LIMITS):
            found[name] = try_layer(interpreter, name, lure)
        # Ours start faster, and give a work folder whose size and number of files are bounded.
        wanted = not found[NAMESPACES].holds
        found[BUBBLEWRAP] = try_bubblewrap(interpreter, lure) if wanted else _not_needed(BUBBLEWRAP)
        layers = Layers(tuple(found[name] for name in STOPS))
        return _tried_together(interpreter, layers, lure)


def try_layer(interpreter: Interpreter, name: str, lure: Bait) -> Layer:
    """Whether a layer alone stops what it has to."""
    open_ways = ways_out(Jail(interpreter, frozenset((name,)), serve="attempts"), lure)
    if isinstance(open_ways, str):
        return Layer(name, holds=False, detail=open_ways)
    if leaks := sorted(open_ways & STOPS[name]):
        return Layer(name, holds=False, detail=f"a program in it {', '.join(leaks)}")
    return Layer(name, holds=True, detail=WHAT_THEY_DO[name])


def try_bubblewrap(interpreter: Interpreter, lure: Bait) -> Layer:
    """Whether bubblewrap is there and holds."""
    if bubblewrap.find() is None:
        why = "is not for root" if os.getuid() == 0 else "is not installed"
        return Layer(BUBBLEWRAP, holds=False, detail=why)
    return try_layer(interpreter, BUBBLEWRAP, lure)


def ways_out(jail: Jail, lure: Bait) -> frozenset[str] | str:
    """The escapes that succeed in a jail, or why it cannot be entered."""
    try:
        with Session(jail, PROBE_LIMITS) as session:
            reply = session.ask(lure.as_request())
            return session.close().detail if reply is None else frozenset(reply["open"])
    except OSError as error:
        return str(error)


@contextlib.contextmanager
def bait() -> Iterator[Bait]:
    """Files, listening sockets and a process of our own; whether they can be reached is seen without a jail too."""
    with tempfile.TemporaryDirectory(prefix="r1kit-") as folder, contextlib.ExitStack() as stack:
        # Anyone may read and write here: it is the jail that has to keep them out, not the owner.
        Path(folder).chmod(0o777)
        canary = Path(folder, "canary")
        canary.write_text("a secret")
        canary.chmod(0o666)
        abstract = f"r1kit-{secrets.token_hex(8)}"
        network = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        local = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        local.bind(f"\0{abstract}")
        local.listen()
        victim = stack.enter_context(_victim())
        yield Bait(str(canary), str(Path(folder, "written")), network.getsockname()[1], abstract, victim)


@contextlib.contextmanager
def _victim() -> Iterator[int]:
    """A process that waits for the end of its input, or for a signal."""
    wait = "import sys; sys.stdin.read()"
    command = [str(Path(sys.executable).resolve()), "-I", "-S", "-c", wait]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def _not_needed(name: str) -> Layer:
    return Layer(name, holds=False, detail="not tried: our own namespaces hold")


def _tried_together(interpreter: Interpreter, layers: Layers, lure: Bait) -> Layers:
    """The layers, if together they stop everything; else none of them counts."""
    if not layers.is_sufficient:
        return layers
    open_ways = ways_out(Jail(interpreter, layers.names, serve="attempts"), lure)
    if isinstance(open_ways, str):
        raise SandboxError(f"the sandbox cannot be entered with all its layers: {open_ways}")
    if leaks := sorted(open_ways & STOPPED_IN_THE_END):
        raise SandboxError(f"a program in the sandbox {', '.join(leaks)}; {WAY_OUT}")
    return layers


WAY_OUT: Final = (
    "install bubblewrap (apt install bubblewrap) or allow user namespaces (sysctl user.max_user_namespaces); "
    "or run untrusted code with no more than resource limits: --sandbox.unsafe"
)
