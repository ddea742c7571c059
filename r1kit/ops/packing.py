"""Several documents in one row, so that no token is spent on padding.

R rows, L the longest row's length. Positions start again at 0 with each document, and that is what keeps
documents apart: transformers builds a block mask from them where no attention mask is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from r1kit.core.errors import DataError


@dataclass(frozen=True)
class PackedRows:
    """Rows of documents, padded on the right to the longest row; on the CPU."""

    input_ids: Int[Tensor, "R L"]
    """Token ids, `pad_id` behind the last document."""
    position_ids: Int[Tensor, "R L"]
    """0, 1, 2, ... over each document; 0 on padding."""


def pack_sequences(lengths: Sequence[int], max_length: int) -> list[list[int]]:
    """Indices of the sequences in each row: every sequence once, no row above `max_length` tokens.

    First-fit decreasing (Johnson 1973: about 11/9 of the fewest rows possible at worst): the longest first,
    each into the first row with room; equal lengths in their given order. Time grows with sequences * rows,
    which suits a batch. Raises DataError when a sequence alone is too long.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in _longest_first(lengths):
        if lengths[index] > max_length:
            raise DataError(
                f"sequence {index} has {lengths[index]} tokens, more than max_length {max_length}; "
                "leave it out or raise max_length"
            )
        row = next((row for row, free in enumerate(room) if lengths[index] <= free), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(max_length)
        rows[row].append(index)
        room[row] -= lengths[index]
    return rows


def pack_rows(sequences: Sequence[Sequence[int]], rows: Sequence[Sequence[int]], pad_id: int) -> PackedRows:
    """Token ids and positions of `rows`, each a list of indices into `sequences`."""
    positions = [[position for index in row for position in range(len(sequences[index]))] for row in rows]
    return PackedRows(
        input_ids=_rectangle(join_rows(sequences, rows), pad_id),
        position_ids=_rectangle(positions, 0),
    )


def pack_flags(flags: Sequence[Sequence[bool]], rows: Sequence[Sequence[int]]) -> Bool[Tensor, "R L"]:
    """One flag a token (such as "is trained") in the layout of `pack_rows`; False on padding."""
    return _rectangle(join_rows(flags, rows), 0).bool()


def join_rows(sequences: Sequence[Sequence[int]], rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """The sequences of each row one after the other, not padded."""
    return [[value for index in row for value in sequences[index]] for row in rows]


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))


def _rectangle(rows: Sequence[Sequence[int]], fill: int) -> Int[Tensor, "R L"]:
    width = max(map(len, rows), default=0)
    cells = [[*row, *[fill] * (width - len(row))] for row in rows]
    return torch.tensor(cells, dtype=torch.int64).view(len(rows), width)
