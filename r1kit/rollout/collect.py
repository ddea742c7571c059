"""Samples groups of completions and scores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from r1kit.config.sampling import SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Rollout, Score
from r1kit.core.seeds import derive_seed
from r1kit.generation.engine import Engine, GenerationRequest, OnFinished
from r1kit.rewards.reasoning import THINK_OPEN
from r1kit.rollout.prompts import PromptedProblem

ScoreFunction = Callable[[Problem, Completion], Score]


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


def _scored(prompted: PromptedProblem, completions: Sequence[Completion], score: ScoreFunction) -> Group:
    whole = [_with_opened_tag(completion, prompted.prompt) for completion in completions]
    rollouts = tuple(Rollout(completion, score(prompted.problem, completion)) for completion in whole)
    return Group(prompted.problem, prompted.prompt, prompted.prompt_ids, rollouts)


def _with_opened_tag(completion: Completion, prompt: str) -> Completion:
    """`completion` with the <think> that a template had put at the end of the prompt, so that it reads whole."""
    if not prompt.rstrip().endswith(THINK_OPEN):
        return completion
    return replace(completion, text=THINK_OPEN + completion.text)
