"""Sequences of different lengths as one rectangle, padded on the left, for decoding.

B sequences, L the longest one's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Padded(NamedTuple):
    """Token ids [B, L] (int64) and a mask [B, L] (bool) that is True on tokens, by position and not by id."""

    ids: Tensor
    mask: Tensor


def pad_left(sequences: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """`pad_id`, then each sequence up to the right edge. On the CPU."""
    length = max(map(len, sequences), default=0)
    ids = torch.full((len(sequences), length), pad_id)
    mask = torch.zeros(len(sequences), length, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        place = slice(length - len(sequence), length)
        ids[row, place] = torch.tensor(sequence, dtype=torch.int64)
        mask[row, place] = True
    return Padded(ids, mask)


def positions_from_mask(mask: Bool[Tensor, "B L"]) -> Int[Tensor, "B L"]:
    """0, 1, 2, ... over the True positions of each row, 0 where `mask` is False; int64."""
    return torch.where(mask, mask.cumsum(dim=1) - 1, 0)
