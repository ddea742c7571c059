"""From logits to tokens: the transform of the distribution, and seeded draws from it.

Legend: B rows being decoded, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from r1kit.config.sampling import SamplingConfig

_BLOCK = 256


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
        threshold = logprobs.amax(-1, keepdim=True) + float(np.log(sampling.min_p))
        logprobs = _keep(logprobs, logprobs >= threshold)
    return logprobs


def _nucleus(logprobs: Tensor, top_p: float) -> Tensor:
    """Mask [B, V] of the smallest set of most likely tokens whose probability reaches `top_p`."""
    descending, order = logprobs.sort(dim=-1, descending=True)
    probability = descending.exp()
    before = probability.cumsum(-1) - probability
    return torch.zeros_like(order, dtype=torch.bool).scatter(-1, order, before < top_p)


def _keep(logprobs: Tensor, mask: Tensor) -> Tensor:
    return torch.log_softmax(logprobs.masked_fill(~mask, -torch.inf), dim=-1)


def draw(logprobs: Tensor, uniforms: Tensor) -> Tensor:
    """Token ids [B], one a row of `logprobs` [B, V], by inverting the distribution function at `uniforms` [B].

    `uniforms` lie in [0, 1). Sums run in float64, so that a vocabulary of 150,000 entries leaves no token
    unreachable; tokens of probability 0 are never drawn.
    """
    cumulative = logprobs.double().exp().cumsum(-1)
    targets = uniforms.to(cumulative) * cumulative[:, -1]
    return torch.searchsorted(cumulative, targets[:, None], right=True).squeeze(-1)


class UniformStreams:
    """A stream of uniform numbers for each row, from the row's own seed.

    The n-th number of a stream depends on its seed and on n alone (Philox, a counter-based generator), not
    on the rows beside it.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [np.random.Generator(np.random.Philox(seed)) for seed in seeds]
        self._block: np.ndarray = np.empty((len(self._generators), 0), dtype=np.float32)
        self._next = 0

    def draw(self) -> Tensor:
        """The next number of every stream: float32 [B] in [0, 1)."""
        if self._next == self._block.shape[1]:
            blocks = [generator.random(_BLOCK, dtype=np.float32) for generator in self._generators]
            self._block, self._next = np.stack(blocks), 0
        self._next += 1
        return torch.from_numpy(self._block[:, self._next - 1].copy())

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with only these rows, in this order."""
        self._generators = [self._generators[row] for row in rows]
        self._block = self._block[list(rows)]
