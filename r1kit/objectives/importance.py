"""Weights for tokens that another program sampled than the one that trains.

B completions, T completion tokens. An engine with its own copy of the weights, or its own kernels, draws from
a distribution that is a little different from the one in training; the weights correct for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Importance:
    """One weight a token, without gradient."""

    weights: Float[Tensor, "B T"]
    """min(p_old / p_sampled, cap); exactly 1 where the mask is False."""
    capped: Bool[Tensor, "B T"]
    """True where the cap decided."""


def truncated_importance(
    old_logprobs: Float[Tensor, "B T"],
    sampled_logprobs: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    cap: float,
) -> Importance:
    """min(exp(old - sampled), cap) for every token where `mask` is True (Yao et al. 2025; Ionides 2008).

    `old_logprobs` are the trainer's before the first update on the batch, `sampled_logprobs` the engine's.
    """
    difference = torch.where(mask, old_logprobs.detach(), 0.0) - torch.where(
        mask, sampled_logprobs.detach(), 0.0
    )
    ratio = difference.exp()
    weights = torch.where(mask, ratio.clamp(max=cap), 1.0)
    return Importance(weights, mask & (ratio > cap))
