"""From logits to tokens: the transform of the distribution, and seeded draws from it.

Legend: B rows being decoded, V vocabulary.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from r1kit.config.sampling import SamplingConfig

_LIKELY: Final = 1024
"""Tokens among which a nucleus is looked for first; only a row whose nucleus is larger needs all of them sorted."""
_BLOCK: Final = 256


def sample(logits: Tensor, sampling: SamplingConfig, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """A token a row of `logits` [B, V], and the log-probability it was drawn with: int64 [B], float32 [B].

    The log-probability is that of the very distribution the token came from, see `sampling_logprobs`.
    `uniforms` [B] in [0, 1) decide; without them being equal, nothing is random.
    """
    if sampling.temperature == 0:
        tokens = logits.argmax(-1)
        return tokens, torch.zeros(len(tokens), device=logits.device)
    if sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0:
        logprobs = sampling_logprobs(logits, sampling)
        tokens = draw(logprobs, uniforms)
        return tokens, logprobs.gather(-1, tokens[:, None]).squeeze(-1)
    # Nothing is filtered: the normaliser is the sum that drawing needs anyway, and one exp is all.
    scaled = logits.float() / sampling.temperature if sampling.temperature != 1 else logits.float()
    top = scaled.amax(-1, keepdim=True)
    tokens, totals = _invert((scaled - top).exp_(), uniforms)
    chosen = scaled.gather(-1, tokens[:, None]).squeeze(-1) - top.squeeze(-1)
    return tokens, (chosen.double() - totals.log()).float()


def sampling_logprobs(logits: Tensor, sampling: SamplingConfig) -> Tensor:
    """Natural log-probabilities [B, V], float32, of the distribution that tokens are drawn from.

    `logits` [B, V] are divided by the temperature; top-k, top-p and min-p then remove tokens (their
    log-probability is -inf) and the rest is normalised again. Each filter sees the distribution the one
    before it left. Under greedy decoding (temperature 0) the most likely token has log-probability 0.
    """
    logits = logits.float()
    if sampling.temperature == 0:
        best = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)
    logprobs = torch.log_softmax(logits / sampling.temperature, dim=-1)
    if 0 < sampling.top_k < logits.shape[-1]:
        threshold = logprobs.topk(sampling.top_k, dim=-1).values[:, -1:]
        logprobs = _keep(logprobs, logprobs >= threshold)
    if sampling.top_p < 1:
        logprobs = _keep(logprobs, _nucleus(logprobs, sampling.top_p))
    if sampling.min_p > 0:
        threshold = logprobs.amax(-1, keepdim=True) + math.log(sampling.min_p)
        logprobs = _keep(logprobs, logprobs >= threshold)
    return logprobs


def _nucleus(logprobs: Tensor, top_p: float) -> Tensor:
    """Mask [B, V] of the smallest set of most likely tokens whose probability reaches `top_p`."""
    size = min(_LIKELY, logprobs.shape[-1])
    descending, order = logprobs.topk(size, dim=-1)
    if size < logprobs.shape[-1] and bool((descending.exp().sum(-1) < top_p).any()):
        descending, order = logprobs.sort(dim=-1, descending=True)
    probability = descending.exp()
    before = probability.cumsum(-1) - probability
    return torch.zeros_like(logprobs, dtype=torch.bool).scatter(-1, order, before < top_p)


def _keep(logprobs: Tensor, mask: Tensor) -> Tensor:
    return torch.log_softmax(logprobs.masked_fill(~mask, -torch.inf), dim=-1)


def draw(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Token ids [B], one a row of `logprobs` [B, V], by inverting the distribution function at `uniforms` [B].

    `uniforms` lie in [0, 1). Sums run in float64 over blocks, so that a vocabulary of 150,000 entries leaves no
    token unreachable; tokens of probability 0 are never drawn.
    """
    return _invert(logprobs.exp(), uniforms)[0]


def _invert(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """For each row of `weights` [B, V] the first place where their running sum exceeds its uniform share.

    int64 [B], and the sum of each row, float64 [B]. First the block of tokens is found, then the place in it,
    so that no running sum of the whole vocabulary is made.
    """
    vocabulary = weights.shape[-1]
    whole = vocabulary // _BLOCK * _BLOCK
    blocks = weights[:, :whole].unflatten(-1, (-1, _BLOCK)).sum(-1)
    if whole < vocabulary:
        blocks = torch.cat([blocks, weights[:, whole:].sum(-1, keepdim=True)], dim=-1)
    sums = blocks.double()
    cumulative = sums.cumsum(-1)
    totals = cumulative[:, -1]
    targets = uniforms.to(cumulative) * totals
    block = torch.searchsorted(cumulative, targets[:, None], right=True)
    inside = sums.gather(-1, block)
    share = (targets[:, None] - cumulative.gather(-1, block) + inside) / inside
    places = block * _BLOCK + torch.arange(_BLOCK, device=weights.device)
    within = weights.gather(-1, places.clamp(max=vocabulary - 1)).double() * (places < vocabulary)
    running = within.cumsum(-1)
    place = torch.searchsorted(running, share.clamp(0, 1) * running[:, -1:], right=True)
    # Rounding may push a target onto the very end: the last token that can be drawn is meant.
    last = _BLOCK - 1 - (within > 0).flip(-1).int().argmax(-1, keepdim=True)
    return (block * _BLOCK + torch.minimum(place, last)).squeeze(-1), totals
