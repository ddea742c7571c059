"""Which code problems can be judged: each problem's own solution has to pass its own tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from r1kit.core.errors import SandboxError
from r1kit.core.problem import CodeGold, Problem
from r1kit.rewards.code.judge import CodeJudge
from r1kit.sandbox.judge.results import Result

TESTS_UNREADABLE: Final = "tests that cannot be read"
SOLUTION_FAILS: Final = "its own solution does not pass its tests"


@dataclass(frozen=True, slots=True)
class CodeAudit:
    """What was found in a set: why a problem cannot be used, by its id, and the ids of those with weak tests."""

    faults: dict[str, str]
    weak: tuple[str, ...]


def audit_code(problems: Sequence[Problem], judge: CodeJudge) -> CodeAudit:
    """The code problems of a set whose tests cannot be run, or whose own solution does not pass them.

    Solutions run side by side, and once for the same tests in a process. A problem without a solution is believed.

    Raises:
        SandboxError: no sandbox holds, or it failed, so that nothing can be said of a solution.
    """
    golds = {problem.id: problem.code for problem in problems if problem.code is not None}
    faults: dict[str, str] = {}
    weak: list[str] = []
    for name, gold in golds.items():
        try:
            if judge.prepare(gold).num_weak:
                weak.append(name)
        except ValueError:
            faults[name] = TESTS_UNREADABLE
    solved = {name: gold for name, gold in golds.items() if gold.solution and name not in faults}
    results = _results(list(solved.values()), judge)
    faults |= {
        name: f"{SOLUTION_FAILS} ({result})"
        for name, result in zip(solved, results, strict=True)
        if result is not Result.PASSED
    }
    return CodeAudit(faults, tuple(name for name in weak if name not in faults))


def _results(golds: Sequence[CodeGold], judge: CodeJudge) -> list[Result]:
    """How each problem's own solution ends."""
    keys = [_key(gold, judge) for gold in golds]
    new = {key: gold for key, gold in zip(keys, golds, strict=True) if key not in _known}
    try:
        judgements = judge.judgements([(gold, gold.solution or "") for gold in new.values()])
    except BaseException:
        judge.stop()
        raise
    for judgement in judgements:
        if judgement.result is Result.SANDBOX_ERROR:
            raise SandboxError(f"a problem's own solution could not be run: {judgement.detail}")
    _known.update({key: judgement.result for key, judgement in zip(new, judgements, strict=True)})
    return [_known[key] for key in keys]


def _key(gold: CodeGold, judge: CodeJudge) -> bytes:
    """The same for the same solution, tests and limits."""
    return hashlib.sha256(repr((gold, judge.config)).encode("utf-8", "surrogatepass")).digest()


_known: dict[bytes, Result] = {}
