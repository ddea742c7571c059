"""Log-probabilities of given tokens straight from the last hidden states; the logits never exist whole.

N tokens, D hidden, V vocabulary. With V = 152,000 the float32 logits of 8,192 tokens take 5 GB, and a plain
backward pass keeps several copies. Here one tile of tokens and vocabulary exists at a time. The gradient is known
as soon as the softmax is:

    d log p(y) / d hidden = sum over v of (1[v = y] - p_v) c_v W_v / temperature

with c_v = 1 - tanh(logit_v / softcap)^2, or 1 without a cap. So a forward pass that will need it keeps this row
[D] of each token, and the backward pass only multiplies: two products with the head instead of three.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from r1kit.ops.head_tiles import (
    Head,
    Scores,
    Softmax,
    add_product_,
    join_scores,
    logit_gradient,
    number_dtype,
)

CHUNK_ELEMENTS: Final = 2**22
"""Logits in a tile: 16 MiB in float32. Another two such tensors exist beside it at most."""

CHUNK_TOKENS: Final = 1024
"""Tokens in a chunk when its size is not given. The head is read once for each chunk."""


class TokenScores(NamedTuple):
    """Natural logs and entropies, one a token, in float32 (float64 when the input is)."""

    logprobs: Tensor
    """log p(target)."""
    entropy: Tensor | None
    """Entropy of the distribution in nats, detached (for metrics); None when it was not asked for."""


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

    logits = hidden @ head_weight.T + head_bias, in the dtype of the model as its own head does; then, in
    float32 and with `logit_softcap` c, c * tanh(logits / c) (Gemma 2, 2024, section 2). `chunk` tokens are
    worked on at a time. The gradient is that of the plain computation; that of the hidden states is formed in
    the forward pass, and only a head that is trained is computed again in the backward pass. There is no second
    derivative.

    Raises ValueError when `temperature` is not above 0 or a target is not a token id.
    """
    _check(temperature, targets, len(head_weight))
    rows = chunk or math.ceil(len(hidden) / max(1, math.ceil(len(hidden) / CHUNK_TOKENS)))
    how = _How(temperature, logit_softcap, with_entropy, max(1, rows), torch.is_grad_enabled())
    scores = _HeadLogprobs.apply(hidden, head_weight, head_bias, targets, how)  # type: ignore[no-untyped-call]
    return TokenScores(*scores)


def whole_logits(
    hidden: Float[Tensor, "N D"],
    head_weight: Float[Tensor, "V D"],
    head_bias: Float[Tensor, " V"] | None,
    logit_softcap: float | None = None,
) -> Float[Tensor, "N V"]:
    """The logits [N, V] in float32 that `completion_logprobs` scores, before the temperature.

    For a few tokens, to sample from; without gradients.
    """
    return Head(head_weight, head_bias, 1.0, logit_softcap).logits(hidden, slice(None))


class _How(NamedTuple):
    temperature: float
    softcap: float | None
    with_entropy: bool
    chunk: int
    records: bool
    """Whether there will be a backward pass."""

    def chunks(self, tokens: int) -> list[slice]:
        """At least one, so that no tokens give empty results."""
        return [slice(first, first + self.chunk) for first in range(0, max(1, tokens), self.chunk)]


class _HeadLogprobs(torch.autograd.Function):
    """Log-probabilities [N], and entropies [N] or None; see `completion_logprobs`."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, how: _How
    ) -> tuple[Tensor, Tensor | None]:
        needs_hidden, *needs_head = (how.records and needs for needs in ctx.needs_input_grad[:3])
        gradient = torch.empty_like(hidden) if needs_hidden else None
        head = Head(weight, bias, how.temperature, how.softcap)
        scores, entropy = _read(head, hidden, targets, how, gradient)
        if entropy is not None:
            ctx.mark_non_differentiable(entropy)
        head_inputs = (hidden, weight, bias, targets, *scores) if any(needs_head) else ()
        ctx.how = how
        ctx.save_for_backward(gradient, *head_inputs)
        return scores.logprobs.squeeze(1), entropy

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        # `once_differentiable` would drop the second derivative in silence where `grad` is a constant.
        if torch.is_grad_enabled():
            raise RuntimeError("log-probabilities have no second derivative; leave create_graph out")
        gradient, *head_inputs = ctx.saved_tensors
        grad = grad[:, None]
        # With `out` the product is formed in float32 and rounded once.
        hidden = None if gradient is None else torch.mul(gradient, grad, out=torch.empty_like(gradient))
        of_head = _head_gradients(head_inputs, grad, ctx.how) if head_inputs else (None, None)
        return hidden, *of_head, None, None


def _read(
    head: Head, hidden: Tensor, targets: Tensor, how: _How, gradient: Tensor | None
) -> tuple[Scores, Tensor | None]:
    """The scores of all tokens and their entropies [N] or None; fills `gradient` [N, D], if there is one."""
    wants = {"entropy": how.with_entropy, "gradient": gradient is not None}
    parts, entropies = [], []
    for rows in how.chunks(len(hidden)):
        softmax = Softmax(head, hidden[rows], targets[rows], **wants)
        for tile in head.tiles(CHUNK_ELEMENTS // max(1, len(hidden[rows]))):
            softmax.read(tile)
        parts.append(softmax.scores())
        if how.with_entropy:
            entropies.append(softmax.entropy())
        if gradient is not None:
            gradient[rows] = softmax.hidden_gradient(parts[-1])
    return join_scores(parts), torch.cat(entropies).squeeze(1) if how.with_entropy else None


def _head_gradients(inputs: list[Any], grad: Tensor, how: _How) -> tuple[Tensor, Tensor | None]:
    """d sum(grad * logprobs) / d weight and, if there is one, / d bias, from the logits made again."""
    hidden, weight, bias, targets, *numbers = inputs
    head, scores = Head(weight, bias, how.temperature, how.softcap), Scores(*numbers)
    weight_gradient = torch.empty_like(weight)
    bias_gradient = None if bias is None else torch.empty_like(bias)
    for tile in head.tiles(CHUNK_ELEMENTS // max(how.chunk, hidden.shape[1])):
        columns = weight[tile]
        weight_sum = torch.zeros_like(columns, dtype=number_dtype(columns))
        bias_sum = weight_sum.new_zeros(len(columns))
        for rows in how.chunks(len(hidden)):
            slopes = logit_gradient(head, hidden[rows], targets[rows], scores.part(rows), tile, grad[rows])
            add_product_(weight_sum, slopes.T, hidden[rows])
            bias_sum += slopes.sum(dim=0)
        weight_gradient[tile] = weight_sum
        if bias_gradient is not None:
            bias_gradient[tile] = bias_sum
    return weight_gradient, bias_gradient


def _check(temperature: float, targets: Tensor, vocabulary: int) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; log-probabilities need one above 0")
    if not len(targets):
        return
    lowest, highest = (int(bound) for bound in targets.aminmax())
    if lowest < 0 or highest >= vocabulary:
        raise ValueError(
            f"targets lie between {lowest} and {highest}; log-probabilities need token ids from 0 to {vocabulary - 1}"
        )
