"""The rewards of code: whether it is right, and whether it runs at all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Verdict
from r1kit.rewards.code.extract import extract_code
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.parts import Part, RewardFunction
from r1kit.sandbox.judge.results import Judgement, Result

CODE_REWARDS: Final = ("code", "runnable")
SCORES: Final = ("all", "share")
# How Python calls a source that it cannot compile.
_NOT_PYTHON: Final = ("SyntaxError", "IndentationError", "TabError")


def code_builders(judge: CodeJudge) -> dict[str, Callable[..., RewardFunction]]:
    """The builders of the rewards that run code, by name; their keyword arguments are the rewards' options."""
    builders = (partial(build_code, judge), partial(build_runnable, judge))
    return dict(zip(CODE_REWARDS, builders, strict=True))


def build_code(judge: CodeJudge, /, *, score: str = "all") -> RewardFunction:
    """1.0 for code that passes all tests, else 0.0; with `score` share, the share of the tests it passes.

    None for problems of another kind, and for code that could not be judged. Raises SandboxError when no sandbox holds.
    """
    if score not in SCORES:
        raise ConfigError(
            f"reward code: option score is {score!r}; it must be {' or '.join(SCORES)}{did_you_mean(score, SCORES)}"
        )
    _ = judge.sandbox
    return lambda problem, completion: code_part(judge, problem, completion, by_share=score == "share")


def build_runnable(judge: CodeJudge, /) -> RewardFunction:
    """1.0 for code that compiles and runs without error, else 0.0; what it gives may be wrong.

    None for problems of another kind, and for code that could not be judged. Raises SandboxError when no sandbox holds.
    """
    _ = judge.sandbox
    return lambda problem, completion: runnable_part(judge, problem, completion)


def code_part(judge: CodeJudge, problem: Problem, completion: Completion, *, by_share: bool = False) -> Part:
    """Whether the completion's code is right, with its verdict, the code and how it ended."""

    def of(judgement: Judgement, code: str, result: str) -> Part:
        return Part(_value(judgement, by_share=by_share), verdict_of(judgement), code, result)

    return _part(judge, problem, completion, of, without_code=Part(0.0, Verdict.NO_ANSWER))


def runnable_part(judge: CodeJudge, problem: Problem, completion: Completion) -> Part:
    """Whether the completion's code runs; it says nothing of whether it is right."""

    def of(judgement: Judgement, _: str, result: str) -> Part:
        return Part(float(judgement.runs), result=result)

    return _part(judge, problem, completion, of, without_code=Part(0.0))


def _part(
    judge: CodeJudge,
    problem: Problem,
    completion: Completion,
    of: Callable[[Judgement, str, str], Part],
    *,
    without_code: Part,
) -> Part:
    """What `of` makes of the judgement on the code; no value for another kind of problem and where it cannot be judged."""
    if problem.code is None:
        return Part(None)
    code = extract_code(completion.text)
    if code is None:
        return without_code
    judgement = judge.judgement(problem.code, code)
    result = str(judgement.result)
    if judgement.result is Result.SANDBOX_ERROR:
        return Part(None, None, code, result)
    return of(judgement, code, result)


def verdict_of(judgement: Judgement) -> Verdict:
    """The verdict for code that was judged."""
    match judgement.result:
        case Result.PASSED:
            return Verdict.CORRECT
        case Result.TIMED_OUT:
            return Verdict.TIMED_OUT
        case Result.ERROR if judgement.num_passed == 0 and judgement.detail.startswith(_NOT_PYTHON):
            return Verdict.UNPARSABLE
        case _:
            return Verdict.WRONG


def _value(judgement: Judgement, *, by_share: bool) -> float:
    if by_share and judgement.num_tests:
        return judgement.num_passed / judgement.num_tests
    return float(judgement.has_passed)
