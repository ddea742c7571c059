"""CPU seconds of a step by phase, for GRPO and PPO alike.

A run has one thread and waits for nothing, so its CPU seconds are what it would take with the core to itself, and other
programs on the machine disturb them less than the clock on the wall.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo_stopwatch import Stopwatch, peak_mb, replace_everywhere, reset_peak
from rl_jobs import PHASES

import r1kit.grpo.trainer
import r1kit.ppo.learners
import r1kit.ppo.trainer
import r1kit.ppo.update
import r1kit.rl.loop
import r1kit.rl.passes
from r1kit.rl.loop import Trainer
from r1kit.rl.stream import ProblemStream
from r1kit.training.optimizer import StepStats
from r1kit.training.recovery import MicroBatchSize


class CpuStopwatch(Stopwatch):
    """A stopwatch that runs while this process does."""

    def _now(self) -> float:
        return time.process_time()

    def phases(self, total_seconds: float) -> dict[str, float]:
        """The seconds of each phase since the last call; what is left of `total_seconds` is the rest."""
        taken = {phase: self.seconds.get(phase, 0.0) for phase in PHASES[:-1]}
        self.seconds.clear()
        return taken | {"rest": total_seconds - sum(taken.values())}


def watch_phases(watch: Stopwatch) -> None:
    """Time everything that a step does by what has to be called for it, in this whole process."""
    for phase, function in (
        ("reference", r1kit.rl.passes.reference_logprobs),
        ("values", r1kit.ppo.trainer.measured_values),
        ("policy update", r1kit.grpo.trainer.update_policy),
        ("policy update", r1kit.ppo.trainer.update_learners),
    ):
        replace_everywhere(function, watch.timed(phase, function))
    phases_of = r1kit.ppo.learners.phases_of

    def timed_phases(learners: Any, *rest: Any) -> list[Any]:
        # Without an optimizer of its own the value network is a shared head, which learns with the policy.
        return [
            TimedPhase(phase, watch) if phase.optimizer is learners.value_optimizer else phase
            for phase in phases_of(learners, *rest)
        ]

    replace_everywhere(phases_of, timed_phases)


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """The update of a separate value network, its time counted as such."""

    phase: Any
    watch: Stopwatch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.phase, name)

    def run(self, size: MicroBatchSize) -> StepStats:
        """As the phase does."""
        stats: StepStats = self.watch.timed("value update", self.phase.run)(size)
        return stats


@dataclass(slots=True)
class TimedTrainer:
    """A trainer that keeps the seconds, tokens and peak memory of each of its steps."""

    trainer: Trainer
    watch: CpuStopwatch
    steps: list[dict[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.trainer, name)

    def step(self, step: int, problems: ProblemStream, on_progress: Any = None) -> dict[str, float]:
        """As the trainer does."""
        reset_peak()
        self.watch.seconds.clear()
        began, began_wall = time.process_time(), time.perf_counter()
        metrics = self.trainer.step(step, problems, on_progress)
        seconds, wall_seconds = time.process_time() - began, time.perf_counter() - began_wall
        algorithm = self.trainer.config.algorithm  # type: ignore[attr-defined]
        num_completions = algorithm.problems_per_step * algorithm.group_size
        self.steps.append(
            {
                "step": step,
                "seconds": seconds,
                "wall_seconds": wall_seconds,
                "tokens": round(metrics["completion/mean_tokens"] * num_completions),
                "phases": self.watch.phases(seconds),
                "peak_mb": peak_mb(),
            }
        )
        return metrics


def timed_sampling(watch: Stopwatch) -> None:
    """Count drawing and rewarding completions as sampling; held-out problems are drawn elsewhere."""
    sample = r1kit.rl.loop.Workshop.sample
    r1kit.rl.loop.Workshop.sample = watch.timed("sampling", sample)  # type: ignore[method-assign]


def read_curve(path: Path, steps: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Held-out accuracy in a run's metrics, with the seconds that the steps before it took."""
    from r1kit.core.jsonl import read_jsonl

    until = {0: 0.0}
    for step in steps:
        until[step["step"]] = until[step["step"] - 1] + step["seconds"]
    return [
        {"step": line["step"], "seconds": until[line["step"]], "pass@1": line["held_out/pass@1"]}
        for _, line in read_jsonl(path)
        if "held_out/pass@1" in line
    ]
