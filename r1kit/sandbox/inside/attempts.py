"""Tries to get out of the jail in every way that a layer is to prevent, and tells which ways were open."""

from __future__ import annotations

import mmap
import os
import signal
import socket
from typing import Any

from r1kit.sandbox.inside.channels import Read, Write

READ_FILE = "reads files"
WRITE_FILE = "writes files"
CONNECT = "reaches the network"
LOCAL_SOCKET = "reaches local sockets"
SIGNAL = "signals other processes"
SEE_PROCESS = "sees other processes"
START_PROCESS = "starts processes"
USE_MEMORY = "takes more memory"


def serve(read: Read, write: Write) -> None:
    """Answer a request, whose fields are the arguments of `open_ways`, with `{"open": ways}`."""
    while (request := read()) is not None:
        write({"open": open_ways(**request)})


def open_ways(
    readable: str, writable: str, port: int, abstract: str, victim: int, num_bytes: int
) -> list[str]:
    """The ways that led out: to two files, a TCP port, an abstract socket, a process, and beyond a limit."""
    ways = {
        READ_FILE: lambda: os.close(os.open(readable, os.O_RDONLY)),
        WRITE_FILE: lambda: os.close(os.open(writable, os.O_WRONLY | os.O_CREAT, 0o600)),
        CONNECT: lambda: _connect(socket.AF_INET, ("127.0.0.1", port)),
        LOCAL_SOCKET: lambda: _connect(socket.AF_UNIX, f"\0{abstract}"),
        SEE_PROCESS: lambda: os.close(os.open(f"/proc/{victim}/cmdline", os.O_RDONLY)),
        SIGNAL: lambda: _terminate(victim),
        START_PROCESS: _fork,
        USE_MEMORY: lambda: mmap.mmap(-1, num_bytes).close(),
    }
    return [name for name, way in ways.items() if _is_open(way)]


def _is_open(way: Any) -> bool:
    try:
        way()
    except (OSError, MemoryError, ValueError):
        return False
    return True


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as channel:
        channel.settimeout(1.0)
        channel.connect(address)


def _terminate(victim: int) -> None:
    # In a PID namespace the number may be that of this process, or of its keeper.
    if victim in (1, os.getpid(), os.getppid()):
        raise ProcessLookupError(victim)
    os.kill(victim, signal.SIGTERM)


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
