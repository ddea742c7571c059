"""From token values to one number, so that micro-batches add up to the full batch.

B completions, T completion tokens. Every aggregation is a sum over the rows at hand divided by a count over
the whole batch. Whichever way the rows are cut into micro-batches, the results (and so the gradients) add up
to those of the batch in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Aggregation = Literal["sequence_mean", "sequence_sum", "token_mean", "constant_length"]


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Counts over the whole batch of one optimizer update (all micro-batches, all processes).

    Raises ValueError when a count is below 1: there would be nothing to train on.
    """

    num_sequences: int
    """Completions, empty ones included."""
    num_tokens: int
    """Trained tokens of all completions."""
    max_tokens: int
    """Longest completion that could have been written; used by "constant_length" alone."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(
                    f"{field.name} of the batch is {getattr(self, field.name)}; must be at least 1"
                )

    @classmethod
    def from_lengths(cls, lengths: Sequence[int], max_tokens: int) -> Normalizer:
        """The counts of a batch whose completions have so many trained tokens."""
        return cls(num_sequences=len(lengths), num_tokens=sum(lengths), max_tokens=max_tokens)


def aggregate(
    values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], how: Aggregation, *, normalizer: Normalizer
) -> Float[Tensor, ""]:
    """The slice's share of the batch's mean of `values` over the tokens where `mask` is True; a scalar.

    "sequence_mean": mean over each completion's tokens, then over completions (DeepSeekMath 2024, eq. 3).
    "sequence_sum": sum over each completion's tokens, mean over completions: a completion is one action, whose
    log-probability is the sum of its tokens' (RLOO, Ahmadian et al. 2024).
    "token_mean": mean over all tokens (DAPO, Yu et al. 2025, eq. 8).
    "constant_length": sum over tokens / (completions * max_tokens) (Dr. GRPO, Liu et al. 2025).
    An empty row contributes 0. Masked values, infinite or NaN ones too, have no effect.
    """
    sums = torch.where(mask, values, 0.0).sum(dim=1)  # where, not multiply: -inf * 0 is nan
    match how:
        case "sequence_mean":
            return (sums / mask.sum(dim=1).clamp(min=1)).sum() / normalizer.num_sequences
        case "sequence_sum":
            return sums.sum() / normalizer.num_sequences
        case "token_mean":
            return sums.sum() / normalizer.num_tokens
        case "constant_length":
            return sums.sum() / (normalizer.num_sequences * normalizer.max_tokens)


def masked_sum(values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, ""]:
    """The sum of `values` where `mask` is True; a scalar that adds up over micro-batches."""
    return torch.where(mask, values, 0.0).sum()
