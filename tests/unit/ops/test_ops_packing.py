from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.core.errors import DataError
from r1kit.ops.packing import pack_flags, pack_rows, pack_sequences

LENGTHS = st.lists(st.integers(0, 32), max_size=60)


def test_the_longest_come_first_and_each_goes_where_it_first_fits() -> None:
    assert pack_sequences([3, 8, 5, 2, 7, 2], max_length=10) == [[1, 3], [4, 0], [2, 5]]


def test_equal_lengths_keep_their_order() -> None:
    assert pack_sequences([4, 4, 4, 4, 4], max_length=8) == [[0, 1], [2, 3], [4]]


@settings(deadline=None)
@given(LENGTHS)
def test_every_sequence_is_in_one_row_and_no_row_overflows(lengths: list[int]) -> None:
    rows = pack_sequences(lengths, max_length=32)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in row) <= 32 for row in rows)
    assert rows == pack_sequences(lengths, max_length=32)


@settings(deadline=None)
@given(LENGTHS)
def test_two_rows_never_fit_into_one(lengths: list[int]) -> None:
    filled = sorted(sum(lengths[index] for index in row) for row in pack_sequences(lengths, max_length=32))
    assert len(filled) < 2 or filled[0] + filled[1] > 32


def test_a_sequence_longer_than_a_row_is_refused_by_number() -> None:
    with pytest.raises(DataError, match="sequence 1 has 9 tokens, more than max_length 8"):
        pack_sequences([3, 9], max_length=8)


def test_rows_hold_tokens_and_positions() -> None:
    packed = pack_rows([[1, 2, 3], [4, 5], [6]], rows=[[0, 1], [2]], pad_id=0)
    assert packed.input_ids.tolist() == [[1, 2, 3, 4, 5], [6, 0, 0, 0, 0]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 0, 1], [0, 0, 0, 0, 0]]


def test_flags_follow_their_tokens() -> None:
    flags = pack_flags([[False, True, True], [False, True], [True]], rows=[[0, 1], [2]])
    assert flags.dtype == torch.bool
    assert flags.int().tolist() == [[0, 1, 1, 0, 1], [1, 0, 0, 0, 0]]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 99), max_size=8), min_size=1, max_size=20))
def test_every_document_can_be_read_back_from_its_row(sequences: list[list[int]]) -> None:
    rows = pack_sequences([len(sequence) for sequence in sequences], max_length=8)
    packed = pack_rows(sequences, rows, pad_id=0)
    for row, indices in enumerate(rows):
        start = 0
        for index in indices:
            place = slice(start, start + len(sequences[index]))
            assert packed.input_ids[row, place].tolist() == sequences[index]
            assert packed.position_ids[row, place].tolist() == list(range(len(sequences[index])))
            start = place.stop
    assert (packed.input_ids > 0).sum() == sum(map(len, sequences))


def test_no_rows_give_an_empty_rectangle() -> None:
    assert pack_rows([], pack_sequences([], 8), pad_id=0).input_ids.shape == (0, 0)
