from __future__ import annotations

import torch

from r1kit.ops.padding import pad_left, positions_from_mask

SEQUENCES = [[5, 6, 7], [], [8]]


def test_pad_left_puts_padding_in_front() -> None:
    ids, mask = pad_left(SEQUENCES, pad_id=9)
    assert ids.tolist() == [[5, 6, 7], [9, 9, 9], [9, 9, 8]]
    assert mask.tolist() == [[True] * 3, [False] * 3, [False, False, True]]
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)


def test_a_token_equal_to_the_pad_id_is_still_a_token() -> None:
    _, mask = pad_left([[9, 9], [1]], pad_id=9)
    assert mask.tolist() == [[True, True], [False, True]]


def test_no_sequences_give_an_empty_rectangle() -> None:
    ids, mask = pad_left([], pad_id=0)
    assert ids.shape == mask.shape == (0, 0)


def test_positions_count_the_tokens_and_not_the_padding() -> None:
    assert positions_from_mask(pad_left(SEQUENCES, 9).mask).tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0]]
    assert positions_from_mask(pad_left([[1, 2], [1, 2, 3, 4]], 9).mask)[0].tolist() == [0, 0, 0, 1]
