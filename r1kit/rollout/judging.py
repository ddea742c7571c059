"""Groups with a verdict for each completion and rewards beside it: what evaluation and rejection sampling ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from r1kit.config.sampling import SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Score
from r1kit.generation.engine import Engine, OnProgress
from r1kit.rewards.compose import Scorer, judge
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder


def collect_judged(
    engine: Engine,
    prompted: Sequence[PromptedProblem],
    *,
    group_size: int,
    sampling: SamplingConfig,
    rewarder: Rewarder,
    seed: int,
    on_progress: OnProgress | None = None,
    record: Callable[[Sequence[Group]], None],
) -> list[Group]:
    """As `collect_groups`, with the verdict of `judge` on each completion and the rewards of `rewarder`.

    `record` gets every group once, with all its rewards: one by one while others are still sampled, or all at the end
    where a reward waits for the whole round.
    """
    waits = rewarder.scorer.waits_for_round
    groups = collect_groups(
        engine,
        prompted,
        group_size=group_size,
        sampling=sampling,
        scoring=judging(rewarder.scorer),
        seed=seed,
        on_progress=on_progress,
        on_group=None if waits else lambda group: record([group]),
    )
    groups = rewarder.finish(groups)
    if waits:
        record(groups)
    return groups


def judging(scorer: Scorer) -> Scoring:
    """The judge's verdict together with the rewards of `scorer`; without rewards, the judge's alone."""

    def score(problem: Problem, completion: Completion) -> Score:
        verdict = judge(problem, completion, scorer.code)
        if not scorer.rewards:
            return verdict
        rewards = scorer.score(problem, completion)
        parts = {**rewards.parts, **verdict.parts}
        return replace(verdict, reward=rewards.reward, parts=parts, shaped=rewards.shaped)

    return Scoring(score, scorer.code)
