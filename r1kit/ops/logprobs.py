"""Log-probabilities of given tokens, without holding the vocabulary for more than a few tokens at once.

B rows, T tokens, N tokens in one list, D hidden, V vocabulary. With V = 152,000 the float32 logits of 8,192
tokens take 5 GB, and a plain backward pass keeps several copies. Here the tokens are cut into chunks, and
each chunk's logits are computed again in the backward pass instead of being kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_ELEMENTS: Final = 2**25
"""Logits in a chunk when its size is not given: 128 MiB for each float32 copy, 220 tokens of V = 152,000."""


class TokenScores(NamedTuple):
    """Natural logs and entropies, one a token, in float32 (float64 when the input is)."""

    logprobs: Tensor
    """log p(target)."""
    entropy: Tensor | None
    """Entropy of the distribution in nats, detached (for metrics); None when it was not asked for."""


def token_logprobs(
    logits: Float[Tensor, "B T V"],
    targets: Int[Tensor, "B T"],
    temperature: float = 1.0,
    *,
    with_entropy: bool = False,
    chunk: int | None = None,
) -> TokenScores:
    """log softmax(logits / temperature) at `targets`, [B, T] in float32.

    For logits that exist already. They are turned to float32 `chunk` tokens at a time, in the backward pass
    too. Every target must be a token id (padding needs some valid id). Raises ValueError when `temperature`
    is not above 0.
    """
    _check_temperature(temperature)

    def score(logits: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        return _score(logits, targets, temperature, None, with_entropy)

    flat = (logits.flatten(0, 1), targets.flatten())
    return _unite(_in_chunks(score, flat, chunk, logits.shape[-1]), targets.shape)


def completion_logprobs(
    hidden: Float[Tensor, "N D"],
    head_weight: Float[Tensor, "V D"],
    head_bias: Float[Tensor, " V"] | None,
    targets: Int[Tensor, " N"],
    temperature: float = 1.0,
    *,
    logit_softcap: float | None = None,
    with_entropy: bool = False,
    chunk: int | None = None,
) -> TokenScores:
    """log softmax(logits / temperature) at `targets`, [N] in float32, straight from the last hidden states.

    logits = hidden @ head_weight.T + head_bias, in the dtype of the model as its own head does; then, with
    `logit_softcap` c, c * tanh(logits / c) (Gemma 2, 2024, eq. in section 2). The [N, V] logits never exist
    whole, in either pass; the gradient is that of the plain computation. Raises ValueError when `temperature`
    is not above 0.
    """
    _check_temperature(temperature)

    def score(hidden: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        logits = F.linear(hidden, head_weight, head_bias)
        return _score(logits, targets, temperature, logit_softcap, with_entropy)

    return _unite(_in_chunks(score, (hidden, targets), chunk, len(head_weight)), targets.shape)


def _score(
    logits: Tensor, targets: Tensor, temperature: float, logit_softcap: float | None, with_entropy: bool
) -> tuple[Tensor, ...]:
    """Log-probabilities [N] of one chunk, and its entropies [N] when asked for."""
    if logit_softcap is not None:
        logits = torch.tanh(logits / logit_softcap) * logit_softcap
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if temperature != 1:
        logits = logits / temperature
    log_probabilities = logits.log_softmax(dim=-1)
    logprobs = log_probabilities.gather(-1, targets[:, None]).squeeze(-1)
    if not with_entropy:
        return (logprobs,)
    # entr(p) is -p log p with entr(0) = 0, while 0 * -inf would be nan.
    return logprobs, torch.special.entr(log_probabilities.detach().exp()).sum(dim=-1)


def _in_chunks(
    score: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
    inputs: tuple[Tensor, Tensor],
    chunk: int | None,
    vocabulary: int,
) -> list[tuple[Tensor, ...]]:
    size = max(1, CHUNK_ELEMENTS // vocabulary) if chunk is None else chunk
    pieces = zip(*(torch.split(tensor, size) for tensor in inputs), strict=True)
    if not torch.is_grad_enabled():
        return [score(*piece) for piece in pieces]
    # No randomness inside, so that there is no RNG state to keep.
    return [checkpoint(score, *piece, use_reentrant=False, preserve_rng_state=False) for piece in pieces]


def _unite(chunks: list[tuple[Tensor, ...]], shape: torch.Size) -> TokenScores:
    logprobs, *entropy = (torch.cat(parts).view(shape) for parts in zip(*chunks, strict=True))
    return TokenScores(logprobs, entropy[0] if entropy else None)


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; log-probabilities need one above 0")
