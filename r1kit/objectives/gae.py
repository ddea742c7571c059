"""Generalized advantage estimation: how much better a token was than what the value network expected.

B completions, T completion tokens, padded on the right: a row of a mask is True from its beginning to its last token.
An episode is a completion, an action a token. The value of a token is that of the state before it (the prompt and the
tokens so far); the state after the last token ends the episode, and its value is 0.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

VARIANCE_FLOOR: Final = 1e-8
"""Added to the variance in `whiten`, so that rounding noise is not blown up to deviations of 1."""


class TokenAdvantages(NamedTuple):
    """One number a token, without gradient, exactly 0 where the mask is False."""

    advantages: Tensor
    """[B, T] in units of the reward."""
    returns: Tensor
    """[B, T], advantages plus values: what the value network is to predict (its TD(lambda) target)."""


def token_rewards(
    scores: Float[Tensor, " B"], kl: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], beta: float
) -> Float[Tensor, "B T"]:
    """-beta * kl at every token, and the completion's score added at its last one; 0 where the mask is False.

    `kl` is an estimate a token of KL(policy that sampled || reference), in nats (Ziegler et al. 2019, eq. 2; Ouyang et
    al. 2022, eq. 2). A completion without tokens has no place for its score.
    """
    last = mask & (torch.arange(mask.shape[1], device=mask.device) == mask.sum(dim=1, keepdim=True) - 1)
    penalties = torch.where(mask, -beta * kl, 0.0)
    return penalties + torch.where(last, scores[:, None], 0.0)


def generalized_advantages(
    rewards: Float[Tensor, "B T"],
    values: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    gamma: float,
    lam: float,
) -> TokenAdvantages:
    """GAE(gamma, lambda) and the returns, both [B, T]; masked rewards and values have no effect.

        delta_t = r_t + gamma * V_(t+1) - V_t,    A_t = delta_t + gamma * lambda * A_(t+1)

    Schulman et al. (2016), eq. 16. With lambda 1 a return is the discounted sum of rewards to come, with lambda 0 it is
    r_t + gamma * V_(t+1).
    """
    rewards = torch.where(mask, rewards, 0.0)
    values = torch.where(mask, values, 0.0)
    advantages = torch.zeros_like(values)
    ahead = next_value = torch.zeros_like(values[:, 0])
    for token in range(values.shape[1] - 1, -1, -1):
        delta = rewards[:, token] + gamma * next_value - values[:, token]
        # Rewards and values are 0 behind the last token, so nothing reaches a row before its end.
        ahead = delta + gamma * lam * ahead
        next_value = values[:, token]
        advantages[:, token] = ahead
    return TokenAdvantages(advantages, advantages + values)


def whiten(
    values: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], *, shift_mean: bool = True
) -> Float[Tensor, "B T"]:
    """`values` scaled to variance 1 over the tokens where `mask` is True, with mean 0 if `shift_mean`, else their own.

    The variance is the sample's (divisor: tokens - 1). 0 where the mask is False; values that are all equal become 0
    (with `shift_mean`).
    """
    count = mask.sum()
    mean = torch.where(mask, values, 0.0).sum() / count.clamp(min=1)
    centred = torch.where(mask, values - mean, 0.0)
    variance = centred.square().sum() / (count - 1).clamp(min=1)
    scaled = centred * (variance + VARIANCE_FLOOR).rsqrt()
    return scaled if shift_mean else torch.where(mask, scaled + mean, 0.0)
