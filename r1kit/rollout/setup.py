"""From a data source to prompts, with every problem that is left out counted and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from r1kit.config.data import ProblemData
from r1kit.core.errors import DataError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.models.policy import Policy
from r1kit.rewards.math import gold_is_usable
from r1kit.rollout.prompts import PromptedProblem, render_problems
from r1kit.tasks.problems import LoadedProblems, load_problems


@dataclass(frozen=True, slots=True)
class UsableProblems:
    """Problems whose golds can be judged, where they came from, and what was left out by reason."""

    problems: tuple[Problem, ...]
    data: ProblemData
    dropped: Mapping[str, int]

    def render(
        self, policy: Policy, max_new_tokens: int, say: Callable[[str], None]
    ) -> list[PromptedProblem]:
        """The problems as prompts of `policy`; what was left out, on the way here too, is said.

        So is when the model's context leaves some of them less room than `max_new_tokens`.

        Raises:
            DataError: no prompt is short enough, or one does not fit the context.
        """
        prompted, num_long = render_problems(policy, self.problems, self.data)
        reasons = dict(self.dropped)
        if num_long:
            reasons[f"prompt longer than {self.data.max_prompt_tokens} tokens"] = num_long
        say(f"{self.data.path}: {left_out_in_words(len(prompted), 'problems', reasons)}")
        if policy.context_length is not None:
            self._compare_with_context(prompted, policy.context_length, max_new_tokens, say)
        return prompted

    def _compare_with_context(
        self,
        prompted: Sequence[PromptedProblem],
        context: int,
        max_new_tokens: int,
        say: Callable[[str], None],
    ) -> None:
        longest = max(prompted, key=lambda p: len(p.prompt_ids))
        if len(longest.prompt_ids) >= context:
            num_large = sum(len(p.prompt_ids) >= context for p in prompted)
            raise DataError(
                f"{self.data.path}: {num_large} prompts do not fit the model's context of {context} tokens (problem "
                f"{longest.problem.id}: {len(longest.prompt_ids)}); set data.max_prompt_tokens to leave them out"
            )
        num_tight = sum(len(p.prompt_ids) + max_new_tokens > context for p in prompted)
        if num_tight:
            say(
                f"{self.data.path}: {num_tight} prompts and {max_new_tokens} new tokens exceed the model's "
                f"context of {context}; their completions are cut off there and count as truncated"
            )


def left_out_in_words(count: int, noun: str, left_out: Mapping[str, int]) -> str:
    """`count` of `noun` that are used, and how many were left out for each reason."""
    return f"{count} {noun}" + "".join(
        f"; left out {number}: {reason}" for reason, number in left_out.items()
    )


def load_usable_problems(data: ProblemData) -> UsableProblems:
    """The problems of `data` whose gold the checker understands.

    Raises:
        DataError: the source cannot be read, or no usable problem is in it.
    """
    return keep_usable(load_problems(data))


def keep_usable(loaded: LoadedProblems) -> UsableProblems:
    """`loaded` without the math problems whose gold cannot be judged.

    Raises:
        DataError: none is left.
    """
    reasons = dict(loaded.dropped)
    usable: list[Problem] = []
    for problem in loaded.problems:
        reason = _why_unusable(problem)
        if reason is None:
            usable.append(problem)
        else:
            reasons[reason] = reasons.get(reason, 0) + 1
    if not usable:
        raise DataError(
            f"{loaded.data.path}: no problem can be used ({'; '.join(f'{n}: {r}' for r, n in reasons.items())})"
        )
    return UsableProblems(tuple(usable), loaded.data, reasons)


def _why_unusable(problem: Problem) -> str | None:
    """Why no gold of a math problem can be judged against; None when one can, or the kind needs none."""
    if problem.kind is not ProblemKind.MATH:
        return None
    reasons = [gold_is_usable(gold) for gold in problem.answers]
    return None if None in reasons else f"gold {problem.answers[0]!r}: {reasons[0]}"
