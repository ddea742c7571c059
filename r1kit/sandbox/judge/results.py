"""What the judge says of a completion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How a test or a whole completion ended; that of a completion is the result of its first test not passed.

    PASSED: all tests passed, and there was at least one. FAILED: a value or an output is not what was expected.
    ERROR: the code does not compile, raised an exception, or ended on its own before it answered. TIMED_OUT,
    OUT_OF_MEMORY and OUTPUT_LIMIT: a limit was met. KILLED: a signal ended it, or it broke the protocol.
    SANDBOX_ERROR: it could not be judged, for no fault of its own; this is no wrong answer and gives no reward.
    """

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    KILLED = "killed"
    SANDBOX_ERROR = "sandbox_error"


@dataclass(frozen=True, slots=True)
class TestResult:
    """The result of one test, and a few words on why it did not pass. `ran` says that the code did its part."""

    __test__ = False

    result: Result
    detail: str = ""
    ran: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a completion.

    `runs` says that it compiles and runs without error: it was loaded, and no call raised or ended badly; the
    values may be wrong. `num_weak` counts the tests that rest in part on what the code itself says, such as those
    whose arguments are objects of its own classes.
    """

    result: Result
    num_passed: int
    num_tests: int
    num_weak: int
    runs: bool
    tests: tuple[TestResult, ...]
    detail: str = ""

    @property
    def has_passed(self) -> bool:
        """Whether all tests passed, of which there was at least one."""
        return self.result is Result.PASSED


def sum_up(tests: tuple[TestResult, ...], num_weak: int = 0, *, loads: bool = True) -> Judgement:
    """The judgement that follows from the results of all tests; `loads` counts where there is no test.

    One test that could not be judged makes the whole SANDBOX_ERROR. No test at all is FAILED.
    """
    num_passed = sum(test.result is Result.PASSED for test in tests)
    runs = loads and all(test.ran for test in tests)
    blamed = next((test for test in tests if test.result is Result.SANDBOX_ERROR), None)
    blamed = blamed or next((test for test in tests if test.result is not Result.PASSED), None)
    if blamed is not None:
        detail = printable(blamed.detail)
        return Judgement(blamed.result, num_passed, len(tests), num_weak, runs, tests, detail)
    if not tests:
        return Judgement(Result.FAILED, 0, 0, 0, runs, (), "there is no test")
    return Judgement(Result.PASSED, num_passed, len(tests), num_weak, runs, tests)


def printable(text: str) -> str:
    """A text with its control characters escaped: some of it is the code's, and terminals obey them."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
