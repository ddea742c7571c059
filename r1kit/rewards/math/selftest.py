r"""Answers with known verdicts, to see on any machine that the checker and its workers are sound.

A few for each kind of answer and each way to go wrong: an alarm that rings, not the tests of the checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check_many


@dataclass(frozen=True, slots=True)
class Case:
    """A gold, a completion and the verdicts it may get."""

    gold: str
    completion: str
    verdicts: frozenset[Verdict]


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that got another verdict."""

    case: Case
    verdict: Verdict

    def in_words(self) -> str:
        """The case on one line, and what became of it."""
        return f"gold {shortened(self.case.gold)}, {shortened(self.case.completion)}: {self.verdict}"

    def as_dict(self) -> dict[str, str]:
        """What JSON shows of it."""
        return {"gold": self.case.gold, "completion": self.case.completion, "verdict": self.verdict}


def shortened(text: str) -> str:
    """The beginning of an answer, in quotes and on one line."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def failures(num_workers: int) -> list[Failure]:
    """The cases that the checker gets wrong; empty when it is sound.

    Raises:
        EnvironmentError_: no worker can be started.
    """
    results = check_many(((case.gold, case.completion) for case in CASES), num_workers=num_workers)
    pairs = zip(CASES, results, strict=True)
    return [Failure(case, result.verdict) for case, result in pairs if result.verdict not in case.verdicts]


_RIGHT: Final = (
    ("14", "14."),
    ("1/2", "0.5"),
    ("2.5", r"\frac{10}{4}"),
    ("1234567", "1,234,567"),
    ("300000", r"3\times10^5"),
    (r"\frac13", r"0.\overline{3}"),
    (r"\sqrt{20}", r"2\sqrt5"),
    (r"35\%", "0.35"),
    (r"\frac{\pi}{2}", r"90^\circ"),
    ("120", "5!"),
    ("5050", r"\sum_{k=1}^{100} k"),
    (r"\frac12", r"\int_0^1 x\,dx"),
    ("x^2-4", "(x-2)(x+2)"),
    (r"\sin^2 x", r"1-\cos^2 x"),
    ("3x+4y-5=0", "6x+8y=10"),
    ("1,-2", "-2, 1"),
    (r"[3,\infty)", r"x\ge 3"),
    ("(1,2)", "(1, 2)"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ("3:2", "6:4"),
    ("1011_2", "11"),
    (r"2\text{ km}", r"2000\text{ m}"),
    ("C", r"\textbf{(C)}"),
)
_WRONG: Final = (
    ("14", "15"),
    ("1/3", "0.333"),
    (r"\pi", "3.14"),
    ("2^{-99}", "2^{-98}"),
    ("x^2-4", "(x-2)^2"),
    ("1,2", "1,2,3"),
    ("(1,2)", "(2,1)"),
    ("(0,1)", "[0,1]"),
    (r"5\text{ cm}", r"5\text{ m}"),
    ("3:2", "2:3"),
)
_NONE: Final = (
    ("14", "There are 14 apples in 3 boxes, and that is all there is to say."),
    ("14", r"<think>So it is \boxed{14}."),
    ("14", r"\boxed{14} or rather \boxed{1"),
    ("7", r"\boxed{7 \text{ or } 8}"),
)
_HOSTILE: Final = (
    ("14", "1/0"),
    ("14", "10^{10^{10^{10}}}"),
    ("14", r"\sum_{k=1}^{10^{9}} k!"),
    ("14", "(1+" * 5_000 + "14" + ")" * 5_000),
    ("14", "9" * 100_000),
    ("14", "__import__('os').abort()"),
    ("14", "1\x004"),
)
"""What would hang, crash or run in a checker that trusts its input."""


def _cases() -> Iterator[Case]:
    for gold, answer in _RIGHT:
        yield Case(gold, rf"\boxed{{{answer}}}", frozenset({Verdict.CORRECT}))
    for gold, answer in _WRONG:
        yield Case(gold, rf"\boxed{{{answer}}}", frozenset({Verdict.WRONG}))
    for gold, completion in _NONE:
        yield Case(gold, completion, frozenset({Verdict.NO_ANSWER}))
    for gold, answer in _HOSTILE:
        yield Case(gold, rf"\boxed{{{answer}}}", frozenset(Verdict) - {Verdict.CORRECT})


CASES: Final = tuple(_cases())
