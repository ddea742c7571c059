"""One rollout batch turned into optimizer updates.

Legend: B rows of a micro-batch, T completion tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from r1kit.config.stages import GrpoConfig
from r1kit.grpo.batch import MicroBatch, RlBatch, slice_batch
from r1kit.models.policy import Policy
from r1kit.objectives.grpo import GrpoSums, grpo_loss
from r1kit.training.forward import trained_logprobs, unflatten
from r1kit.training.optimizer import Optimizer


@dataclass(slots=True)
class _Slice:
    """A micro-batch with the log-probabilities that stay fixed over its updates."""

    batch: MicroBatch
    ref_logprobs: Tensor | None
    old_logprobs: Tensor | None = None


def update_policy(
    policy: Policy, optimizer: Optimizer, batch: RlBatch, config: GrpoConfig
) -> dict[str, float]:
    """Take `algorithm.updates_per_batch` optimizer steps on `batch`; figures of them by metric name.

    At the first update the policy is the one that sampled, so its own log-probabilities serve as the old
    ones and no extra pass is run for them. A batch without rows takes no step (the schedule moves on).
    """
    if not batch.rows:
        for _ in range(config.algorithm.updates_per_batch):
            optimizer.skip()
        return {}
    slices = [
        _Slice(micro, _reference_logprobs(policy, micro, config))
        for micro in slice_batch(batch, config.batching.micro_batch_tokens, policy.pad_token_id)
    ]
    metrics: dict[str, float] = {}
    for update in range(config.algorithm.updates_per_batch):
        parts: list[GrpoSums] = []
        gaps: list[Tensor] = []
        for piece in slices:
            sums, logprobs, mask = _backward(policy, piece, batch, config)
            parts.append(sums)
            if update == 0:
                gaps.append((logprobs - piece.batch.sampled_logprobs.to(logprobs)).abs()[mask])
        stats = optimizer.step()
        if gaps:
            gap = torch.cat(gaps)
            metrics |= {
                "policy/sampling_gap_mean": gap.mean().item(),
                "policy/sampling_gap_max": gap.max().item(),
            }
        metrics |= {f"policy/{name}": value for name, value in reduce(add, parts).metrics().items()}
        metrics |= {"optim/grad_norm": stats.grad_norm, "optim/learning_rate": stats.learning_rate}
    return metrics


def _forward(policy: Policy, micro: MicroBatch, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probabilities [B, T] of the completion tokens, and their mask [B, T]."""
    return unflatten(trained_logprobs(policy, micro.tokens, temperature=temperature), micro.lengths)


def _reference_logprobs(policy: Policy, micro: MicroBatch, config: GrpoConfig) -> Tensor | None:
    if config.algorithm.beta == 0:
        return None
    with policy.reference(), torch.no_grad():
        return _forward(policy, micro, config.sampling.temperature)[0]


def _backward(
    policy: Policy, piece: _Slice, batch: RlBatch, config: GrpoConfig
) -> tuple[GrpoSums, Tensor, Tensor]:
    """Add this slice's share of the gradient; its sums, and its log-probabilities with their mask."""
    algorithm = config.algorithm
    logprobs, mask = _forward(policy, piece.batch, config.sampling.temperature)
    if piece.old_logprobs is None:
        piece.old_logprobs = logprobs.detach()
    loss = grpo_loss(
        logprobs,
        piece.old_logprobs,
        piece.ref_logprobs,
        piece.batch.advantages.to(logprobs),
        mask,
        clip_eps_low=algorithm.clip_eps_low,
        clip_eps_high=algorithm.clip_eps_high,
        beta=algorithm.beta,
        kl_estimator=algorithm.kl_estimator,
        aggregation=algorithm.aggregation,
        normalizer=batch.normalizer,
    )
    loss.loss.backward()
    return loss.sums, logprobs.detach(), mask
