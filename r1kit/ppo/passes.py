"""Forward passes of PPO, micro-batch by micro-batch.

Legend: M completion tokens of a micro-batch.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from r1kit.models.policy import Policy
from r1kit.models.value_network import SharedValueHead, ValueNetwork
from r1kit.rl.passes import by_row
from r1kit.rl.rows import MicroBatch, RlRow, slice_rows
from r1kit.training.forward import hidden_logprobs, trained_hidden, tree_batch
from r1kit.training.recovery import MicroBatchSize


def value_forward(policy: Policy, network: ValueNetwork, micro: MicroBatch, size: MicroBatchSize) -> Tensor:
    """The value [M] of the state before each completion token of `micro`, row after row."""
    # The value network stands on the policy's base, so both take the same layout.
    batch = tree_batch(policy, micro.trees)
    size.running(len(micro.places), len(batch.packed.input_ids))
    return network.values(batch.packed)


def joint_forward(
    policy: Policy, head: SharedValueHead, micro: MicroBatch, temperature: float, size: MicroBatchSize
) -> tuple[Tensor, Tensor]:
    """Log-probabilities [M] at `temperature` and values [M] of `micro`, from one pass through the policy."""
    batch = tree_batch(policy, micro.trees)
    size.running(len(micro.places), len(batch.packed.input_ids))
    hidden = trained_hidden(policy, batch)
    logprobs = hidden_logprobs(policy, hidden, batch, temperature=temperature).logprobs
    return logprobs, head.values_of(hidden)


def measured_values(
    policy: Policy, network: ValueNetwork, rows: Sequence[RlRow], size: MicroBatchSize
) -> list[Tensor]:
    """The values of each row's tokens, without gradient; smaller micro-batches when memory runs out."""

    def measure() -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for micro in slice_rows(rows, size.tokens):
            found.update(by_row(value_forward(policy, network, micro, size), micro))
        return [found[place] for place in range(len(rows))]

    with network.measuring():
        return size.recover(measure, reset=lambda: None)
