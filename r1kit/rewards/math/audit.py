"""What is wrong with the golds of a problem set, found before anything is trained or measured on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from r1kit.core.problem import Problem, ProblemKind
from r1kit.rewards.math import check, gold_is_usable
from r1kit.rewards.math.selftest import CASES, Failure, failures, shortened

_NUM_SHOWN: Final = 3


class FindingKind(StrEnum):
    """What is wrong."""

    UNUSABLE = "unusable gold"
    REFUSES_ITSELF = "gold refused as its own answer"
    NO_GOLD = "no gold"
    REPEATED_ID = "repeated id"
    CONTRADICTION = "repeated problem, contradicting golds"
    REPEATED = "repeated problem, equal golds"

    @property
    def is_error(self) -> bool:
        """Whether a run leaves the problem out, or refuses the set, because of it."""
        return self not in (FindingKind.CONTRADICTION, FindingKind.REPEATED)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no answer can be judged against a gold."""

    kind: FindingKind
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the problems and golds it is about, and why in words."""

    kind: FindingKind
    reason: str
    ids: tuple[str, ...]
    golds: tuple[str, ...] = ()

    def example(self) -> str:
        """Its first ids and golds in words."""
        ids = _some([visible(name) for name in self.ids], ", ")
        golds = _some([shortened(gold) for gold in self.golds], " / ")
        return f"{ids}: {golds}" if golds else ids

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it."""
        return {
            "kind": self.kind,
            "error": self.kind.is_error,
            "reason": self.reason,
            "ids": self.ids,
            "golds": self.golds,
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """What is wrong with a set of `num_problems`, and the self-test cases that the checker failed."""

    num_problems: int
    findings: Sequence[Finding]
    failures: Sequence[Failure]

    @property
    def has_errors(self) -> bool:
        """Whether a run would leave something out, or refuse the set."""
        return any(finding.kind.is_error for finding in self.findings)

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Error or note, how many, kind, reason and examples, for each kind and reason."""
        groups: defaultdict[tuple[FindingKind, str], list[Finding]] = defaultdict(list)
        for finding in self.findings:
            groups[finding.kind, finding.reason].append(finding)
        for (kind, reason), found in groups.items():
            rank = "error" if kind.is_error else "note"
            yield rank, str(len(found)), kind, visible(reason), _some([one.example() for one in found], "\n")

    def selftest_in_words(self) -> Iterator[str]:
        """How many cases went as they should, then a line for each that did not."""
        yield f"self-test: {len(CASES) - len(self.failures)} of {len(CASES)} answers judged as they should be"
        for failure in self.failures:
            yield f"  {failure.in_words()}"

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it."""
        failed = [failure.as_dict() for failure in self.failures]
        return {
            "num_problems": self.num_problems,
            "findings": [finding.as_dict() for finding in self.findings],
            "selftest": {"num_cases": len(CASES), "failed": failed},
        }


def audit(problems: Sequence[Problem], without_gold: Sequence[Finding], num_workers: int) -> Audit:
    """The audit of a set, `without_gold` being the rows that were no problems, after a test of the checker.

    Raises:
        EnvironmentError_: no worker can be started.
    """
    failed = failures(num_workers)
    num_problems = len(problems) + len(without_gold)
    return Audit(num_problems, [*without_gold, *audit_problems(problems)], failed)


def audit_problems(problems: Sequence[Problem]) -> list[Finding]:
    """Everything that is wrong with the golds and names of a set, by kind; empty for a good set."""
    return [
        *_gold_findings(problems),
        *_repeated_ids(problem.id for problem in problems),
        *_repeated_problems(problems),
    ]


def faulty_golds(problems: Iterable[Problem]) -> dict[str, Fault]:
    """The golds of math problems that answers cannot be judged against, each with its fault."""
    golds = dict.fromkeys(gold for problem in problems for gold in _math_golds(problem))
    faults = {gold: gold_fault(gold) for gold in golds}
    return {gold: fault for gold, fault in faults.items() if fault is not None}


def gold_fault(gold: str) -> Fault | None:
    r"""None when answers can be judged against this gold, so that `\boxed{gold}` itself is accepted."""
    reason = gold_is_usable(gold)
    if reason is not None:
        return Fault(FindingKind.UNUSABLE, reason)
    result = check(gold, boxed(gold))
    return None if result.correct else Fault(FindingKind.REFUSES_ITSELF, f"in a box it is {result.verdict}")


def fault_of(problem: Problem, faults: Mapping[str, Fault]) -> Fault | None:
    """Why a problem cannot be judged: all its golds are faulty. One good gold of several is enough."""
    found = [faults.get(gold) for gold in _math_golds(problem)]
    return None if None in found or not found else found[0]


def boxed(gold: str) -> str:
    """A completion whose answer is the gold."""
    return rf"\boxed{{{gold}}}"


def visible(text: str) -> str:
    """`text`, in quotes and with escapes if a terminal could not show it as it is."""
    return text if text.isprintable() else repr(text)


def _some(texts: Sequence[str], joint: str) -> str:
    return joint.join([*texts[:_NUM_SHOWN], *(["..."] if len(texts) > _NUM_SHOWN else [])])


def _math_golds(problem: Problem) -> tuple[str, ...]:
    return problem.answers if problem.kind is ProblemKind.MATH else ()


def _gold_findings(problems: Sequence[Problem]) -> Iterator[Finding]:
    faults = faulty_golds(problems)
    for problem in problems:
        if problem.kind is ProblemKind.MATH and not problem.answers:
            yield Finding(FindingKind.NO_GOLD, "", (problem.id,))
        for gold in _math_golds(problem):
            if gold in faults:
                yield Finding(faults[gold].kind, faults[gold].reason, (problem.id,), (gold,))


def _repeated_ids(ids: Iterable[str]) -> Iterator[Finding]:
    for name, count in Counter(ids).items():
        if count > 1:
            yield Finding(FindingKind.REPEATED_ID, f"{count} rows", (name,))


def _repeated_problems(problems: Sequence[Problem]) -> Iterator[Finding]:
    """The problems with the same text up to blanks and line breaks, each group once."""
    groups: defaultdict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[" ".join(problem.problem.split())].append(problem)
    for first, *others in (group for group in groups.values() if len(group) > 1):
        agree = all(_agree(first, other) for other in others)
        yield Finding(
            FindingKind.REPEATED if agree else FindingKind.CONTRADICTION,
            "",
            tuple(problem.id for problem in (first, *others)),
            tuple(dict.fromkeys(gold for problem in (first, *others) for gold in problem.answers)),
        )


def _agree(one: Problem, other: Problem) -> bool:
    """Whether some gold of the one is accepted for the other; golds of code problems are no answers."""
    golds = _math_golds(one)
    if not golds or one.answers == other.answers:
        return one.answers == other.answers
    return any(check(golds, boxed(gold)).correct for gold in other.answers)
