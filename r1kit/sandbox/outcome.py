"""How a program in the sandbox ended."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """Why a life is over.

    EXITED: by itself, with an exit code, or closed by the caller while it waited for the next request.
    TIMED_OUT: out of wall or processor time. OUT_OF_MEMORY: it died for want of memory; a MemoryError that the
    program catches is none. OUTPUT_LIMIT: it wrote more than it may. KILLED: it died of another signal, or it
    broke the protocol. SANDBOX_ERROR: the jail's fault, not the program's; nothing can be said about the program.
    """

    EXITED = "exited"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"
    SANDBOX_ERROR = "sandbox_error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a life ended, what it wrote (cut at the limit), and how many seconds it took by the clock."""

    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """What the keeper told: a status as wait(2) gives it, and the processor time."""

    status: int
    cpu_seconds: float

    @property
    def exit_code(self) -> int | None:
        """The code, when it was no signal."""
        return None if self.signal else self.status >> 8

    @property
    def signal(self) -> int | None:
        """The number of the signal that ended it, if one did."""
        return self.status & 0x7F or None

    def ending(self, cpu_limit: float, no_memory: int) -> tuple[Ending, str]:
        """The ending of a life that the parent did not end, in words too."""
        if self.signal is None:
            is_out = self.exit_code == no_memory
            return (Ending.OUT_OF_MEMORY, "out of memory") if is_out else (Ending.EXITED, "")
        if self.signal == signal.SIGXCPU or (self.signal == signal.SIGKILL and self.cpu_seconds >= cpu_limit):
            return Ending.TIMED_OUT, f"took more than {cpu_limit:g} s of processor time"
        return Ending.KILLED, f"died of {_signal_name(self.signal)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
