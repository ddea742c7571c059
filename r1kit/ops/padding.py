"""Sequences of different lengths as one rectangle.

B sequences, L the longest one's length.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Padded(NamedTuple):
    """Token ids [B, L] (int64) and a mask [B, L] (bool) that is True on tokens, by position and not by id."""

    ids: Tensor
    mask: Tensor


def pad_right(sequences: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """Each sequence from the left edge, then `pad_id`: for training. On the CPU."""
    return _pad(sequences, pad_id, right=True)


def pad_left(sequences: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """`pad_id`, then each sequence up to the right edge: for generation. On the CPU."""
    return _pad(sequences, pad_id, right=False)


def pad_values(sequences: Sequence[Sequence[float]], fill: float = 0.0) -> Float[Tensor, "B L"]:
    """One float32 number a token, such as log-probabilities, laid out as `pad_right` lays out the ids."""
    padded = torch.full((len(sequences), _longest(sequences)), fill)
    for row, values in zip(padded, sequences, strict=True):
        row[: len(values)] = torch.tensor(values)
    return padded


def positions_from_mask(mask: Bool[Tensor, "B L"]) -> Int[Tensor, "B L"]:
    """0, 1, 2, ... over the True positions of each row, 0 where `mask` is False; int64."""
    return torch.where(mask, mask.cumsum(dim=1) - 1, 0)


def _pad(sequences: Sequence[Sequence[int]], pad_id: int, *, right: bool) -> Padded:
    length = _longest(sequences)
    ids = torch.full((len(sequences), length), pad_id)
    mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        start = 0 if right else length - len(sequence)
        place = slice(start, start + len(sequence))
        ids[row, place] = torch.tensor(sequence, dtype=torch.int64)
        mask[row, place] = True
    return Padded(ids, mask)


def _longest(sequences: Sequence[Sized]) -> int:
    return max(map(len, sequences), default=0)
