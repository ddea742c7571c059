"""Attention over trees: a token sees its trunk and what stands before it in its own branch, nothing else.

N packed tokens, H query heads, K key-value heads (H a multiple of K), d head width. Branches and trunks are laid
out as small rectangles for the kernel; padding lives inside attention alone, so linear layers never see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from r1kit.ops.trees import Span

_MASK_CELLS: Final = 2**24
"""Most cells of one rectangle's mask; larger ones are cut by rows."""
_LIKE: Final = 0.6
"""Spans share a rectangle as long as the shortest is at least this share of the longest."""


class AttentionRule(NamedTuple):
    """What a layer does beside plain attention.

    `scale` multiplies the logits; with `window` w a token sees only the last w tokens, itself included; with
    `softcap` c logits become c * tanh(logits / c) (Gemma 2, 2024); `dropout` is the share of weights that are
    dropped (0 outside of training).
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    dropout: float = 0.0


@dataclass
class _Rectangle:
    """Spans of like length side by side, with the trunks that branches continue in front of their keys.

    `queries` int64 [b, L] and `keys` int64 [b, S + L] are places in the row (padding points at place 0),
    `prefixes` int64 [b] the tokens of each span's trunk (S the longest).
    """

    queries: Int[Tensor, "b L"]
    keys: Int[Tensor, "b S_L"]
    prefixes: Int[Tensor, " b"]
    masks: dict[tuple[int | None, torch.dtype], Tensor | None] = field(default_factory=dict)

    def mask(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What is added to the logits [b, 1, L, S + L]: 0 where a query sees a key, else -inf.

        None where plain causal attention is right. Made once for all layers: kernels keep the mask they are given,
        and would make numbers of truth values in every layer.
        """
        if (window, dtype) not in self.masks:
            seen = self._seen(window)
            self.masks[window, dtype] = (
                None if seen is None else torch.zeros_like(seen, dtype=dtype).masked_fill_(~seen, -torch.inf)
            )
        return self.masks[window, dtype]

    def _seen(self, window: int | None) -> Tensor | None:
        num_queries, num_keys = self.queries.shape[1], self.keys.shape[1]
        trunk = num_keys - num_queries
        if trunk == 0 and (window is None or num_queries <= window):
            return None
        device = self.queries.device
        own = torch.arange(num_queries, device=device)
        prefix = torch.arange(trunk, device=device).expand(len(self.queries), trunk)
        # Positions in the text; padding behind a short trunk stands for no position at all.
        query_at = self.prefixes[:, None] + own
        key_at = torch.cat([prefix, query_at], dim=1)
        real = torch.cat([prefix < self.prefixes[:, None], torch.ones_like(query_at, dtype=torch.bool)], 1)
        distance = query_at[:, :, None] - key_at[:, None, :]
        seen = (distance >= 0) & real[:, None, :]
        return (seen if window is None else seen & (distance < window))[:, None]


class TreeAttention:
    """Attention within spans: build it once a batch, call it once a layer."""

    def __init__(self, spans: Sequence[Span], device: torch.device | None = None) -> None:
        self._rectangles, order = _rectangles(spans, device)
        self._order = order
        # One span and nothing else needs no rearranging.
        self._whole = len(spans) == 1

    def __call__(
        self,
        query: Float[Tensor, "H N d"],
        key: Float[Tensor, "K N d"],
        value: Float[Tensor, "K N d"],
        rule: AttentionRule,
    ) -> Float[Tensor, "N H d"]:
        """softmax(query key^T) value for every token over what it sees, in the dtype of `query`."""
        if self._whole:
            out = _attend(
                query[None], key[None], value[None], self._rectangles[0].mask(rule.window, query.dtype), rule
            )
            return out[0].transpose(0, 1)
        rows = []
        for rectangle in self._rectangles:
            q, k, v = (
                tensor[:, places].transpose(0, 1)
                for tensor, places in (
                    (query, rectangle.queries),
                    (key, rectangle.keys),
                    (value, rectangle.keys),
                )
            )
            out = _attend(q, k, v, rectangle.mask(rule.window, query.dtype), rule)
            rows.append(out.transpose(1, 2).flatten(0, 1))
        return torch.cat(rows)[self._order]


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rule: AttentionRule) -> Tensor:
    """Attention [b, H, L, d] of `q` [b, H, L, d] over `k`, `v` [b, K, S + L, d]; causal without a mask."""
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
    if rule.softcap is None:
        return F.scaled_dot_product_attention(
            q, k, v, mask, dropout_p=rule.dropout, is_causal=mask is None, scale=rule.scale
        )
    logits = torch.tanh(q @ k.transpose(-1, -2) * (rule.scale / rule.softcap)) * rule.softcap
    if mask is None:
        mask = torch.full(logits.shape[-2:], -torch.inf, dtype=q.dtype, device=q.device).triu(1)
    weights = (logits + mask).softmax(dim=-1, dtype=torch.float32)
    return F.dropout(weights, rule.dropout).to(v.dtype) @ v


def _rectangles(
    spans: Sequence[Span], device: torch.device | None
) -> tuple[list[_Rectangle], Int[Tensor, " N"]]:
    """The rectangles of all spans, and for each token of the row its place among their cells."""
    by_length = sorted(range(len(spans)), key=lambda i: (spans[i].parent is not None, -spans[i].length))
    rectangles, cells, offset = [], {}, 0
    while by_length:
        taken = _taken(spans, by_length)
        by_length = by_length[len(taken) :]
        chosen = [spans[i] for i in taken]
        width = chosen[0].length
        for number, span in enumerate(chosen):
            cells[span.start] = range(offset + number * width, offset + number * width + span.length)
        offset += len(chosen) * width
        rectangles.append(_rectangle(chosen, spans, device))
    order = [cell for start in sorted(cells) for cell in cells[start]]
    return rectangles, torch.tensor(order, dtype=torch.int64, device=device)


def _taken(spans: Sequence[Span], waiting: Sequence[int]) -> list[int]:
    """The next spans that share a rectangle: of one kind and like length, with a mask that is not too large."""
    first = spans[waiting[0]]
    taken: list[int] = []
    trunk = 0
    for index in waiting:
        span = spans[index]
        alike = (span.parent is None) == (first.parent is None) and span.length >= _LIKE * first.length
        trunk = max(trunk, _trunk_length(span, spans))
        cells = (len(taken) + 1) * first.length * (trunk + first.length)
        if taken and (not alike or cells > _MASK_CELLS):
            break
        taken.append(index)
    return taken


def _trunk_length(span: Span, spans: Sequence[Span]) -> int:
    return 0 if span.parent is None else spans[span.parent].length


def _rectangle(chosen: Sequence[Span], spans: Sequence[Span], device: torch.device | None) -> _Rectangle:
    width = max(span.length for span in chosen)
    trunk = max(_trunk_length(span, spans) for span in chosen)
    queries = torch.zeros(len(chosen), width, dtype=torch.int64)
    keys = torch.zeros(len(chosen), trunk + width, dtype=torch.int64)
    for number, span in enumerate(chosen):
        own = torch.arange(span.start, span.start + span.length)
        queries[number, : span.length] = own
        keys[number, trunk : trunk + span.length] = own
        if span.parent is not None:
            parent = spans[span.parent]
            keys[number, : parent.length] = torch.arange(parent.start, parent.start + parent.length)
    prefixes = torch.tensor([_trunk_length(span, spans) for span in chosen])
    return _Rectangle(queries.to(device), keys.to(device), prefixes.to(device))
