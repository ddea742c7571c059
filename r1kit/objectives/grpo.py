"""The loss of Group Relative Policy Optimization.

B completions, T completion tokens. DeepSeekMath (2024), eq. 3; DeepSeek-R1 (2025), eq. 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from r1kit.objectives.aggregate import Aggregation, Normalizer, aggregate, masked_sum
from r1kit.objectives.kl import KlEstimator, kl_estimate, kl_k3
from r1kit.objectives.surrogate import Surrogate, clipped_surrogate


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
    """Sum over tokens of the importance ratio."""
    clipped_low: Int[Tensor, ""]
    """Tokens where the lower clip won the min (negative advantage)."""
    clipped_high: Int[Tensor, ""]
    """Tokens where the upper clip won the min (positive advantage)."""

    def __add__(self, other: GrpoSums) -> GrpoSums:
        """The sums of both slices. Raises ValueError when only one of them had a reference."""
        if (self.kl is None) != (other.kl is None):
            raise ValueError("slices with and without ref_logprobs cannot be added; give all of them or none")
        return GrpoSums(
            surrogate=self.surrogate + other.surrogate,
            num_tokens=self.num_tokens + other.num_tokens,
            kl=None if self.kl is None or other.kl is None else self.kl + other.kl,
            old_kl=self.old_kl + other.old_kl,
            ratio=self.ratio + other.ratio,
            clipped_low=self.clipped_low + other.clipped_low,
            clipped_high=self.clipped_high + other.clipped_high,
        )

    def metrics(self) -> dict[str, float]:
        """Means over tokens by name, once all slices are added; those without samples are absent.

        `surrogate`, `ratio_mean`, `old_kl`, `clip_fraction` (with its `_low` and `_high` part), and `kl` when
        there was a reference.
        """
        result = {"surrogate": self.surrogate.item()}
        num_tokens = int(self.num_tokens)
        if num_tokens == 0:
            return result
        if self.kl is not None:
            result["kl"] = self.kl.item() / num_tokens
        low, high = int(self.clipped_low), int(self.clipped_high)
        return result | {
            "old_kl": self.old_kl.item() / num_tokens,
            "ratio_mean": self.ratio.item() / num_tokens,
            "clip_fraction": (low + high) / num_tokens,
            "clip_fraction_low": low / num_tokens,
            "clip_fraction_high": high / num_tokens,
        }


@dataclass(frozen=True)
class GrpoLoss:
    """A slice's share of the loss, and of the metrics."""

    loss: Float[Tensor, ""]
    """To be minimised: call `backward()` on each slice and step once, without dividing by their number."""
    sums: GrpoSums
    """Detached; add those of all slices, then ask for `metrics()`."""


def grpo_loss(  # noqa: PLR0913  # five tensors, and settings that stand by name
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    ref_logprobs: Float[Tensor, "B T"] | None,
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B T"],
    *,
    clip_eps_low: float,
    clip_eps_high: float,
    beta: float,
    kl_estimator: KlEstimator,
    aggregation: Aggregation,
    normalizer: Normalizer,
) -> GrpoLoss:
    """-aggregate(surrogate - beta * KL) over the tokens where `mask` is True, and additive metrics.

    Log-probabilities in nats. The gradient reaches `logprobs` alone, and at masked positions it is exactly 0
    whatever stands there (-inf and NaN included). `ref_logprobs` may be None when `beta` is 0; with `beta` 0
    and a reference the KL is measured but not in the loss. On-policy (old = new) the ratio is 1: the loss
    says little (0 for balanced advantages), while the gradient is the policy gradient A * grad log p.

    DeepSeekMath (2024), eq. 3 with k3 and "sequence_mean". Raises ValueError for `beta` without a reference.
    """
    if beta != 0 and ref_logprobs is None:
        raise ValueError(f"beta is {beta} but ref_logprobs is None; give the reference or set beta to 0")
    # Filled before any exp: nan in a masked value would become 0 * nan = nan in the gradient. With 0 on both
    # sides the ratio is 1, which is never clipped.
    logprobs = torch.where(mask, logprobs, 0.0)
    old_logprobs = torch.where(mask, old_logprobs.detach(), 0.0)
    surrogate = clipped_surrogate(logprobs, old_logprobs, advantages, clip_eps_low, clip_eps_high)
    objective, kl = surrogate.value, None
    if ref_logprobs is not None:
        ref_logprobs = torch.where(mask, ref_logprobs.detach(), 0.0)
        kl = kl_estimate(kl_estimator, logprobs if beta else logprobs.detach(), ref_logprobs)
        objective = objective - beta * kl if beta else objective
    loss = -aggregate(objective, mask, aggregation, normalizer=normalizer)
    value = aggregate(surrogate.value.detach(), mask, aggregation, normalizer=normalizer)
    old_kl = kl_k3(old_logprobs, logprobs.detach())
    return GrpoLoss(loss, _sums(surrogate, value, old_kl, kl, mask))


def _sums(
    surrogate: Surrogate,
    value: Float[Tensor, ""],
    old_kl: Float[Tensor, "B T"],
    kl: Float[Tensor, "B T"] | None,
    mask: Bool[Tensor, "B T"],
) -> GrpoSums:
    above = surrogate.ratio > 1
    return GrpoSums(
        surrogate=value,
        num_tokens=mask.sum(),
        kl=None if kl is None else masked_sum(kl.detach(), mask),
        old_kl=masked_sum(old_kl, mask),
        ratio=masked_sum(surrogate.ratio, mask),
        clipped_low=(surrogate.clipped & ~above).sum(),
        clipped_high=(surrogate.clipped & above).sum(),
    )
