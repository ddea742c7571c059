"""Samples groups of completions and scores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from r1kit.config.sampling import SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Rollout, Score
from r1kit.core.seeds import derive_seed
from r1kit.generation.engine import Engine, GenerationRequest, OnProgress
from r1kit.rollout.prompts import PromptedProblem, opened_reasoning

ScoreFunction = Callable[[Problem, Completion], Score]


def collect_groups(
    engine: Engine,
    prompted: Sequence[PromptedProblem],
    *,
    group_size: int,
    sampling: SamplingConfig,
    score: ScoreFunction,
    seed: int,
    on_progress: OnProgress | None = None,
    on_group: Callable[[Group], None] | None = None,
) -> list[Group]:
    """One group of `group_size` scored completions a problem, in the order of `prompted`.

    The seed of a completion derives from (`seed`, problem id, its index in the group), so a problem's group
    does not depend on the problems beside it. `on_group` gets each group as soon as it is whole and those
    before it are, so that what a long run has sampled is on disk before it ends, in the order of the problems.
    """
    requests = [
        GenerationRequest(p.prompt_ids, tuple(derive_seed(seed, p.problem.id, i) for i in range(group_size)))
        for p in prompted
    ]
    groups: dict[int, Group] = {}
    num_handed_on = 0

    def keep(number: int, completions: tuple[Completion, ...]) -> None:
        nonlocal num_handed_on
        groups[number] = _scored(prompted[number], completions, score)
        while num_handed_on in groups:
            if on_group is not None:
                on_group(groups[num_handed_on])
            num_handed_on += 1

    engine.generate(requests, sampling, on_progress, keep)
    return [groups[number] for number in range(len(prompted))]


def _scored(prompted: PromptedProblem, completions: Sequence[Completion], score: ScoreFunction) -> Group:
    whole = [_with_opened_tag(completion, prompted.prompt) for completion in completions]
    rollouts = tuple(Rollout(completion, score(prompted.problem, completion)) for completion in whole)
    return Group(prompted.problem, prompted.prompt, prompted.prompt_ids, rollouts)


def _with_opened_tag(completion: Completion, prompt: str) -> Completion:
    """`completion` with the <think> that a template had put at the end of the prompt, so that it reads whole."""
    return replace(completion, text=opened_reasoning(prompt) + completion.text)
