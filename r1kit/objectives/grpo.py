"""The loss of Group Relative Policy Optimization and of its variants.

B completions, T completion tokens. DeepSeekMath (2024), eq. 3; DeepSeek-R1 (2025), eq. 1. A variant is an
`Objective`: the same parts, put together otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from r1kit.objectives.aggregate import Aggregation, Normalizer, aggregate
from r1kit.objectives.grpo_sums import GrpoSums, sums_of
from r1kit.objectives.importance import Importance, truncated_importance
from r1kit.objectives.kl import KlEstimator, kl_estimate
from r1kit.objectives.surrogate import (
    Advantages,
    RatioLevel,
    Surrogate,
    cispo_surrogate,
    clipped_surrogate,
    log_ratio,
    unclipped_surrogate,
)


@dataclass(frozen=True, slots=True)
class Objective:
    """Which parts the loss is made of; the defaults are the article's without its KL term.

    Raises ValueError for an `importance_cap` that is not above 0.
    """

    surrogate: Literal["clipped", "unclipped", "cispo"] = "clipped"
    ratio: RatioLevel = "token"
    """Of which the importance ratio is one number."""
    clip_eps_low: float = 0.2
    clip_eps_high: float = 0.2
    beta: float = 0.0
    """Weight of the KL term in the loss."""
    kl_estimator: KlEstimator = "k3"
    aggregation: Aggregation = "sequence_mean"
    importance_cap: float | None = None
    """Cap of the weight p_old / p_sampled of a token; None leaves the weights out."""

    def __post_init__(self) -> None:
        if self.importance_cap is not None and not self.importance_cap > 0:
            raise ValueError(f"importance_cap is {self.importance_cap}; it must be above 0, or None for none")


@dataclass(frozen=True)
class GrpoLoss:
    """A slice's share of the loss, and of the metrics."""

    loss: Float[Tensor, ""]
    """To be minimised: call `backward()` on each slice and step once, without dividing by their number."""
    sums: GrpoSums
    """Detached; add those of all slices, then ask for `metrics()`."""


def grpo_loss(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    ref_logprobs: Float[Tensor, "B T"] | None,
    advantages: Advantages,
    mask: Bool[Tensor, "B T"],
    *,
    objective: Objective,
    normalizer: Normalizer,
    sampled_logprobs: Float[Tensor, "B T"] | None = None,
) -> GrpoLoss:
    """-aggregate(surrogate - beta * KL) over the tokens where `mask` is True, and additive metrics.

    Log-probabilities in nats. The gradient reaches `logprobs` alone, and at masked positions it is exactly 0
    whatever stands there (-inf and NaN included). `ref_logprobs` may be None when `beta` is 0; with `beta` 0
    and a reference the KL is measured but not in the loss. On-policy (old = new) the ratio is 1: the loss
    says little (0 for balanced advantages), while the gradient is the policy gradient A * grad log p.
    `sampled_logprobs` are those of the engine that sampled; only `importance_cap` needs them.

    Raises ValueError for `beta` without a reference, and for `importance_cap` without `sampled_logprobs`.
    """
    if objective.beta != 0 and ref_logprobs is None:
        raise ValueError(
            f"beta is {objective.beta} but ref_logprobs is None; give the reference or set beta to 0"
        )
    # Filled before anything is computed: nan in a masked value would become 0 * nan = nan in the gradient.
    logprobs = torch.where(mask, logprobs, 0.0)
    old_logprobs = torch.where(mask, old_logprobs.detach(), 0.0)
    surrogate = _surrogate(logprobs, old_logprobs, advantages, mask, objective)
    importance = _importance(old_logprobs, sampled_logprobs, mask, objective)
    gain = surrogate.value if importance is None else importance.weights * surrogate.value
    kl = _kl(logprobs, ref_logprobs, mask, objective)
    value = gain if kl is None or objective.beta == 0 else gain - objective.beta * kl
    loss = -aggregate(value, mask, objective.aggregation, normalizer=normalizer)
    share = aggregate(gain.detach(), mask, objective.aggregation, normalizer=normalizer)
    return GrpoLoss(loss, sums_of(surrogate, share, old_logprobs, logprobs.detach(), kl, importance, mask))


def _surrogate(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    advantages: Advantages,
    mask: Bool[Tensor, "B T"],
    objective: Objective,
) -> Surrogate:
    log_ratios = log_ratio(logprobs, old_logprobs, mask, objective.ratio)
    low, high = objective.clip_eps_low, objective.clip_eps_high
    match objective.surrogate:
        case "clipped":
            return clipped_surrogate(log_ratios, advantages, low, high)
        case "unclipped":
            return unclipped_surrogate(log_ratios, advantages)
        case "cispo":
            return cispo_surrogate(logprobs, log_ratios, advantages, low, high)


def _importance(
    old_logprobs: Float[Tensor, "B T"],
    sampled_logprobs: Float[Tensor, "B T"] | None,
    mask: Bool[Tensor, "B T"],
    objective: Objective,
) -> Importance | None:
    if objective.importance_cap is None:
        return None
    if sampled_logprobs is None:
        raise ValueError(
            f"importance_cap is {objective.importance_cap} but sampled_logprobs is None; give those of the engine"
        )
    return truncated_importance(old_logprobs, sampled_logprobs, mask, objective.importance_cap)


def _kl(
    logprobs: Float[Tensor, "B T"],
    ref_logprobs: Float[Tensor, "B T"] | None,
    mask: Bool[Tensor, "B T"],
    objective: Objective,
) -> Float[Tensor, "B T"] | None:
    if ref_logprobs is None:
        return None
    ref_logprobs = torch.where(mask, ref_logprobs.detach(), 0.0)
    return kl_estimate(
        objective.kl_estimator, logprobs if objective.beta else logprobs.detach(), ref_logprobs
    )
