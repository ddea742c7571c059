"""The descriptors of a life: 0, 1, 2 as ever, two scratch files, and the lines to and from the parent."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

# The parent imports this too, and on Windows has to live to say that there is no sandbox.
if sys.platform != "win32":
    from fcntl import F_DUPFD, F_SETFL, fcntl

Read = Callable[[], dict[str, Any] | None]
Write = Callable[[Mapping[str, Any]], None]

# Empty files that have no name, for a program's input and output: they are there even where no folder may be changed.
SCRATCH = (3, 4)
REQUEST, REPLY = 5, 6
# The keeper's; no life has it.
CONTROL = 7
OUT_OF_THE_WAY = 10


def settle(request: int, reply: int, control: int) -> None:
    """Give the channels their numbers, keep those of the scratch files free, and close all others."""
    moved = [fcntl(channel, F_DUPFD, OUT_OF_THE_WAY) for channel in (request, reply, control)]
    # What is set on a descriptor holds for all its copies: this one is no other jail's.
    empty = os.open("/dev/null", os.O_RDONLY)
    for source, number in zip(
        [empty, empty, empty, *moved], [0, *SCRATCH, REQUEST, REPLY, CONTROL], strict=True
    ):
        os.dup2(source, number)
    os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))


def open_scratch(folder: str) -> None:
    """Put two new files in the place of those of another life. Raises OSError."""
    for number in SCRATCH:
        path = f"{folder}/.{number}"
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(path)
        os.dup2(opened, number)
        os.close(opened)


def reset() -> None:
    """Undo what a life may have set on the pipes it shares with the next one, and forget what it has not read."""
    for channel in (REQUEST, REPLY, 0, 1, 2):
        fcntl(channel, F_SETFL, 0)
    os.set_blocking(REQUEST, False)
    try:
        while os.read(REQUEST, 1 << 16):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(REQUEST, True)


def reader(fd: int) -> Read:
    """Reads a request; None when there are no more."""
    buffer = bytearray()

    def read() -> dict[str, Any] | None:
        while b"\n" not in buffer:
            part = os.read(fd, 1 << 16)
            if not part:
                return None
            buffer.extend(part)
        line, _, rest = bytes(buffer).partition(b"\n")
        buffer[:] = rest
        request: dict[str, Any] = json.loads(line)
        return request

    return read


def writer(fd: int) -> Write:
    """Writes a reply."""

    def write(reply: Mapping[str, Any]) -> None:
        line = memoryview(json.dumps(reply).encode() + b"\n")
        while line:
            line = line[os.write(fd, line) :]

    return write
