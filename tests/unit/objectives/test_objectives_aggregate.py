from __future__ import annotations

import math

import pytest
import torch

from r1kit.objectives.aggregate import Aggregation, Normalizer, aggregate, masked_sum

HOWS: tuple[Aggregation, ...] = ("sequence_mean", "sequence_sum", "token_mean", "constant_length")
VALUES = torch.tensor([[1.0, 2.0, 3.0], [10.0, 99.0, 99.0], [99.0, 99.0, 99.0]])
MASK = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
NORMALIZER = Normalizer(num_sequences=3, num_tokens=4, max_tokens=5)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("sequence_mean", (2.0 + 10.0 + 0.0) / 3),
        ("sequence_sum", 16.0 / 3),
        ("token_mean", 16.0 / 4),
        ("constant_length", 16.0 / 15),
    ],
)
def test_hand_values_with_an_empty_row(how: Aggregation, expected: float) -> None:
    assert aggregate(VALUES, MASK, how, normalizer=NORMALIZER).item() == pytest.approx(expected)


@pytest.mark.parametrize("how", HOWS)
def test_micro_batches_add_up_to_the_full_batch(how: Aggregation) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(7, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(7, 5, generator=generator) < 0.6
    normalizer = Normalizer.from_lengths(mask.sum(1).tolist(), max_tokens=5)
    whole = aggregate(values, mask, how, normalizer=normalizer)
    rows = ([5, 0, 3], [1, 2, 4], [6])
    parts = [aggregate(values[row], mask[row], how, normalizer=normalizer) for row in rows]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)
    torch.testing.assert_close(
        torch.autograd.grad(torch.stack(parts).sum(), values), torch.autograd.grad(whole, values)
    )


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("junk", [math.inf, -math.inf, math.nan, 1e30])
def test_masked_values_have_no_effect_on_value_and_gradient(how: Aggregation, junk: float) -> None:
    dirty = torch.where(MASK, VALUES, junk).requires_grad_()
    total = aggregate(dirty, MASK, how, normalizer=NORMALIZER)
    total.backward()
    assert torch.equal(total, aggregate(VALUES, MASK, how, normalizer=NORMALIZER))
    assert dirty.grad is not None
    assert dirty.grad[~MASK].tolist() == [0.0] * 5


@pytest.mark.parametrize("how", HOWS)
def test_more_padding_changes_nothing(how: Aggregation) -> None:
    wide = torch.nn.functional.pad(VALUES, (0, 4), value=7.0)
    wide_mask = torch.nn.functional.pad(MASK, (0, 4))
    left = aggregate(VALUES, MASK, how, normalizer=NORMALIZER)
    torch.testing.assert_close(aggregate(wide, wide_mask, how, normalizer=NORMALIZER), left)


def test_a_column_free_batch_sums_to_zero() -> None:
    empty = torch.zeros(3, 0)
    assert aggregate(empty, empty.bool(), "sequence_mean", normalizer=NORMALIZER).item() == 0.0


def test_masked_sum_adds_only_what_the_mask_shows() -> None:
    assert masked_sum(torch.where(MASK, VALUES, math.nan), MASK).item() == 16.0


def test_a_normalizer_counts_sequences_and_tokens() -> None:
    assert Normalizer.from_lengths([3, 1, 0], max_tokens=5) == Normalizer(3, 4, 5)


@pytest.mark.parametrize(
    ("lengths", "max_tokens", "name"),
    [([], 5, "num_sequences"), ([0], 5, "num_tokens"), ([1], 0, "max_tokens")],
)
def test_a_batch_with_nothing_to_train_on_is_refused(lengths: list[int], max_tokens: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} of the batch is 0"):
        Normalizer.from_lengths(lengths, max_tokens)
