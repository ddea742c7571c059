"""The parent's side of a jailed process: all it writes is read at once, with a deadline and within its limits."""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable
from typing import Final

from r1kit.sandbox.inside.life import NO_MEMORY
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.outcome import Ending, Exit, Outcome
from r1kit.sandbox.process import Process

PART_BYTES: Final = 1 << 16
# More than a pipe can hold.
MOST_PARTS: Final = 64
# How long the keeper may take to end a life and begin another.
KEEPER_SECONDS: Final = 5.0


class Dialogue:
    """Lines to a life and back. `over` says how the life ended; `is_lost` that there cannot be another one."""

    def __init__(self, process: Process, limits: Limits) -> None:
        self.is_lost = False
        self.is_dismissed = False
        self._process = process
        self._limits = limits
        self._told = bytearray()
        self._failure = ""
        self._num_begun = 0
        self._num_ready = 0
        self._begin()

    def _begin(self) -> None:
        self.over: tuple[Ending, str] | None = None
        self._exit: Exit | None = None
        self._num_begun += 1
        self._stdout, self._stderr, self._reply = bytearray(), bytearray(), bytearray()
        self._started, self._ended = time.monotonic(), 0.0

    def exchange(self, line: bytes, until: float, late: str) -> bytes | None:
        """The line that answers one, or None, whereupon `over` is set; `late` says so when the deadline is missed."""
        if self._reply:
            self.stop(Ending.KILLED, "it answered before it was asked")
        rest = memoryview(line)
        while self.over is None and b"\n" not in self._reply:
            rest = self._turn(rest, until)
            self._see_whether_it_is_over(until, late)
        if self.over is not None:
            return None
        reply, _, more = bytes(self._reply).partition(b"\n")
        self._reply[:] = more
        return reply

    def renew(self) -> Outcome | None:
        """End this life and begin another; how the former ended, or None when that failed."""
        self._end_quietly("ended for another one")
        self._process.say(b"a")
        self._turn_until(lambda: self._num_ready > self._num_begun)
        self._drain()
        outcome = self.outcome()
        if self._num_ready <= self._num_begun:
            self.is_lost = True
            self.over = self._why_lost()
            return None
        self._begin()
        return outcome

    def finish(self) -> Outcome:
        """End this life, and say how it ended."""
        self._end_quietly("closed")
        self._turn_until(lambda: self._exit is not None)
        self._drain()
        return self.outcome()

    def outcome(self) -> Outcome:
        """How the life ended, which has to be over."""
        ending, detail = self.over or (Ending.SANDBOX_ERROR, "it has not ended")
        # One that we ended without a reason of its own has died of nothing that its code did.
        told = None if ending is Ending.EXITED and detail else self._exit
        code, number = (told.exit_code, told.signal) if told else (None, None)
        out, err = bytes(self._stdout), bytes(self._stderr)
        return Outcome(ending, code, number, out, err, self._ended - self._started, detail)

    def stop(self, ending: Ending, detail: str) -> None:
        """Have the life killed for a reason; the first one stands."""
        if self.over is None:
            self.over = ending, detail
            self._ended = time.monotonic()
            self._process.say(b"k")

    def _end_quietly(self, detail: str) -> None:
        if self.over is None:
            now = time.monotonic()
            self._turn(memoryview(b""), now)
            self._see_whether_it_is_over(now + 1, "")
        self.stop(Ending.EXITED, detail)

    def _turn_until(self, is_done: Callable[[], bool]) -> None:
        until = time.monotonic() + KEEPER_SECONDS
        while not is_done() and not self.is_lost and time.monotonic() < until:
            self._turn(memoryview(b""), until)

    def _see_whether_it_is_over(self, until: float, late: str) -> None:
        """Set `over` where there is a reason; a reply that is complete goes before all but broken limits."""
        if b"\n" in self._reply:
            return
        if self._exit is not None:
            self.stop(*self._exit.ending(self._limits.cpu_seconds, NO_MEMORY))
        elif time.monotonic() >= until:
            self.stop(Ending.TIMED_OUT, late)
        elif self.is_lost:
            self.stop(*self._why_lost())

    def _why_lost(self) -> tuple[Ending, str]:
        if self.is_dismissed:
            return Ending.KILLED, "the session was closed while it ran"
        return Ending.SANDBOX_ERROR, self._failure or f"the jail has ended too early{self._last_words()}"

    def _last_words(self) -> str:
        """What the process said that was to become a jail; later it is the code that speaks."""
        if self._num_ready:
            return ""
        lines = self._stderr.decode(errors="replace").split("\n")
        words = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return f": {words[:300]}"

    def _turn(self, rest: memoryview, until: float) -> memoryview:
        """Wait until something happens or it is late, and see to it; what is left to write comes back."""
        process, ready = self._process, self._poll(until, wants_to_write=bool(rest))
        if process.request in ready:
            rest = rest[_write(process.request, rest) :]
        if process.control.fileno() in ready or process.pidfd in ready:
            self._listen(has_ended=process.pidfd in ready)
        if self._exit is not None:
            self._drain()
        else:
            self._read_outputs()
        return rest

    def _poll(self, until: float, *, wants_to_write: bool) -> set[int]:
        process = self._process
        poll = select.poll()
        for channel in (
            process.reply,
            process.stdout,
            process.stderr,
            process.control.fileno(),
            process.pidfd,
        ):
            poll.register(channel, select.POLLIN)
        if wants_to_write:
            poll.register(process.request, select.POLLOUT)
        # Rounded up, not to wake up before the deadline again and again.
        milliseconds = math.ceil(1000 * max(0.0, until - time.monotonic()))
        return {channel for channel, _ in poll.poll(milliseconds)}

    def _listen(self, *, has_ended: bool) -> None:
        """Hear the keeper, and note that it is gone."""
        self._told += (said := _read(self._process.control.fileno()) or b"")
        *lines, rest = self._told.split(b"\n")
        self._told = rest
        for line in lines:
            self._note(line.decode(errors="replace"))
        if has_ended or not said:
            self.is_lost = True

    def _note(self, line: str) -> None:
        word, _, text = line.partition(" ")
        if word == "ready":
            self._num_ready = int(text)
        elif word == "ended":
            status, milliseconds = text.split()
            self._exit = Exit(int(status), int(milliseconds) / 1000)
        else:
            self._failure = f"the jail could not be entered: {text}"
            self.is_lost = True

    def _drain(self) -> None:
        """Read all that is left of a life that has ended."""
        for _ in range(MOST_PARTS):
            if not self._read_outputs():
                return

    def _read_outputs(self) -> bool:
        """Read what is there; whether there was anything, which is kept up to the limit."""
        reply = _read(self._process.reply)
        out, err = _read(self._process.stdout), _read(self._process.stderr)
        most = self._limits.output_bytes
        self._reply += reply or b""
        if self._reply.find(b"\n") > most or (len(self._reply) > most and b"\n" not in self._reply):
            self._reply.clear()
            self.stop(Ending.OUTPUT_LIMIT, f"its answer is longer than {most} bytes")
        for kept, read in ((self._stdout, out or b""), (self._stderr, err or b"")):
            room = most - len(self._stdout) - len(self._stderr)
            kept.extend(read[:room])
            if len(read) > room:
                self.stop(Ending.OUTPUT_LIMIT, f"it wrote more than {most} bytes")
        return bool(reply or out or err)


def _read(channel: int) -> bytes | None:
    """What is there, nothing at the end, or None when there is nothing yet."""
    try:
        return os.read(channel, PART_BYTES)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def _write(channel: int, rest: memoryview) -> int:
    try:
        return os.write(channel, rest)
    except (BlockingIOError, BrokenPipeError):
        return 0
