"""One step of GRPO: sample groups, update the policy, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from r1kit.config.rl import GrpoConfig
from r1kit.core.rollout import Group
from r1kit.generation.engine import OnProgress
from r1kit.grpo.batch import RlBatch, build_batch
from r1kit.grpo.collect import collect_step
from r1kit.grpo.metrics import batch_metrics
from r1kit.grpo.update import accumulate_gradient, update_policy
from r1kit.objectives.aggregate import Normalizer
from r1kit.rl.loop import Workshop
from r1kit.rl.passes import reference_logprobs, summed_kl
from r1kit.rl.rows import scored_rows
from r1kit.rl.self_check import gap_of_one
from r1kit.rl.stream import ProblemStream
from r1kit.rl.worst_case import worst_case_rows
from r1kit.rollout.prompts import PromptedProblem
from r1kit.training.optimizer import Optimizer


@dataclass(frozen=True, slots=True)
class GrpoTrainer:
    """Everything a step needs."""

    config: GrpoConfig
    workshop: Workshop
    optimizer: Optimizer

    def step(
        self, step: int, problems: ProblemStream, on_progress: OnProgress | None = None
    ) -> dict[str, float]:
        """Sample a group for each of the next problems, update the policy on them, log; the step's metrics."""
        started = time.perf_counter()
        at = self.workshop
        collected = collect_step(self._sampler(step, on_progress), problems, self.config.algorithm)
        sampled = time.perf_counter()
        batch, metrics = self._batch(collected.groups)
        metrics |= batch_metrics(collected, batch, self.config.algorithm)
        metrics |= at.watch.check(step, collected.all_groups)
        metrics |= update_policy(at.policy, self.optimizer, batch, self.config, at.size)
        if step == 1 and "policy/sampling_gap_mean" not in metrics:
            temperature = self.config.sampling.temperature
            metrics |= gap_of_one(at.policy, collected.all_groups, temperature, at.size)
        metrics |= at.alarm.check(step, metrics)
        metrics |= {
            "memory/micro_batch_tokens": float(at.size.tokens),
            "memory/num_oom": float(at.num_oom(self.optimizer)),
            "time/rollout_seconds": sampled - started,
            "time/update_seconds": time.perf_counter() - sampled,
        }
        at.tracker.metrics(step, metrics)
        at.tracker.rollouts(step, collected.groups)
        at.tracker.rollouts(step, collected.discarded, phase="discarded")
        return metrics

    def prove(self, micro_batch_tokens: int, longest_prompt: int) -> None:
        """Run the worst micro-batch of a size forward and backward on random tokens; nothing is changed by it.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        policy = self.workshop.policy
        rows = worst_case_rows(policy, self.config, micro_batch_tokens, longest_prompt)
        lengths = [len(row.completion_ids) for row in rows]
        batch = RlBatch(rows, Normalizer.from_lengths(lengths, max(lengths)), 0, 0, 0)
        try:
            accumulate_gradient(policy, batch, self.config)
        finally:
            self.optimizer.clear_gradient()

    def save(self, folder: Path) -> None:
        """Write the policy into the run folder."""
        policy = self.workshop.policy
        policy.save(folder / policy.saved_as, stage="grpo", seed=self.config.seed)

    def _sampler(
        self, step: int, on_progress: OnProgress | None
    ) -> Callable[[Sequence[PromptedProblem]], list[Group]]:
        return lambda prompted: self.workshop.sample(self.config, "grpo", step, prompted, on_progress)

    def _batch(self, groups: Sequence[Group]) -> tuple[RlBatch, dict[str, float]]:
        """The update's rows, and `policy/kl` where the KL term is part of the reward."""
        algorithm, max_tokens = self.config.algorithm, self.config.sampling.max_new_tokens
        rows = scored_rows(groups)
        if algorithm.kl_in == "loss" or algorithm.beta == 0 or not rows:
            return build_batch(groups, algorithm, max_tokens), {}
        references = reference_logprobs(
            self.workshop.policy, rows, self.config.sampling.temperature, self.workshop.size
        )
        kl = summed_kl(rows, references, algorithm.kl_estimator)
        num_tokens = sum(len(row.completion_ids) for row in rows)
        return build_batch(groups, algorithm, max_tokens, kl), {"policy/kl": sum(kl) / num_tokens}
