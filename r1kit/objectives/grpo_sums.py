"""What the slices of a batch add to the metrics of an update.

B completions, T completion tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from r1kit.objectives.aggregate import masked_sum
from r1kit.objectives.importance import Importance
from r1kit.objectives.kl import kl_k3
from r1kit.objectives.surrogate import Surrogate


@dataclass(frozen=True)
class GrpoSums:
    """What a slice of the batch adds to the metrics: detached scalars, so that slices can be added with +."""

    surrogate: Float[Tensor, ""]
    """The slice's share of the aggregated surrogate (already divided by the batch's normaliser)."""
    num_tokens: Int[Tensor, ""]
    """Trained tokens."""
    kl: Float[Tensor, ""] | None
    """Sum over tokens of the KL estimate to the reference; None without a reference."""
    old_kl: Float[Tensor, ""]
    """Sum over tokens of the k3 estimate of KL(policy that sampled || policy in training)."""
    ratio: Float[Tensor, ""]
    """Sum over tokens of the importance ratio; of the completion's where that is one number."""
    clipped_low: Int[Tensor, ""]
    """Tokens where the lower clip decided (for `clipped_surrogate`: negative advantage)."""
    clipped_high: Int[Tensor, ""]
    """Tokens where the upper clip decided (for `clipped_surrogate`: positive advantage)."""
    importance: Float[Tensor, ""] | None = None
    """Sum over tokens of the truncated importance weights; None without them."""
    importance_capped: Int[Tensor, ""] | None = None
    """Tokens whose weight is the cap; None without weights."""

    def __add__(self, other: GrpoSums) -> GrpoSums:
        """The sums of both slices. Raises ValueError when only one of them had a reference, or weights."""
        if (self.kl is None) != (other.kl is None):
            raise ValueError("slices with and without ref_logprobs cannot be added; give all of them or none")
        if (self.importance is None) != (other.importance is None):
            raise ValueError("slices with and without importance weights cannot be added")
        totals: dict[str, Any] = {}
        for field in fields(self):
            ours = getattr(self, field.name)
            totals[field.name] = None if ours is None else ours + getattr(other, field.name)
        return GrpoSums(**totals)

    def metrics(self) -> dict[str, float]:
        """Means over tokens by name, once all slices are added; those without samples are absent.

        `surrogate`, `ratio_mean`, `old_kl`, `clip_fraction` (with its `_low` and `_high` part); `kl` when there
        was a reference; `importance_mean` and `importance_capped_rate` when there were weights.
        """
        num_tokens = int(self.num_tokens)
        if num_tokens == 0:
            return {"surrogate": self.surrogate.item()}
        low, high = int(self.clipped_low), int(self.clipped_high)
        means = {
            "kl": self.kl,
            "old_kl": self.old_kl,
            "ratio_mean": self.ratio,
            "importance_mean": self.importance,
            "importance_capped_rate": self.importance_capped,
        }
        return {
            "surrogate": self.surrogate.item(),
            "clip_fraction": (low + high) / num_tokens,
            "clip_fraction_low": low / num_tokens,
            "clip_fraction_high": high / num_tokens,
        } | {name: total.item() / num_tokens for name, total in means.items() if total is not None}


def sums_of(
    surrogate: Surrogate,
    share: Float[Tensor, ""],
    old_logprobs: Float[Tensor, "B T"],
    logprobs: Float[Tensor, "B T"],
    kl: Float[Tensor, "B T"] | None,
    importance: Importance | None,
    mask: Bool[Tensor, "B T"],
) -> GrpoSums:
    """The sums of a slice over the tokens where `mask` is True; `share` is its aggregated surrogate."""
    above, clipped = surrogate.ratio > 1, surrogate.clipped & mask
    return GrpoSums(
        surrogate=share,
        num_tokens=mask.sum(),
        kl=None if kl is None else masked_sum(kl.detach(), mask),
        old_kl=masked_sum(kl_k3(old_logprobs, logprobs), mask),
        ratio=masked_sum(surrogate.ratio, mask),
        clipped_low=(clipped & ~above).sum(),
        clipped_high=(clipped & above).sum(),
        importance=None if importance is None else masked_sum(importance.weights, mask),
        importance_capped=None if importance is None else importance.capped.sum(),
    )
