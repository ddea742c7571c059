"""One rollout batch turned into updates of policy and value network: epochs of minibatches.

The log-probabilities of the policy that sampled are those the engine recorded: they are what the ratio is to be taken
to, they cost no pass, and they stay as they are while the policy moves from minibatch to minibatch. How far engine and
trainer are apart is measured at the first update on every batch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add

from r1kit.config.ppo import PpoConfig
from r1kit.core.seeds import derive_seed
from r1kit.ppo.batch import PpoBatch, minibatches
from r1kit.ppo.learners import Accumulated, Learners, phases_of
from r1kit.rl.self_check import gap_metrics
from r1kit.training.recovery import MicroBatchSize


def update_learners(learners: Learners, batch: PpoBatch, config: PpoConfig, step: int) -> dict[str, float]:
    """Take `algorithm.num_updates` optimizer steps on `batch`; the means of their figures by metric name.

    An update without rows takes no step (the schedules move on). One that runs out of memory is done again in smaller
    micro-batches, see `training.recovery`. `time/value_seconds` is what the updates of a separate value network took.
    """
    algorithm = config.algorithm
    gap: dict[str, float] = {}
    history: list[dict[str, float]] = []
    for epoch in range(algorithm.epochs):
        seed = derive_seed(config.seed, "ppo", "minibatches", step, epoch)
        for places in minibatches(batch.rows, algorithm.minibatches, seed):
            if not places:
                learners.skip()
                continue
            part = batch.part(places)
            done = Accumulated()
            history.append(_update(learners, part, config, done))
            gap = gap or gap_metrics(part.rows, [done.logprobs[place] for place in range(len(places))])
    return gap | _means(history)


def accumulate_gradients(learners: Learners, batch: PpoBatch, config: PpoConfig) -> None:
    """Form the gradients of `batch` in a single micro-batch, as its first update would, and drop them; for a trial."""
    whole = MicroBatchSize(sum(map(len, batch.rows)))
    for phase in phases_of(replace(learners, size=whole), batch, config, Accumulated()):
        try:
            phase.accumulate()
        finally:
            phase.optimizer.clear_gradient()


def _update(learners: Learners, part: PpoBatch, config: PpoConfig, done: Accumulated) -> dict[str, float]:
    """One optimizer step on a minibatch, of policy and value network."""
    metrics: dict[str, float] = {}
    for phase in phases_of(learners, part, config, done):
        started = time.perf_counter()
        stats = phase.run(learners.size)
        # A shared head is trained with the policy; only a separate network has figures of its own.
        prefix = "" if phase.optimizer is learners.optimizer else "value_"
        metrics |= {
            f"optim/{prefix}grad_norm": stats.grad_norm,
            f"optim/{prefix}learning_rate": stats.learning_rate,
        }
        if prefix:
            metrics["time/value_seconds"] = time.perf_counter() - started
    policy, value = reduce(add, done.policy).metrics(), reduce(add, done.value).metrics()
    metrics |= {f"policy/{name}": figure for name, figure in policy.items()}
    return metrics | {f"value/{name}": figure for name, figure in value.items()}


def _means(history: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the updates; seconds are added up."""
    names = dict.fromkeys(name for metrics in history for name in metrics)
    columns = {name: [metrics[name] for metrics in history if name in metrics] for name in names}
    return {
        name: sum(values) / (1 if name.startswith("time/") else len(values))
        for name, values in columns.items()
    }
