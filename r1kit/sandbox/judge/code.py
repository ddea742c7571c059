"""The code under test in its jail: asked question by question, and begun again when a question ended it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Protocol, Self

from r1kit.sandbox.inside.values import decode
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.outcome import Ending, Outcome
from r1kit.sandbox.session import Session

# Less than this is not enough to start an interpreter.
LEAST_SECONDS: Final = 0.05
MODULE: Final = "solution"


class Starter(Protocol):
    """What starts sessions: a `Sandbox`, or something that keeps an eye on one."""

    def start(self, limits: Limits = ...) -> Session:
        """A new session."""


class EndedError(Exception):
    """A question has no answer: how it ended, and a few words."""

    def __init__(self, result: Result, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


class Code:
    """One completion in its jail, for `limits.wall_seconds` in all, from the first question on.

    What ends a question (a limit, a crash) ends the process too; the next question gets a new one. What ends it
    already while the source is loaded ends all questions, without another try.
    """

    def __init__(self, sandbox: Starter, source: str, limits: Limits) -> None:
        self._sandbox = sandbox
        self._source = source
        self._limits = limits
        self._deadline = time.monotonic() + limits.wall_seconds
        self._session: Session | None = None
        self._is_fresh = True
        self._is_loaded = False
        self._load_error: EndedError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.close()

    def load(self, seconds: float) -> None:
        """Loads the source as a module, unless that is done.

        Raises:
            EndedError: it cannot be loaded.
        """
        if self._load_error is not None:
            raise self._load_error
        if self._is_loaded:
            return
        try:
            _refuse_raised(self._ask({"source": self._source, "name": MODULE}, seconds))
        except EndedError as error:
            self._load_error = error
            raise
        self._is_loaded = True

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The reply to a question about the loaded module; a reply "raised" is an error, too.

        Raises:
            EndedError: there is none.
        """
        self.load(seconds)
        return _refuse_raised(self._ask(request, seconds))

    def run(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """The reply when the source is run as a program, in a process that has done nothing so far; it may have "raised".

        Raises:
            EndedError: there is none.
        """
        if self._session is not None and not self._is_fresh:
            self._begin_anew(self._session)
        return self._ask({**request, "script": self._source}, seconds)

    def value(self, request: Mapping[str, Any], seconds: float) -> Any:
        """The decoded value of the reply to a question.

        Raises:
            EndedError: there is none.
        """
        reply = self.ask(request, seconds)
        try:
            return decode(reply["value"])
        except (KeyError, ValueError) as error:
            raise EndedError(Result.KILLED, "its reply is no value: it broke the protocol") from error

    def time_left(self) -> float:
        """Seconds, which may be negative."""
        return self._deadline - time.monotonic()

    def _ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        left = self.time_left()
        if left < LEAST_SECONDS:
            raise EndedError(Result.TIMED_OUT, "no time was left")
        if self._session is None:
            self._session = self._sandbox.start(replace(self._limits, wall_seconds=left))
        self._is_fresh = False
        reply = self._session.ask(request, wall_seconds=min(seconds, left))
        if reply is None:
            raise ended(self._begin_anew(self._session))
        return reply

    def _begin_anew(self, session: Session) -> Outcome:
        """How the process ended; the next question goes to another one."""
        self._is_loaded, self._is_fresh = False, True
        outcome = session.renew()
        if outcome is None:
            self._session = None
            return session.close()
        return outcome


_RESULTS: Final = {
    Ending.EXITED: Result.ERROR,
    Ending.TIMED_OUT: Result.TIMED_OUT,
    Ending.OUT_OF_MEMORY: Result.OUT_OF_MEMORY,
    Ending.OUTPUT_LIMIT: Result.OUTPUT_LIMIT,
    Ending.KILLED: Result.KILLED,
    Ending.SANDBOX_ERROR: Result.SANDBOX_ERROR,
}


def ended(outcome: Outcome) -> EndedError:
    """What to say of a process that ended without an answer."""
    detail = outcome.detail or str(outcome.ending).replace("_", " ")
    if outcome.ending is Ending.EXITED:
        detail = f"it ended by itself, with exit code {outcome.exit_code}"
    return EndedError(_RESULTS[outcome.ending], detail)


class RaisedError(EndedError):
    """The code raised an exception, of which the type's name and the message are kept."""

    def __init__(self, name: str, message: str) -> None:
        result = Result.OUT_OF_MEMORY if name == "MemoryError" else Result.ERROR
        super().__init__(result, f"{name}: {message}" if message else name)
        self.name = name
        self.message = message


def raised(reply: Mapping[str, Any]) -> RaisedError:
    """The exception that a reply with "raised" tells of."""
    try:
        message = decode(reply.get("message"))
    except ValueError:
        message = ""
    return RaisedError(str(reply["raised"])[:100], message[:300] if isinstance(message, str) else "")


def _refuse_raised(reply: dict[str, Any]) -> dict[str, Any]:
    if "raised" in reply:
        raise raised(reply)
    return reply
