"""What the runs of `grpo_vs_ppo.py` come to: figures of a run, what GRPO saves, when an accuracy is reached."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rl_jobs import PHASES, Run

SECONDS: Final = "seconds a step"
WHOLE: Final = "peak MB, whole process"
MODELS: Final = "peak MB, without the bare process"
TRAINING: Final = "peak MB, above the loaded policy"
KEPT: Final = "MB kept between steps, without the bare process"


def step_figures(run: Run) -> dict[str, float]:
    """One run of "steps": seconds over all its steps, memory at its worst step. Megabytes are 10^6 bytes."""
    steps = run["steps"]
    tokens = sum(step["tokens"] for step in steps)
    peak = max(step["peak_mb"] for step in steps)
    return {
        **time_figures(run),
        "seconds per 1000 completion tokens": 1000 * sum(step["seconds"] for step in steps) / tokens,
        "completion tokens a step": tokens / len(steps),
        "CPU seconds per second": sum(s["seconds"] for s in steps) / sum(s["wall_seconds"] for s in steps),
        "MB, bare process": run["bare_mb"],
        "MB, with the policy loaded": run["loaded_mb"],
        "MB, kept between steps": run["kept_mb"],
        KEPT: run["kept_mb"] - run["bare_mb"],
        WHOLE: peak,
        MODELS: peak - run["bare_mb"],
        TRAINING: peak - run["loaded_mb"],
    }


def time_figures(run: Run) -> dict[str, float]:
    """Mean CPU seconds of a step and of its phases, of either kind of run."""
    steps = run["steps"]
    by_phase = {phase: sum(step["phases"][phase] for step in steps) / len(steps) for phase in PHASES}
    return {SECONDS: sum(step["seconds"] for step in steps) / len(steps), **by_phase}


def medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the runs."""
    return {name: statistics.median(run[name] for run in figures) for name in figures[0]}


@dataclass(frozen=True, slots=True)
class Spread:
    """A middle and the two ends, over the seeds."""

    middle: float
    low: float
    high: float


def saving(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]], figure: str) -> Spread:
    """1 - ours / theirs of a figure, where the runs of a seed are compared with each other; median and ends."""
    saved = [1 - our[figure] / their[figure] for our, their in zip(ours, theirs, strict=True)]
    return Spread(statistics.median(saved), min(saved), max(saved))


def accuracy_at(runs: Sequence[Run], step: int) -> Spread:
    """Held-out pass@1 after `step` steps: mean and ends over the seeds."""
    values = [point["pass@1"] for run in runs for point in run["curve"] if point["step"] == step]
    return Spread(statistics.mean(values), min(values), max(values))


def until(run: Run, wanted: float, unit: str) -> float | None:
    """The "step" or the "seconds" of the first held-out evaluation with at least `wanted`; None if there is none."""
    return next((point[unit] for point in run["curve"] if point["pass@1"] >= wanted), None)


def same_tokens(runs: Mapping[str, Sequence[Run]]) -> bool:
    """Whether every side drew completions of the same lengths, seed by seed and step by step."""
    drawn = [[step["tokens"] for run in some for step in run["steps"]] for some in runs.values()]
    return all(tokens == drawn[0] for tokens in drawn)
