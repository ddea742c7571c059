"""One step of GRPO: sample groups, update the policy, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r1kit.config.stages import GrpoConfig
from r1kit.core.rollout import Group
from r1kit.core.seeds import derive_seed
from r1kit.generation import Engine
from r1kit.generation.engine import OnProgress
from r1kit.grpo.batch import RlBatch, build_batch, scored_rows
from r1kit.grpo.collect import ProblemStream, collect_step
from r1kit.grpo.metrics import rollout_metrics
from r1kit.grpo.passes import reference_logprobs, summed_kl
from r1kit.grpo.self_check import SamplingGapAlarm, gap_of_one
from r1kit.grpo.update import accumulate_gradient, update_policy
from r1kit.grpo.worst_case import worst_case_batch
from r1kit.models.policy import Policy
from r1kit.rewards.compose import Scorer
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.prompts import PromptedProblem
from r1kit.tracking.tracker import Tracker
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


@dataclass(frozen=True, slots=True)
class GrpoTrainer:
    """Everything a step needs."""

    config: GrpoConfig
    policy: Policy
    engine: Engine
    scorer: Scorer
    optimizer: Optimizer
    tracker: Tracker
    size: MicroBatchSize
    alarm: SamplingGapAlarm

    def step(
        self, step: int, problems: ProblemStream, on_progress: OnProgress | None = None
    ) -> dict[str, float]:
        """Sample a group for each of the next problems, update the policy on them, log; the step's metrics."""
        started = time.perf_counter()
        collected = collect_step(self._sampler(step, on_progress), problems, self.config.algorithm)
        sampled = time.perf_counter()
        batch, metrics = self._batch(collected.groups)
        metrics |= rollout_metrics(collected, batch, self.config.algorithm)
        metrics |= update_policy(self.policy, self.optimizer, batch, self.config, self.size)
        if step == 1 and "policy/sampling_gap_mean" not in metrics:
            temperature = self.config.sampling.temperature
            metrics |= gap_of_one(self.policy, collected.all_groups, temperature, self.size)
        metrics |= self.alarm.check(step, metrics)
        metrics |= {
            "memory/micro_batch_tokens": float(self.size.tokens),
            "memory/num_oom": float(self._num_oom()),
            "time/rollout_seconds": sampled - started,
            "time/update_seconds": time.perf_counter() - sampled,
        }
        self.tracker.metrics(step, metrics)
        self.tracker.rollouts(step, collected.groups)
        self.tracker.rollouts(step, collected.discarded, phase="discarded")
        return metrics

    def prove(self, micro_batch_tokens: int, longest_prompt: int) -> None:
        """Run the worst micro-batch of a size forward and backward on random tokens; nothing is changed by it.

        Raises:
            torch.OutOfMemoryError: it does not fit.
        """
        batch = worst_case_batch(self.policy, self.config, micro_batch_tokens, longest_prompt)
        try:
            accumulate_gradient(self.policy, batch, self.config)
        finally:
            self.optimizer.clear_gradient()

    def _sampler(
        self, step: int, on_progress: OnProgress | None
    ) -> Callable[[Sequence[PromptedProblem]], list[Group]]:
        def sample(prompted: Sequence[PromptedProblem]) -> list[Group]:
            return collect_groups(
                self.engine,
                prompted,
                group_size=self.config.algorithm.group_size,
                sampling=self.config.sampling,
                scoring=Scoring(self.scorer.score, self.scorer.code_in_rewards),
                seed=derive_seed(self.config.seed, "grpo", step),
                on_progress=on_progress,
            )

        return sample

    def _batch(self, groups: Sequence[Group]) -> tuple[RlBatch, dict[str, float]]:
        """The update's rows, and `policy/kl` where the KL term is part of the reward."""
        algorithm, max_tokens = self.config.algorithm, self.config.sampling.max_new_tokens
        rows = scored_rows(groups)
        if algorithm.kl_in == "loss" or algorithm.beta == 0 or not rows:
            return build_batch(groups, algorithm, max_tokens), {}
        references = reference_logprobs(self.policy, rows, self.config.sampling.temperature, self.size)
        kl = summed_kl(rows, references, algorithm.kl_estimator)
        num_tokens = sum(len(row.completion_ids) for row in rows)
        return build_batch(groups, algorithm, max_tokens, kl), {"policy/kl": sum(kl) / num_tokens}

    def _num_oom(self) -> int:
        """How often this run has been out of memory so far, wherever."""
        return self.size.num_oom + self.optimizer.num_oom + getattr(self.engine, "num_oom", 0)
