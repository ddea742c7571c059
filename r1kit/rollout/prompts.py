"""Problems rendered to token ids, once, before anything is sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r1kit.config.data import ProblemData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message, Problem
from r1kit.models.policy import Policy
from r1kit.tasks.prompts import build_messages


@dataclass(frozen=True, slots=True)
class PromptedProblem:
    """A problem with its prompt as text, as token ids, and as the messages it was rendered from."""

    problem: Problem
    prompt: str
    prompt_ids: tuple[int, ...]
    messages: tuple[Message, ...] = ()


def render_problems(
    policy: Policy, problems: Sequence[Problem], data: ProblemData
) -> tuple[list[PromptedProblem], int]:
    """The problems as prompts, and how many were left out for being longer than `data.max_prompt_tokens`.

    Raises:
        DataError: none is left.
    """
    prompted = [_render(policy, problem, data) for problem in problems]
    limit = data.max_prompt_tokens
    kept = [p for p in prompted if limit is None or len(p.prompt_ids) <= limit]
    if not kept:
        shortest = min(len(p.prompt_ids) for p in prompted)
        raise DataError(
            f"{data.path}: every prompt is longer than max_prompt_tokens {limit}; the shortest has {shortest} tokens"
        )
    return kept, len(prompted) - len(kept)


def _render(policy: Policy, problem: Problem, data: ProblemData) -> PromptedProblem:
    messages = build_messages(problem, data)
    text, ids = policy.render(messages)
    return PromptedProblem(problem, text, ids, messages)
