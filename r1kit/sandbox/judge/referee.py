"""A benchmark's own test source in a second jail: it asks for calls, and they are made in the jail of the code.

So the code sees neither the source nor what is expected, and the source sees nothing of the code but plain values.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.values import decode, has_opaque
from r1kit.sandbox.judge.code import LEAST_SECONDS, Code, EndedError, RaisedError, Starter, ended, raised
from r1kit.sandbox.judge.prepare import JudgedTest
from r1kit.sandbox.judge.results import Result, TestResult
from r1kit.sandbox.limits import Limits

_KEPT: Final = ("value", "args", "kwargs")


def run_judged(sandbox: Starter, code: Code, test: JudgedTest, limits: Limits, seconds: float) -> TestResult:
    """PASSED when the source went through to its end, and called the code at least once.

    Raises:
        EndedError: the code ended in a call, or the jail of the source did not work.
    """
    code.load(seconds)
    referee = _Referee(code, min(seconds, code.time_left()))
    return referee.run(sandbox, test, limits)


class _Referee:
    """The parent between the two jails, for one test of at most `seconds`."""

    def __init__(self, code: Code, seconds: float) -> None:
        self._code = code
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._num_calls = 0
        self._raised: RaisedError | None = None

    def run(self, sandbox: Starter, test: JudgedTest, limits: Limits) -> TestResult:
        message: dict[str, Any] = {"judge": test.source, "setup": test.setup, "names": dict(test.names)}
        with sandbox.start(replace(limits, wall_seconds=max(self._seconds, LEAST_SECONDS))) as session:
            while True:
                reply = session.ask(message, wall_seconds=self._left())
                if reply is None:
                    error = ended(session.close())
                    blamed = error.result if error.result in _OURS else Result.FAILED
                    raise EndedError(blamed, f"the test's own code did not come to its end: {error.detail}")
                if "call" not in reply:
                    return self._conclude(reply)
                message = self._call(reply)

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise EndedError(Result.TIMED_OUT, f"took more than {self._seconds:.1f} s")
        return left

    def _call(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What to tell the source of the call that it wants."""
        self._num_calls += 1
        if has_opaque(decode([wanted["args"], wanted["kwargs"]])):
            raise EndedError(Result.FAILED, "the test calls the code with what is no plain data")
        request = {"call": wanted["call"], "args": wanted["args"], "kwargs": wanted["kwargs"], "keep": True}
        try:
            reply = self._code.ask(request, self._left())
        except RaisedError as error:
            self._raised = error
            return {"raised": error.name, "message": encode(error.message)}
        _check(reply)
        return {name: reply[name] for name in _KEPT}

    def _conclude(self, reply: Mapping[str, Any]) -> TestResult:
        if self._num_calls == 0:
            return TestResult(Result.FAILED, "the test never called the code")
        if "raised" not in reply:
            return TestResult(Result.PASSED, ran=True)
        if self._raised is not None:
            raise self._raised
        return TestResult(Result.FAILED, f"in the test: {raised(reply).detail}", ran=True)


def _check(reply: Mapping[str, Any]) -> None:
    """Raises EndedError for a reply that the source must not see: an object passes for unequal, and for true."""
    try:
        kept = decode([reply[name] for name in _KEPT])
    except (KeyError, ValueError) as error:
        raise EndedError(Result.KILLED, "its reply is no value: it broke the protocol") from error
    if not isinstance(kept[1], list) or not isinstance(kept[2], dict):
        raise EndedError(Result.KILLED, "its reply has no arguments: it broke the protocol")
    if has_opaque(kept):
        raise EndedError(Result.FAILED, "it gave what is no plain data, or put it into its arguments")


_OURS: Final = {Result.SANDBOX_ERROR, Result.TIMED_OUT}
