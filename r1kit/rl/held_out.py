"""Accuracy on problems that are not trained on, while training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from r1kit.config.rl import RlConfig
from r1kit.core.seeds import derive_seed
from r1kit.generation.engine import Engine
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.compose import judge
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.progress import shown_on
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.summary import summarise
from r1kit.tracking.tracker import Tracker


@dataclass(slots=True)
class HeldOut:
    """Evaluates every `held_out.every` steps, or never without held-out problems; remembers first and last."""

    config: RlConfig
    prompted: Sequence[PromptedProblem]
    engine: Engine
    tracker: Tracker
    code: CodeJudge
    first: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def evaluate(self, step: int) -> None:
        """Sample and log when it is `step`'s turn: before the first, every so many, after the last."""
        plan = self.config.held_out
        if plan is None or (step % plan.every != 0 and step != self.config.steps):
            return
        total = len(self.prompted) * plan.num_samples
        with self.tracker.progress("held-out", total=total, unit="completion") as progress:
            groups = collect_groups(
                self.engine,
                self.prompted,
                group_size=plan.num_samples,
                sampling=self.config.sampling,
                scoring=Scoring(partial(judge, code=self.code), self.code),
                seed=derive_seed(self.config.seed, "held_out"),
                on_progress=shown_on(progress),
            )
        self.last = summarise(groups)
        self.first = self.first or self.last
        self.tracker.metrics(step, {f"held_out/{name}": value for name, value in self.last.items()})
        self.tracker.rollouts(step, groups, phase="held_out")
        # Problems that nothing judges have no accuracy, only lengths and the format.
        accuracy = f"pass@1 {self.last['pass@1']:.3f} on " if "pass@1" in self.last else ""
        self.tracker.say(f"step {step}: held-out {accuracy}{len(groups)} problems")

    def summary(self) -> dict[str, float]:
        """The first and the last figures, as `held_out/NAME` and `held_out_before/NAME`."""
        after = {f"held_out/{name}": value for name, value in self.last.items()}
        return {f"held_out_before/{name}": value for name, value in self.first.items()} | after
