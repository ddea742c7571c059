"""Groups of rollouts written by hand, scored by the real judge."""

from __future__ import annotations

from typing import Any

from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout
from r1kit.rewards.compose import judge


def worked(answer: str, thinking: str = "first 3+4\nso 7") -> str:
    """A completion in the format."""
    return f"<think>\n{thinking}\n</think>\n<answer>{answer}</answer>"


def completion(text: str, num_tokens: int = 5, *, cut: bool = False) -> Completion:
    """A completion of `num_tokens` tokens, run into the limit when `cut`."""
    reason = FinishReason.LENGTH if cut else FinishReason.STOP
    return Completion(text, tuple(range(num_tokens)), (-0.5,) * num_tokens, reason)


def group(
    completions: list[Completion | str],
    gold: str = "7",
    *,
    name: str = "p",
    kind: ProblemKind = ProblemKind.MATH,
    **extra: Any,
) -> Group:
    """The completions as a judged group of one problem."""
    problem = Problem(name, "3+4", (gold,), kind, extra)
    whole = [completion(c) if isinstance(c, str) else c for c in completions]
    rollouts = tuple(Rollout(c, judge(problem, c)) for c in whole)
    return Group(problem, "3+4 =", (1, 2), rollouts)
