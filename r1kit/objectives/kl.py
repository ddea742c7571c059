"""Estimators of the KL divergence to a reference policy, one value a token.

B completions, T completion tokens. Each estimates KL(policy || reference) in nats from tokens that the policy
drew. All shapes are [B, T]; nothing is masked or reduced here (see `aggregate`).
Schulman, "Approximating KL divergence" (2020).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

KlEstimator = Literal["k1", "k2", "k3"]


def kl_k1(logprobs: Float[Tensor, "B T"], ref_logprobs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """log p - log q: unbiased, high variance, can be negative.

    As a term of the loss its gradient is that of the log-likelihood, whose expectation is 0: it measures the
    divergence but does not reduce it.
    """
    return logprobs - ref_logprobs


def kl_k2(logprobs: Float[Tensor, "B T"], ref_logprobs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """(log p - log q)^2 / 2: biased, low variance, never negative; on-policy its gradient is the KL's."""
    return (logprobs - ref_logprobs).square() / 2


def kl_k3(logprobs: Float[Tensor, "B T"], ref_logprobs: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """q/p - log(q/p) - 1: unbiased, low variance, never negative (DeepSeekMath 2024, eq. 4).

    Infinite where the reference is more than about e^88 times as likely in float32.
    """
    log_ratio = ref_logprobs - logprobs
    return torch.expm1(log_ratio) - log_ratio  # expm1: exp(x) - 1 loses all digits near x = 0


def kl_estimate(
    name: KlEstimator, logprobs: Float[Tensor, "B T"], ref_logprobs: Float[Tensor, "B T"]
) -> Float[Tensor, "B T"]:
    """The estimator called `name`, [B, T] in nats."""
    estimators = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}
    return estimators[name](logprobs, ref_logprobs)
