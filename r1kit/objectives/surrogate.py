"""The surrogate objectives of the policy gradient, one value a token.

B completions, T completion tokens. Each takes the log of the importance ratio, whose gradient is that of the
log-probabilities (see `log_ratio`), and is to be maximised. Advantages are one number a completion (GRPO) or one a
token (PPO).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

RatioLevel = Literal["token", "sequence"]
Advantages = Float[Tensor, " B"] | Float[Tensor, "B T"]
"""Of completions, or of their tokens."""


@dataclass(frozen=True)
class Surrogate:
    """The objective (to be maximised) with what it was made of; only `value` carries a gradient."""

    value: Float[Tensor, "B T"]
    """In units of the advantage (times nats for `cispo_surrogate`)."""
    ratio: Float[Tensor, "B T"]
    """The importance ratio before any clip, detached."""
    clipped: Bool[Tensor, "B T"]
    """True where the clip decided the value."""


def log_ratio(
    logprobs: Float[Tensor, "B T"],
    old_logprobs: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    level: RatioLevel = "token",
) -> Float[Tensor, "B T"]:
    """log p_new - log p_old where `mask` is True, exactly 0 elsewhere; the gradient reaches `logprobs` alone.

    "token": of each token. "sequence": of each completion, divided by its length, at each of its tokens (GSPO,
    Zheng et al. 2025, eq. 7); the gradient of each value reaches every token of the completion.
    """
    # Filled before anything is computed: nan in a masked value would become 0 * nan = nan in the gradient.
    difference = torch.where(mask, logprobs, 0.0) - torch.where(mask, old_logprobs.detach(), 0.0)
    if level == "token":
        return difference
    mean = difference.sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(mask, mean, 0.0)


def clipped_surrogate(
    log_ratios: Float[Tensor, "B T"],
    advantages: Advantages,
    clip_eps_low: float,
    clip_eps_high: float,
) -> Surrogate:
    """min(ratio * A, clip(ratio, 1 - low, 1 + high) * A) for every token, [B, T].

    Schulman et al. (2017), eq. 7; separate bounds as in DAPO (Yu et al. 2025); with ratios of sequences GSPO
    (Zheng et al. 2025, eq. 5). `clipped` is where the clip won the min, and the gradient is therefore 0. An
    overflowing ratio is finite with gradient 0 where the clip wins (A > 0) or A is 0; where the objective has
    no bound (A < 0) the value is -inf, which the training loop must refuse.
    """
    advantage = _by_token(advantages)
    ratio = log_ratios.detach().exp()
    too_high = (ratio > 1 + clip_eps_high) & (advantage > 0)
    too_low = (ratio < 1 - clip_eps_low) & (advantage < 0)
    clipped = too_high | too_low
    bounded = torch.where(too_high, (1 + clip_eps_high) * advantage, (1 - clip_eps_low) * advantage)
    # Filled before exp: the min's unused branch would give 0 * inf = nan in the value or the gradient.
    unclipped = log_ratios.masked_fill(clipped | (advantage == 0), 0.0).exp() * advantage
    return Surrogate(torch.where(clipped, bounded, unclipped), ratio, clipped)


def unclipped_surrogate(log_ratios: Float[Tensor, "B T"], advantages: Advantages) -> Surrogate:
    """ratio * A for every token, [B, T]: plain importance sampling, nothing is ever clipped.

    On-policy its gradient is that of REINFORCE. A token whose advantage is 0 adds 0, whatever its ratio.
    """
    advantage = _by_token(advantages)
    value = log_ratios.masked_fill(advantage == 0, 0.0).exp() * advantage
    return Surrogate(value, log_ratios.detach().exp(), torch.zeros_like(value, dtype=torch.bool))


def cispo_surrogate(
    logprobs: Float[Tensor, "B T"],
    log_ratios: Float[Tensor, "B T"],
    advantages: Advantages,
    clip_eps_low: float,
    clip_eps_high: float,
) -> Surrogate:
    """clip(ratio, 1 - low, 1 + high) * A * log p for every token, [B, T], the clipped ratio being a constant.

    CISPO (MiniMax-M1, 2025, eq. 4 and 5): the clip bounds a token's weight and never takes its gradient away,
    as that of `clipped_surrogate` does. `clipped` is where the ratio lay outside the bounds.
    """
    ratio = log_ratios.detach().exp()
    low, high = 1 - clip_eps_low, 1 + clip_eps_high
    value = ratio.clamp(low, high) * _by_token(advantages) * logprobs
    return Surrogate(value, ratio, (ratio < low) | (ratio > high))


def _by_token(advantages: Advantages) -> Float[Tensor, "B T"]:
    """As constants that go with [B, T]: a completion's is that of each of its tokens."""
    return advantages.detach() if advantages.ndim == 2 else advantages.detach()[:, None]
