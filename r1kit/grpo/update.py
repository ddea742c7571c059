"""One rollout batch turned into optimizer updates.

Legend: B rows of a micro-batch, T completion tokens, M completion tokens of all its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from r1kit.config.rl import GrpoConfig
from r1kit.grpo.batch import RlBatch, objective_of
from r1kit.models.policy import Policy
from r1kit.objectives.grpo import GrpoLoss, grpo_loss
from r1kit.objectives.grpo_sums import GrpoSums
from r1kit.rl.passes import by_row, forward, reference_logprobs
from r1kit.rl.rows import MicroBatch, RlRow, slice_rows
from r1kit.rl.self_check import gap_metrics
from r1kit.training.forward import unflatten
from r1kit.training.optimizer import Optimizer, StepStats
from r1kit.training.recovery import MicroBatchSize


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Log-probabilities that stay as they are over the updates on a batch, one flat tensor a row.

    They belong to rows and not to micro-batches, so that these can be cut anew. Without `old` the policy is the
    one that sampled, and its own log-probabilities serve.
    """

    reference: Sequence[Tensor] | None
    old: Sequence[Tensor] | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """The gradient of a batch has been accumulated: its sums, and each row's log-probabilities, detached."""

    sums: GrpoSums
    logprobs: list[Tensor]


def update_policy(
    policy: Policy, optimizer: Optimizer, batch: RlBatch, config: GrpoConfig, size: MicroBatchSize
) -> dict[str, float]:
    """Take `algorithm.updates_per_batch` optimizer steps on `batch`; figures of them by metric name.

    At the first update the policy is the one that sampled, so its own log-probabilities serve as the old
    ones and no extra pass is run for them. A batch without rows takes no step (the schedule moves on). An
    update that runs out of memory is done again in smaller micro-batches, see `training.recovery`.
    """
    if not batch.rows:
        for _ in range(config.algorithm.updates_per_batch):
            optimizer.skip()
        return {}
    reference = None
    if config.algorithm.loss_beta > 0:
        reference = reference_logprobs(policy, batch.rows, config.sampling.temperature, size)
    fixed = _Fixed(reference)
    metrics: dict[str, float] = {}
    for update in range(config.algorithm.updates_per_batch):
        done, stats = _one_update(policy, optimizer, batch, fixed, config, size)
        if update == 0:
            fixed = _Fixed(reference, done.logprobs)
            metrics |= gap_metrics(batch.rows, done.logprobs)
        metrics |= {f"policy/{name}": value for name, value in done.sums.metrics().items()}
        metrics |= {"optim/grad_norm": stats.grad_norm, "optim/learning_rate": stats.learning_rate}
    return metrics


def _one_update(
    policy: Policy,
    optimizer: Optimizer,
    batch: RlBatch,
    fixed: _Fixed,
    config: GrpoConfig,
    size: MicroBatchSize,
) -> tuple[_Pass, StepStats]:
    def from_the_start() -> tuple[_Pass, StepStats]:
        done = _accumulate(policy, batch, fixed, config, size)
        size.running(0, 0)
        return done, optimizer.step()

    return size.recover(from_the_start, reset=optimizer.clear_gradient)


def accumulate_gradient(policy: Policy, batch: RlBatch, config: GrpoConfig) -> None:
    """Add the gradient of `batch` in a single micro-batch, as its first update would; for a trial.

    The reference takes every token for certain, so that a KL term costs what it does and needs no pass.
    """
    reference = [torch.zeros(len(row.completion_ids), device=policy.device) for row in batch.rows]
    size = MicroBatchSize(sum(map(len, batch.rows)))
    _accumulate(policy, batch, _Fixed(reference), config, size)


def _accumulate(
    policy: Policy, batch: RlBatch, fixed: _Fixed, config: GrpoConfig, size: MicroBatchSize
) -> _Pass:
    sums: list[GrpoSums] = []
    found: dict[int, Tensor] = {}
    for micro in slice_rows(batch.rows, size.tokens):
        logprobs = forward(policy, micro, config.sampling.temperature, size)
        loss = _loss(logprobs, micro, batch, fixed, config)
        loss.loss.backward()
        sums.append(loss.sums)
        found.update(by_row(logprobs.detach(), micro))
    return _Pass(reduce(add, sums), [found[place] for place in range(len(batch.rows))])


def _loss(logprobs: Tensor, micro: MicroBatch, batch: RlBatch, fixed: _Fixed, config: GrpoConfig) -> GrpoLoss:
    """The share of `micro`, whose completion tokens have `logprobs` [M], in the loss of `batch`."""
    rows = [batch.rows[place] for place in micro.places]
    lengths = [len(row.completion_ids) for row in rows]
    new, mask = unflatten(logprobs, lengths)
    return grpo_loss(
        new,
        new.detach() if fixed.old is None else _matrix(fixed.old, micro, lengths),
        None if fixed.reference is None else _matrix(fixed.reference, micro, lengths),
        torch.tensor([row.advantage for row in rows]).to(new),
        mask,
        objective=objective_of(config.algorithm),
        normalizer=batch.normalizer,
        sampled_logprobs=_sampled(rows, lengths).to(new) if config.algorithm.importance_cap else None,
    )


def _matrix(flat: Sequence[Tensor], micro: MicroBatch, lengths: list[int]) -> Tensor:
    """The rows of `micro` from a flat tensor a row, as [B, T]."""
    return unflatten(torch.cat([flat[place] for place in micro.places]), lengths)[0]


def _sampled(rows: Sequence[RlRow], lengths: list[int]) -> Tensor:
    return unflatten(torch.tensor([value for row in rows for value in row.sampled_logprobs]), lengths)[0]
