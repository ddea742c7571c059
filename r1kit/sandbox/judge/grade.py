"""A completion against the tests of its problem."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from typing import Any, Final

from r1kit.core.errors import SandboxError
from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.values import decode
from r1kit.sandbox.judge.code import Code, EndedError, Starter, raised
from r1kit.sandbox.judge.compare import Comparison, is_as_expected
from r1kit.sandbox.judge.output import is_same_output
from r1kit.sandbox.judge.prepare import InsideTest, Prepared, Test, prepare
from r1kit.sandbox.judge.referee import run_judged
from r1kit.sandbox.judge.results import Judgement, Result, TestResult, sum_up
from r1kit.sandbox.judge.tests import FunctionTest, StdioTest, Tests
from r1kit.sandbox.limits import Limits

# By the clock: room for a solution of some seconds on a machine that is busy with other jails.
TEST_SECONDS: Final = 10.0
LIMITS: Final = Limits(wall_seconds=20.0)
# The output crosses in a reply, in which it takes a third more room.
SHARE_OF_REPLY: Final = 0.5


def judge(
    sandbox: Starter,
    source: str,
    tests: Tests,
    limits: Limits = LIMITS,
    *,
    test_seconds: float = TEST_SECONDS,
    stop_at_timeout: bool = False,
) -> Judgement:
    """What becomes of `source` under the tests of its problem.

    All tests run in one jailed process, until one of them ends it; the next test then gets a new one. Each may take
    `test_seconds`, all together `limits.wall_seconds`; the tests that this leaves no time for are TIMED_OUT. With
    `stop_at_timeout` so are all tests after one that took too long: a loop in one is often a loop in each.

    Raises:
        ValueError: the tests themselves are not Python.
    """
    try:
        prepared = prepare(sandbox, tests)
        limits = _with_room(limits, prepared)
        with Code(sandbox, source, limits) as code:
            return _Judge(sandbox, code, limits, test_seconds).judge(prepared, stop_at_timeout)
    except (SandboxError, OSError) as error:
        # Whatever is lacking, the code did not cause it.
        return sum_up((TestResult(Result.SANDBOX_ERROR, str(error)),))


def _with_room(limits: Limits, prepared: Prepared) -> Limits:
    """Room in a reply for the longest output that is expected, and for as much again that is not."""
    longest = max((len(test.stdout) for test in prepared.tests if isinstance(test, StdioTest)), default=0)
    return replace(limits, output_bytes=max(limits.output_bytes, round(2 * longest / SHARE_OF_REPLY)))


class _Judge:
    """Runs the tests of one completion, one after the other."""

    def __init__(self, sandbox: Starter, code: Code, limits: Limits, seconds: float) -> None:
        self._sandbox = sandbox
        self._code = code
        self._limits = limits
        self._seconds = seconds

    def judge(self, prepared: Prepared, stop_at_timeout: bool) -> Judgement:
        results: list[TestResult] = []
        for test in prepared.tests:
            results.append(self._result(test))
            if results[-1].result is Result.SANDBOX_ERROR:
                break
            if stop_at_timeout and results[-1].result is Result.TIMED_OUT:
                left = len(prepared.tests) - len(results)
                results += [TestResult(Result.TIMED_OUT, "not run: a test before it took too long")] * left
                break
        # The code need not be tested to be found to run.
        loads = bool(results) or self._loads()
        return sum_up(tuple(results), prepared.num_weak, loads=loads)

    def _result(self, test: Test) -> TestResult:
        try:
            match test:
                case FunctionTest():
                    return self._call(test)
                case StdioTest():
                    return self._run(test)
                case InsideTest():
                    return self._evaluate(test)
                case _:
                    return run_judged(self._sandbox, self._code, test, self._limits, self._seconds)
        except EndedError as error:
            return TestResult(error.result, error.detail)

    def _loads(self) -> bool:
        try:
            self._code.load(self._seconds)
        except EndedError:
            return False
        return True

    def _call(self, test: FunctionTest) -> TestResult:
        request: dict[str, Any] = {"call": test.call, "args": encode(list(test.args))}
        request |= {"kwargs": encode(dict(test.kwargs)), "truth": test.comparison.asks_for_truth}
        return _compared(self._code.value(request, self._seconds), test.expected, test.comparison)

    def _evaluate(self, test: InsideTest) -> TestResult:
        request = {"evaluate": test.expression, "setup": test.setup, "truth": test.comparison.asks_for_truth}
        return _compared(self._code.value(request, self._seconds), test.expected, test.comparison)

    def _run(self, test: StdioTest) -> TestResult:
        most = round(self._limits.output_bytes * SHARE_OF_REPLY)
        reply = self._code.run({"stdin": test.stdin, "most": most}, self._seconds)
        if "raised" in reply and reply.get("is_cut") is not True:
            # Without an output, too, when there was no memory left to read it.
            raise raised(reply)
        try:
            printed = _bytes(decode(reply["stdout"])).decode("utf-8", "replace")
            is_cut, exit_code = reply["is_cut"] is not False, int(reply["exit_code"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise EndedError(Result.KILLED, "its reply is no output: it broke the protocol") from error
        if is_cut:
            raise EndedError(Result.OUTPUT_LIMIT, f"it printed more than {most} bytes")
        if exit_code != 0:
            raise EndedError(Result.ERROR, f"it ended with exit code {exit_code}")
        if is_same_output(printed, test.stdout):
            return TestResult(Result.PASSED, ran=True)
        return TestResult(Result.FAILED, f"printed {shown(printed)}, not {shown(test.stdout)}", ran=True)


def _compared(value: Any, expected: Any, comparison: Comparison) -> TestResult:
    if is_as_expected(value, expected, comparison):
        return TestResult(Result.PASSED, ran=True)
    wanted = f"{' '.join(('', *comparison.views))} {comparison.relation} {shown(expected)}"
    return TestResult(Result.FAILED, f"gave {shown(value)}; wanted:{wanted}", ran=True)


def _bytes(value: Any) -> bytes:
    # bytes(10**12) would be that many zeros.
    if not isinstance(value, bytes):
        raise TypeError("the output is no bytes")
    return value


def shown(value: Any) -> str:
    """A value in few words, whatever it is."""
    try:
        return reprlib.repr(value)[:100]
    except (ValueError, RecursionError):
        # Python does not write whole numbers of more than 4300 digits.
        return f"a large {type(value).__name__}"
