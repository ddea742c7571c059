"""What the figures of `grpo_vs_ppo.py` say of the article's claims, in words."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from rl_figures import (
    KEPT,
    MODELS,
    SECONDS,
    TRAINING,
    WHOLE,
    Spread,
    accuracy_at,
    saving,
    step_figures,
    until,
)
from rl_jobs import SIDES, Run

FASTER: Final = 0.30
LESS_MEMORY: Final = 0.50
"""What the article claims for GRPO against PPO with a value network."""
GOOD: Final = 0.9
"""The held-out accuracy whose first sight is timed."""

CLAIM: Final = "The article says that GRPO is 30 % faster than PPO and needs 50 % less memory."
DEFINITIONS: Final = (
    "x % faster: a step takes x % fewer seconds, 1 - GRPO / PPO, for the same completions. x % less memory: 1 - GRPO / PPO "
    "of the peak of resident memory, once of the whole process, once without the process before a model is loaded "
    "(what the models and the training take), once above the process with policy and reference loaded (what the algorithm "
    "adds); and of what is kept between steps without the process before a model is loaded (weights, reference and the "
    "optimizers' states: the share of the memory that grows with the model and not with the batch). Medians over the seeds "
    "of the same seed's runs, with the ends in brackets."
)
_MEMORY: Final = {
    WHOLE: "at the peak of the whole process",
    MODELS: "at the peak without the bare process",
    TRAINING: "at the peak above the loaded policy",
    KEPT: "between steps",
}


def cost_verdict(group: str, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """A line for each PPO of a group of "steps": what GRPO saves, and whether that is what is claimed."""
    if "grpo" not in runs:
        return []
    ours = [step_figures(run) for run in runs["grpo"]]
    return [
        f"{group.removeprefix('steps, ')}. Against {SIDES[name].words}: {saved(ours, [step_figures(run) for run in some])}"
        for name, some in runs.items()
        if SIDES[name].stage == "ppo"
    ]


def saved(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> str:
    """Time and memory of GRPO against those of PPO."""
    faster = saving(ours, theirs, SECONDS)
    memory = {words: saving(ours, theirs, figure) for figure, words in _MEMORY.items()}
    return (
        f"a step of GRPO takes {less_or_more(faster)} time: {time_judgement(faster.middle)}. It needs "
        f"{', '.join(f'{less_or_more(spread)} memory {words}' for words, spread in memory.items())}: "
        f"{memory_judgement({words: spread.middle for words, spread in memory.items()})}."
    )


def less_or_more(spread: Spread) -> str:
    """Words for a share that is saved: "12 % less (10 to 14)", "3 % more (1 to 5)"; the ends keep their sign against it."""
    low, middle, high = (round(100 * share) for share in (spread.low, spread.middle, spread.high))
    return f"{middle} % less ({low} to {high})" if middle >= 0 else f"{-middle} % more ({-high} to {-low})"


def time_judgement(faster: float) -> str:
    """Whether GRPO is as much faster as claimed."""
    if faster >= FASTER:
        return "the claim of 30 % holds"
    if faster > 0:
        return "it is faster, but by less than the claimed 30 %"
    return "it is not faster, and the claim of 30 % does not hold"


def memory_judgement(saved_by_measure: Mapping[str, float]) -> str:
    """By which measures GRPO needs as much less as claimed."""
    holds = [words for words, share in saved_by_measure.items() if share >= LESS_MEMORY]
    if len(holds) == len(saved_by_measure):
        return "the claim of 50 % holds by every measure"
    if holds:
        return f"the claim of 50 % holds {' and '.join(holds)}, and not otherwise"
    return "the claim of 50 % does not hold by any measure"


def accuracy_verdict(group: str, runs: Mapping[str, Sequence[Run]]) -> list[str]:
    """A line a side of a group of "recipe": accuracy at the end, and when it was first good."""
    last = max(point["step"] for some in runs.values() for run in some for point in run["curve"])
    lines = []
    for name, some in runs.items():
        end = accuracy_at(some, last)
        lines.append(
            f"{group.removeprefix('recipe, ')}. {SIDES[name].words}: held-out pass@1 {end.middle:.3f} "
            f"({end.low:.3f} to {end.high:.3f}) after {last} steps; {reached(some)}."
        )
    return lines


def reached(runs: Sequence[Run]) -> str:
    """When the accuracy was first good, in steps and in seconds; how many of the seeds never got there."""
    steps = [step for run in runs if (step := until(run, GOOD, "step")) is not None]
    seconds = [time for run in runs if (time := until(run, GOOD, "seconds")) is not None]
    if not steps:
        return f"{GOOD:g} was never seen"
    words = (
        f"{GOOD:g} was first seen after {statistics.median(steps):.0f} steps "
        f"and {statistics.median(seconds):.0f} s (median)"
    )
    missing = len(runs) - len(steps)
    return words if not missing else f"{words}, on {missing} of {len(runs)} seeds never"
