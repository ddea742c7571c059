"""Forward passes over the rows of a batch, micro-batch by micro-batch.

Legend: M completion tokens of a micro-batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from r1kit.models.folding import folded_adapters
from r1kit.models.policy import Policy
from r1kit.objectives.kl import KlEstimator, kl_estimate
from r1kit.rl.rows import MicroBatch, RlRow, slice_rows
from r1kit.training.forward import trained_logprobs, tree_batch
from r1kit.training.recovery import MicroBatchSize


def forward(policy: Policy, micro: MicroBatch, temperature: float, size: MicroBatchSize) -> Tensor:
    """Log-probabilities [M] of the completion tokens of `micro` at `temperature`, row after row."""
    batch = tree_batch(policy, micro.trees)
    size.running(len(micro.places), len(batch.packed.input_ids))
    return trained_logprobs(policy, batch, temperature=temperature).logprobs


def measured_logprobs(
    policy: Policy, rows: Sequence[RlRow], temperature: float, size: MicroBatchSize
) -> list[Tensor]:
    """Log-probabilities of each row's tokens, without gradient; smaller micro-batches when memory runs out."""
    return size.recover(lambda: _measure(policy, rows, temperature, size), reset=lambda: None)


def reference_logprobs(
    policy: Policy, rows: Sequence[RlRow], temperature: float, size: MicroBatchSize
) -> list[Tensor]:
    """As `measured_logprobs`, of the frozen reference."""
    with policy.reference(), folded_adapters(policy.model):
        return measured_logprobs(policy, rows, temperature, size)


def summed_kl(rows: Sequence[RlRow], references: Sequence[Tensor], estimator: KlEstimator) -> list[float]:
    """For each row the estimate of KL(policy that sampled || reference), summed over its tokens, in nats."""
    return [
        kl_estimate(estimator, torch.tensor([row.sampled_logprobs]).to(reference), reference[None])
        .sum()
        .item()
        for row, reference in zip(rows, references, strict=True)
    ]


def by_row(values: Tensor, micro: MicroBatch) -> list[tuple[int, Tensor]]:
    """Values [M] of a micro-batch as pairs of a row's place and its own values."""
    lengths = [len(completion) for tree in micro.trees for completion in tree.completions]
    return list(zip(micro.places, values.split(lengths), strict=True))


def _measure(policy: Policy, rows: Sequence[RlRow], temperature: float, size: MicroBatchSize) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        for micro in slice_rows(rows, size.tokens):
            found.update(by_row(forward(policy, micro, temperature, size), micro))
    return [found[place] for place in range(len(rows))]
