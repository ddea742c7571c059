from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.ops.micro_batches import micro_batches


def test_like_lengths_go_together_and_the_longest_come_first() -> None:
    assert micro_batches([3, 10, 4, 9, 4], max_tokens=12) == [[1], [3], [2, 4, 0]]


def test_padding_counts() -> None:
    assert micro_batches([6, 1, 1], max_tokens=12) == [[0, 1], [2]]


def test_a_sequence_above_the_limit_is_alone() -> None:
    assert micro_batches([5, 100, 5], max_tokens=10) == [[1], [0, 2]]


def test_nothing_gives_no_slices() -> None:
    assert micro_batches([], max_tokens=10) == []


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 100))
def test_every_sequence_is_in_one_slice_and_no_slice_overflows(lengths: list[int], limit: int) -> None:
    slices = micro_batches(lengths, limit)
    assert sorted(index for piece in slices for index in piece) == list(range(len(lengths)))
    for piece in slices:
        assert piece
        assert len(piece) == 1 or len(piece) * max(lengths[index] for index in piece) <= limit
    assert slices == micro_batches(lengths, limit)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens is 0"):
        micro_batches([1], max_tokens=0)
