"""Samples groups of completions and scores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Rollout, Score
from r1kit.core.seeds import derive_seed
from r1kit.generation.engine import Engine, GenerationRequest, OnFinished
from r1kit.rollout.prompts import PromptedProblem, opened_reasoning

ScoreFunction = Callable[[Problem, Completion], Score]

_BATCHES_A_PART = 4


def collect_groups(
    engine: Engine,
    prompted: Sequence[PromptedProblem],
    *,
    group_size: int,
    sampling: SamplingConfig,
    score: ScoreFunction,
    seed: int,
    on_finished: OnFinished | None = None,
) -> list[Group]:
    """One group of `group_size` scored completions a problem, in the order of `prompted`.

    The seed of a completion derives from (`seed`, problem id, its index in the group), so a problem's group
    does not depend on the problems beside it.
    """
    requests = [
        GenerationRequest(p.prompt_ids, tuple(derive_seed(seed, p.problem.id, i) for i in range(group_size)))
        for p in prompted
    ]
    completions = engine.generate(requests, sampling, on_finished)
    return [_scored(p, group, score) for p, group in zip(prompted, completions, strict=True)]


def collect_in_parts(
    collect: Callable[[Sequence[PromptedProblem]], list[Group]],
    prompted: Sequence[PromptedProblem],
    *,
    part_size: int,
    on_groups: Callable[[list[Group]], None],
) -> list[Group]:
    """The groups of `prompted`, `part_size` problems at a time, each part handed to `on_groups` when it is there.

    So what a long run has sampled is on disk before it ends. With `collect` being `collect_groups`, the groups are
    those of one piece.
    """
    groups: list[Group] = []
    for start in range(0, len(prompted), part_size):
        part = collect(prompted[start : start + part_size])
        on_groups(part)
        groups += part
    return groups


def fitting_part_size(engine: EngineConfig, group_size: int) -> int:
    """Problems in a part: a few engine batches, so that little is decoded in batches that are not full."""
    return max(1, _BATCHES_A_PART * engine.batch_size // group_size)


def _scored(prompted: PromptedProblem, completions: Sequence[Completion], score: ScoreFunction) -> Group:
    whole = [_with_opened_tag(completion, prompted.prompt) for completion in completions]
    rollouts = tuple(Rollout(completion, score(prompted.problem, completion)) for completion in whole)
    return Group(prompted.problem, prompted.prompt, prompted.prompt_ids, rollouts)


def _with_opened_tag(completion: Completion, prompt: str) -> Completion:
    """`completion` with the <think> that a template had put at the end of the prompt, so that it reads whole."""
    return replace(completion, text=opened_reasoning(prompt) + completion.text)
