from __future__ import annotations

import torch

from r1kit.ops.padding import pad_left, pad_right, pad_values, positions_from_mask

SEQUENCES = [[5, 6, 7], [], [8]]


def test_pad_right_puts_padding_behind() -> None:
    ids, mask = pad_right(SEQUENCES, pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [8, 9, 9]]
    assert mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)


def test_pad_left_puts_padding_in_front() -> None:
    ids, mask = pad_left(SEQUENCES, pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [9, 9, 8]]
    assert mask.tolist() == [[True] * 3, [False] * 3, [False, False, True]]


def test_a_token_equal_to_the_pad_id_is_still_a_token() -> None:
    _, mask = pad_right([[9, 9], [1]], pad_id=9)
    assert mask.tolist() == [[True, True], [True, False]]


def test_no_sequences_give_an_empty_rectangle() -> None:
    ids, mask = pad_right([], pad_id=0)
    assert ids.shape == mask.shape == (0, 0)
    assert pad_values([]).shape == (0, 0)


def test_positions_count_the_tokens_and_not_the_padding() -> None:
    assert positions_from_mask(pad_left(SEQUENCES, 9).mask).tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]
    assert positions_from_mask(pad_left([[1, 2], [1, 2, 3, 4]], 9).mask)[0].tolist() == [0, 0, 0, 1]
    assert positions_from_mask(pad_right([[1, 2], [1, 2, 3, 4]], 9).mask)[0].tolist() == [0, 1, 0, 0]


def test_values_are_laid_out_as_the_ids_are() -> None:
    values = pad_values([(-0.5, -1.5), (), (-2.0,)], fill=1.0)
    assert values.tolist() == [[-0.5, -1.5], [1.0, 1.0], [-2.0, 1.0]]
    assert values.dtype == torch.float32


def test_whole_numbers_are_values_too() -> None:
    assert pad_values([[1, 2], [3]]).tolist() == [[1.0, 2.0], [3.0, 0.0]]
