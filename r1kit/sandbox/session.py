"""One conversation with a jailed interpreter."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from r1kit.sandbox.dialogue import Dialogue
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.outcome import Ending, Outcome
from r1kit.sandbox.process import Process
from r1kit.sandbox.registry import REGISTRY


class Session:
    """A jailed process and the life in it. Any threads may each have their own; `kill` and `close` are for all.

    A life is over when a question has no answer; then `renew` begins another one, as long as there is time.
    Raises OSError when no process can be started.
    """

    def __init__(self, jail: Jail, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.wall_seconds
        self._lock = threading.Lock()
        self._outcome: Outcome | None = None
        self._process = Process(jail, limits)
        self._dialogue = Dialogue(self._process, limits)
        REGISTRY.add(self)

    def ask(self, request: Mapping[str, Any], *, wall_seconds: float | None = None) -> dict[str, Any] | None:
        """The answer to a request, both JSON objects; None once the life is over, whatever is asked.

        A life ends at the question's or the session's deadline, at a limit, with its process, and when what it
        answers is no JSON object on one line, or comes unasked.
        """
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            if self._outcome is not None or self._dialogue.over is not None:
                return None
            until, late = self._until(wall_seconds)
            return self._parse(self._dialogue.exchange(line, until, late))

    def renew(self) -> Outcome | None:
        """End the life and begin another, which finds nothing of it: how it ended, or None when time is up."""
        with self._lock:
            if self._outcome is not None or self._dialogue.is_lost or time.monotonic() >= self._deadline:
                return None
            return self._dialogue.renew()

    def kill(self) -> None:
        """Have everything ended, and do not wait for it; a question that is being asked is answered by None."""
        self._dialogue.is_dismissed = True
        self._process.dismiss()

    def close(self) -> Outcome:
        """End everything and leave nothing; how the last life ended."""
        if not self._lock.acquire(blocking=False):
            # Another thread is asking; it gets None now.
            self.kill()
            self._lock.acquire()
        try:
            if self._outcome is None:
                self._outcome = self._finish()
            return self._outcome
        finally:
            self._lock.release()

    def _finish(self) -> Outcome:
        try:
            return self._dialogue.finish()
        finally:
            REGISTRY.discard(self)
            self._process.close()

    def forget(self) -> None:
        """Let go of a session of the process that this one was forked from."""
        # A thread that does not exist here may have held the lock.
        self._lock = threading.Lock()
        self._outcome = Outcome(Ending.KILLED, detail="it belongs to another process")
        self._process.forget()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _until(self, wall_seconds: float | None) -> tuple[float, str]:
        until = time.monotonic() + wall_seconds if wall_seconds is not None else self._deadline
        if wall_seconds is None or until > self._deadline:
            return self._deadline, f"the session took more than {self._limits.wall_seconds:g} s"
        return until, f"took more than {wall_seconds:g} s"

    def _parse(self, line: bytes | None) -> dict[str, Any] | None:
        if line is None:
            return None
        try:
            reply = json.loads(line.decode())
        except (ValueError, RecursionError):
            reply = None
        if isinstance(reply, dict):
            return reply
        self._dialogue.stop(Ending.KILLED, "its answer is no JSON object")
        return None
