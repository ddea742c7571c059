"""One step of PPO: sample completions, judge them token by token, update policy and value network, log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from r1kit.config.ppo import PpoConfig
from r1kit.core.rollout import Group
from r1kit.generation.engine import OnProgress
from r1kit.ppo.batch import PpoBatch, TokenTargets, build_batch, trained_rows
from r1kit.ppo.learners import Learners
from r1kit.ppo.passes import measured_values
from r1kit.ppo.update import accumulate_gradients, update_learners
from r1kit.rl.loop import Workshop
from r1kit.rl.metrics import rollout_metrics
from r1kit.rl.passes import reference_logprobs
from r1kit.rl.rows import scored_rows
from r1kit.rl.self_check import gap_of_one
from r1kit.rl.stream import ProblemStream
from r1kit.rl.worst_case import worst_case_rows


@dataclass(frozen=True, slots=True)
class PpoTrainer:
    """Everything a step needs."""

    config: PpoConfig
    workshop: Workshop
    learners: Learners

    def step(
        self, step: int, problems: ProblemStream, on_progress: OnProgress | None = None
    ) -> dict[str, float]:
        """Sample completions of the next problems, update policy and value network, log; the step's metrics."""
        started = time.perf_counter()
        drawn = problems.take(self.config.algorithm.problems_per_step)
        prompted = [problems.prompted[index] for index in drawn]
        groups = self.workshop.sample(self.config, "ppo", step, prompted, on_progress)
        sampled = time.perf_counter()
        metrics = rollout_metrics(groups) | self._update(step, groups)
        metrics |= self.workshop.alarm.check(step, metrics) | self.workshop.watch.check(step, groups)
        metrics |= {
            "memory/micro_batch_tokens": float(self.workshop.size.tokens),
            "memory/num_oom": float(self.workshop.num_oom(*self.learners.optimizers)),
            "time/rollout_seconds": sampled - started,
            "time/update_seconds": time.perf_counter() - sampled - metrics.get("time/value_seconds", 0.0),
        }
        self.workshop.tracker.metrics(step, metrics)
        self.workshop.tracker.rollouts(step, groups)
        return metrics

    def prove(self, micro_batch_tokens: int, longest_prompt: int) -> None:
        """Run the worst micro-batch of a size forward and backward on random tokens; nothing is changed by it.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        rows = worst_case_rows(self.learners.policy, self.config, micro_batch_tokens, longest_prompt)
        zeros = [torch.zeros(len(row.completion_ids)) for row in rows]
        accumulate_gradients(
            self.learners, PpoBatch(rows, [TokenTargets(zero + 1, zero, zero) for zero in zeros]), self.config
        )

    def save(self, folder: Path) -> None:
        """Write the policy and, as `value/`, the value network into `folder`."""
        policy, seed = self.learners.policy, self.config.seed
        policy.save(folder / policy.saved_as, stage="ppo", seed=seed)
        self.learners.network.save(folder / "value", stage="ppo", seed=seed)

    def _update(self, step: int, groups: Sequence[Group]) -> dict[str, float]:
        """Everything after the sampling: values and reference, the targets of the tokens, the updates."""
        algorithm, learners = self.config.algorithm, self.learners
        policy, temperature, size = learners.policy, self.config.sampling.temperature, learners.size
        rows = trained_rows(groups, algorithm)
        metrics = {}
        if algorithm.mask_truncated:
            metrics["rollout/num_masked"] = float(len(scored_rows(groups)) - len(rows))
        if not rows:
            for _ in range(algorithm.num_updates):
                learners.skip()
            return metrics | (gap_of_one(policy, groups, temperature, size) if step == 1 else {})
        started = time.perf_counter()
        values = measured_values(policy, learners.network, rows, size)
        measured = time.perf_counter() - started
        references = reference_logprobs(policy, rows, temperature, size) if algorithm.beta > 0 else None
        batch, figures = build_batch(groups, rows, values, references, algorithm)
        metrics |= figures | update_learners(learners, batch, self.config, step)
        return metrics | {"time/value_seconds": measured + metrics.get("time/value_seconds", 0.0)}
