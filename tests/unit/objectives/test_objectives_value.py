from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.value import explained_variance, value_loss

LENGTHS = [4, 1, 6]
MASK = torch.arange(6)[None] < torch.tensor(LENGTHS)[:, None]
NORMALIZER = Normalizer.from_lengths(LENGTHS, 6)


def random_batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Values, old values and returns."""
    generator = torch.Generator().manual_seed(seed)
    values, old, returns = (torch.randn(3, 6, generator=generator, dtype=torch.float64) for _ in range(3))
    return values, old, returns


def naive_loss(values: Tensor, old: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    terms = []
    for row, length in enumerate(LENGTHS):
        for token in range(length):
            value, before, wanted = values[row, token], old[row, token], returns[row, token]
            error = (value - wanted) ** 2
            if clip is not None:
                bounded = torch.clamp(value, (before - clip).item(), (before + clip).item())
                error = torch.maximum(error, (bounded - wanted) ** 2)
            terms.append(0.5 * error)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("clip", [None, 0.2, 1.0])
def test_value_and_gradient_are_those_of_a_loop(clip):
    values, old, returns = random_batch()
    values.requires_grad_()
    found = value_loss(values, old, returns, MASK, clip=clip, normalizer=NORMALIZER)
    expected = naive_loss(values, old, returns, clip)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    ours, theirs = (torch.autograd.grad(loss, values)[0] for loss in (found.loss, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert found.sums.metrics()["loss"] == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("value", "loss", "gradient", "clipped"),
    [
        (1.5, 0.5 * 0.8**2, 0.0, True),  # towards the return 2 and beyond the bound 1.2: stopped there
        (1.1, 0.5 * 0.9**2, -0.9, False),
        (0.5, 0.5 * 1.5**2, -1.5, False),  # away from the return: free to come back
        (4.0, 0.5 * 2.0**2, 2.0, False),  # beyond the return by more than the bound is off
    ],
)
def test_hand_values_of_the_clip(value, loss, gradient, clipped):
    values = torch.tensor([[value]], requires_grad=True)
    one, normalizer = torch.ones(1, 1, dtype=torch.bool), Normalizer(1, 1, 1)
    found = value_loss(
        values, torch.ones(1, 1), torch.full((1, 1), 2.0), one, clip=0.2, normalizer=normalizer
    )
    (slope,) = torch.autograd.grad(found.loss, values)
    assert (found.loss.item(), slope.item()) == (pytest.approx(loss), pytest.approx(gradient))
    assert found.sums.metrics()["clip_fraction"] == float(clipped)


def test_slices_add_up_to_the_whole_batch():
    values, old, returns = random_batch()
    whole = value_loss(values, old, returns, MASK, clip=0.2, normalizer=NORMALIZER)
    first, second = (
        value_loss(values[part], old[part], returns[part], MASK[part], clip=0.2, normalizer=NORMALIZER)
        for part in (slice(0, 1), slice(1, 3))
    )
    assert (first.loss + second.loss).item() == pytest.approx(whole.loss.item())
    assert (first.sums + second.sums).metrics() == pytest.approx(whole.sums.metrics())


def test_what_stands_behind_a_completion_has_no_effect():
    values, old, returns = random_batch()
    expected = value_loss(values, old, returns, MASK, clip=0.2, normalizer=NORMALIZER)
    values, old, returns = (torch.where(MASK, some, math.nan) for some in (values, old, returns))
    values.requires_grad_()
    found = value_loss(values, old, returns, MASK, clip=0.2, normalizer=NORMALIZER)
    assert torch.equal(found.loss, expected.loss)
    (gradient,) = torch.autograd.grad(found.loss, values)
    assert not gradient[~MASK].any()
    assert found.sums.metrics() == expected.sums.metrics()


def test_explained_variance_is_1_for_a_perfect_guess_and_0_for_a_constant():
    _, _, returns = random_batch()
    assert explained_variance(returns, returns, MASK) == pytest.approx(1)
    assert explained_variance(torch.full_like(returns, 3.0), returns, MASK) == pytest.approx(0)
    assert explained_variance(-returns, returns, MASK) == pytest.approx(-3)
    assert explained_variance(returns, torch.full_like(returns, 0.1), MASK) is None
