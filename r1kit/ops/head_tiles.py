"""The softmax of an output head, read one tile of the vocabulary at a time.

R tokens of a chunk, D hidden, V vocabulary, W columns of a tile. Numbers of a token are columns [R, 1]. They are
float32, float64 when the head is; products with the head are in its dtype and summed in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_BELOW_ALL: Final = -1e30
"""Less than any logit; not -inf, whose difference to itself is nan."""
_ALIGNMENT: Final = 64
"""Tiles start at its multiples: products of odd widths are slow on GPUs."""
_FEW_TOKENS: Final = 8
"""Up to here a CPU reads a large head up to four times as fast when the tokens are the right factor."""


@dataclass(frozen=True, slots=True)
class Head:
    """An output layer and what happens to its logits before the softmax.

    Attributes:
        weight: [V, D].
        bias: [V] or None.
        temperature: Divides the logits, after the cap.
        softcap: Logits become softcap * tanh(logits / softcap); None leaves them (Gemma 2, 2024, section 2).
    """

    weight: Tensor
    bias: Tensor | None
    temperature: float
    softcap: float | None

    def tiles(self, width: int) -> Iterator[slice]:
        """The vocabulary in order, about `width` columns a tile."""
        step = max(_ALIGNMENT, width // _ALIGNMENT * _ALIGNMENT)
        return (slice(first, first + step) for first in range(0, len(self.weight), step))

    def logits(self, hidden: Tensor, tile: slice) -> Tensor:
        """Logits [R, W], capped, before the temperature; without gradients."""
        with torch.no_grad():
            logits = _product(hidden, self.weight[tile], None if self.bias is None else self.bias[tile])
            logits = logits.to(number_dtype(logits))
            return logits if self.softcap is None else logits.div_(self.softcap).tanh_().mul_(self.softcap)

    def slopes(self, logits: Tensor) -> Tensor | None:
        """d logits / d logits before the cap, [R, W]; None where they are not capped, as it is 1."""
        if self.softcap is None:
            return None
        return torch.addcmul(logits.new_ones(()), logits, logits, value=-1 / self.softcap**2)


class Scores(NamedTuple):
    """What a softmax says of its targets."""

    logprobs: Tensor
    maximum: Tensor
    """The largest logit."""
    total: Tensor
    """Sum of exp(logit - maximum)."""
    rest: Tensor
    """1 - p(target), without the rounding of that difference."""

    def part(self, rows: slice) -> Scores:
        """The scores of some tokens."""
        return Scores(*(column[rows] for column in self))


class Softmax:
    """The softmax of R tokens over the tiles read so far (Milakov & Gimelshein 2018, algorithm 3).

    The target is kept apart from all other tokens: 1 - p(target) as a sum over the others has all its digits
    where the policy is sure, and so has the gradient in half precision.
    """

    def __init__(self, head: Head, hidden: Tensor, targets: Tensor, *, entropy: bool, gradient: bool) -> None:
        self._head, self._hidden, self._targets = head, hidden, targets
        zeros = hidden.new_zeros((len(hidden), 1), dtype=number_dtype(hidden))
        self._maximum = torch.full_like(zeros, _BELOW_ALL)
        self._others = zeros
        self._target_logit = zeros
        self._target_slope = torch.ones_like(zeros)
        self._wants_entropy, self._spread = entropy, zeros
        self._wants_gradient = gradient
        self._pull = torch.zeros_like(hidden if gradient else hidden[:0], dtype=zeros.dtype)

    def read(self, tile: slice) -> None:
        """Take in one tile; each has to come once."""
        logits = self._head.logits(self._hidden, tile)
        here, column = _find(self._targets, tile, logits.shape[1])
        slopes = self._head.slopes(logits) if self._wants_gradient else None
        if slopes is not None:
            self._target_slope = torch.where(here, slopes.gather(1, column), self._target_slope)
        logits.div_(self._head.temperature)
        self._target_logit = torch.where(here, logits.gather(1, column), self._target_logit)
        shrink = self._raise_maximum(logits.amax(dim=1, keepdim=True))
        others = logits.sub_(self._maximum).exp_()
        others.scatter_(1, column, others.gather(1, column).masked_fill_(here, 0))
        self._others = self._others * shrink + others.sum(dim=1, keepdim=True)
        if self._wants_entropy:
            # entr(x) is -x log x with entr(0) = 0, while 0 * -inf would be nan.
            self._spread = self._spread + torch.special.entr(others).sum(dim=1, keepdim=True)
        if self._wants_gradient:
            pulls = others if slopes is None else others.mul_(slopes)
            add_product_(self._pull.mul_(shrink), pulls, self._head.weight[tile])

    def _raise_maximum(self, candidate: Tensor) -> Tensor:
        """What earlier sums have to be multiplied by, [R, 1]; the spread is brought to the new maximum here."""
        maximum = torch.maximum(self._maximum, candidate)
        rise, self._maximum = maximum - self._maximum, maximum
        shrink = rise.neg().exp()
        if self._wants_entropy:
            self._spread = (self._spread + rise * self._others) * shrink
        return shrink

    def scores(self) -> Scores:
        """The scores after the last tile."""
        shifted = self._target_logit - self._maximum
        total = self._others + shifted.exp()
        return Scores(shifted - total.log(), self._maximum, total, self._others / total)

    def entropy(self) -> Tensor:
        """Entropies in nats, [R, 1], after the last tile."""
        target = (self._target_logit - self._maximum).exp()
        total = self._others + target
        spread: Tensor = self._spread + torch.special.entr(target)
        return total.log() + spread / total

    def hidden_gradient(self, scores: Scores) -> Tensor:
        """d log p(target) / d hidden, [R, D], after the last tile."""
        push = self._head.weight[self._targets] * (scores.rest * self._target_slope)
        return push.addcdiv_(self._pull, scores.total, value=-1).div_(self._head.temperature)


def logit_gradient(
    head: Head, hidden: Tensor, targets: Tensor, scores: Scores, tile: slice, grad: Tensor
) -> Tensor:
    """d sum(grad * logprobs) / d(hidden @ weight.T + bias), [R, W], for `grad` [R, 1]."""
    logits = head.logits(hidden, tile)
    slopes = head.slopes(logits)
    here, column = _find(targets, tile, logits.shape[1])
    pulls = logits.div_(head.temperature).sub_(scores.maximum).exp_().div_(scores.total)
    pulls.scatter_(1, column, torch.where(here, -scores.rest, pulls.gather(1, column)))
    if slopes is not None:
        pulls.mul_(slopes)
    return pulls.mul_(-grad / head.temperature)


def add_product_(sums: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Add left @ right to `sums`; the product is in the dtype of `right`, as a model's own products are."""
    if sums.dtype == right.dtype:
        return sums.addmm_(left, right)
    return sums.add_(left.to(right.dtype) @ right)


def _product(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """hidden @ weight.T + bias, [R, W]."""
    if hidden.device.type != "cpu" or weight.dtype != torch.float32 or not 1 <= len(hidden) <= _FEW_TOKENS:
        return F.linear(hidden, weight, bias)
    # A single token goes twice: the product of a matrix and a vector is as slow as the other way round.
    columns = hidden.repeat(2, 1) if len(hidden) == 1 else hidden
    product = (weight @ columns.T)[:, : len(hidden)].T.contiguous()
    return product if bias is None else product.add_(bias)


def number_dtype(tensor: Tensor) -> torch.dtype:
    """float32, and float64 for tensors that are."""
    return torch.promote_types(tensor.dtype, torch.float32)


def join_scores(parts: Sequence[Scores]) -> Scores:
    """The scores of several chunks as one."""
    return Scores(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _find(targets: Tensor, tile: slice, width: int) -> tuple[Tensor, Tensor]:
    """Whether each target lies in the tile, and its column there (some valid one if not), [R, 1] both.

    Without a list of those that do: a GPU would have to be waited for.
    """
    column = (targets - tile.start)[:, None]
    return (column >= 0) & (column < width), column.clamp(0, width - 1)
