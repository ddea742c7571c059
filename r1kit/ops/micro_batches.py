"""Cutting a batch into slices that fit memory."""

from __future__ import annotations

from collections.abc import Sequence


def micro_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Indices in each slice: every sequence once, at most `max_tokens` tokens a slice with padding counted.

    A slice of n sequences costs n * (its longest length). Sequences of like length go together, the longest
    first, so that a slice that does not fit memory shows itself at once; equal lengths keep their order. A
    single sequence above `max_tokens` is a slice of its own. Raises ValueError when `max_tokens` is below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}; a micro-batch needs at least 1")
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    slices = []
    while order:
        size = max(1, max_tokens // max(1, lengths[order[0]]))
        slices.append(order[:size])
        order = order[size:]
    return slices
