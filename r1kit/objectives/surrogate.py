"""The clipped surrogate objective of PPO, one value a token.

B completions, T completion tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Surrogate:
    """The objective (to be maximised) with what it was made of; only `value` carries a gradient."""

    value: Float[Tensor, "B T"]
    """min(ratio * A, clip(ratio) * A)."""
    ratio: Float[Tensor, "B T"]
    """exp(logprobs - old_logprobs), detached."""
    clipped: Bool[Tensor, "B T"]
    """True where the clip won the min, and the gradient is therefore 0."""


def clipped_surrogate(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    advantages: Float[Tensor, " B"],
    clip_eps_low: float,
    clip_eps_high: float,
) -> Surrogate:
    """min(ratio * A, clip(ratio, 1 - low, 1 + high) * A) for every token, [B, T], in units of the advantage.

    Schulman et al. (2017), eq. 7; separate bounds as in DAPO (Yu et al. 2025). The gradient reaches
    `logprobs` alone. An overflowing ratio is finite with gradient 0 where the clip wins (A > 0) or A is 0;
    where the objective has no bound (A < 0) the value is -inf, which the training loop must refuse.
    """
    log_ratio = logprobs - old_logprobs.detach()
    advantage = advantages.detach()[:, None]
    ratio = log_ratio.detach().exp()
    too_high = (ratio > 1 + clip_eps_high) & (advantage > 0)
    too_low = (ratio < 1 - clip_eps_low) & (advantage < 0)
    clipped = too_high | too_low
    bounded = torch.where(too_high, (1 + clip_eps_high) * advantage, (1 - clip_eps_low) * advantage)
    # Filled before exp: the min's unused branch would give 0 * inf = nan in the value or the gradient.
    unclipped = log_ratio.masked_fill(clipped | (advantage == 0), 0.0).exp() * advantage
    return Surrogate(torch.where(clipped, bounded, unclipped), ratio, clipped)
