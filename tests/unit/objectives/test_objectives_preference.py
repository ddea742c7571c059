"""The preference loss, against numbers by hand and a naive loop in float64."""

from __future__ import annotations

import math

import pytest
import torch

from r1kit.objectives.preference import preference_loss


def naive(
    chosen: list[float], rejected: list[float], margin: list[float], center_weight: float
) -> tuple[float, list[float], list[float]]:
    """The loss and its gradients with respect to both scores, pair by pair, in Python's float64."""
    loss, to_chosen, to_rejected = 0.0, [], []
    size = len(chosen)
    for c, r, m in zip(chosen, rejected, margin, strict=True):
        probability = 1 / (1 + math.exp(-(c - r - m)))
        loss += (-math.log(probability) + center_weight * (c + r) ** 2) / size
        to_chosen.append((-(1 - probability) + 2 * center_weight * (c + r)) / size)
        to_rejected.append(((1 - probability) + 2 * center_weight * (c + r)) / size)
    return loss, to_chosen, to_rejected


def random_scores(size: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    chosen, rejected, margin = torch.randn(3, size, generator=generator, dtype=torch.float64)
    return chosen.requires_grad_(), rejected.requires_grad_(), margin.abs()


def test_equal_scores_cost_log_2() -> None:
    loss = preference_loss(torch.tensor([0.7, -1.0]), torch.tensor([0.7, -1.0]), num_pairs=2)
    assert loss.item() == pytest.approx(math.log(2))


def test_a_margin_moves_the_point_where_the_scores_are_far_enough_apart() -> None:
    loss = preference_loss(torch.tensor([3.0]), torch.tensor([1.0]), num_pairs=1, margin=torch.tensor([2.0]))
    assert loss.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("center_weight", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("with_margin", [False, True])
def test_value_and_gradients_equal_a_naive_loop(center_weight: float, with_margin: bool) -> None:
    chosen, rejected, margin = random_scores()
    used = margin if with_margin else torch.zeros_like(margin)
    expected = naive(chosen.tolist(), rejected.tolist(), used.tolist(), center_weight)
    loss = preference_loss(
        chosen,
        rejected,
        num_pairs=len(chosen),
        margin=margin if with_margin else None,
        center_weight=center_weight,
    )
    loss.backward()
    assert loss.item() == pytest.approx(expected[0], rel=1e-14)
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert chosen.grad.tolist() == pytest.approx(expected[1], rel=1e-12, abs=1e-16)
    assert rejected.grad.tolist() == pytest.approx(expected[2], rel=1e-12, abs=1e-16)


def test_slices_of_a_batch_add_up_to_its_loss() -> None:
    chosen, rejected, margin = (tensor.detach() for tensor in random_scores())
    whole = preference_loss(chosen, rejected, num_pairs=7, margin=margin, center_weight=0.1)
    parts = [
        preference_loss(chosen[s], rejected[s], num_pairs=7, margin=margin[s], center_weight=0.1)
        for s in (slice(0, 2), slice(2, 3), slice(3, 7))
    ]
    assert sum(part.item() for part in parts) == pytest.approx(whole.item(), rel=1e-14)


def test_without_centring_only_differences_count() -> None:
    chosen, rejected, _ = random_scores()
    here = preference_loss(chosen, rejected, num_pairs=7)
    there = preference_loss(chosen + 5, rejected + 5, num_pairs=7)
    assert there.item() == pytest.approx(here.item(), rel=1e-12)


@pytest.mark.parametrize("distance", [1e4, -1e4, 1e30, -1e30])
def test_scores_far_apart_give_a_finite_loss_and_gradient(distance: float) -> None:
    chosen = torch.tensor([distance], requires_grad=True)
    rejected = torch.tensor([0.0], requires_grad=True)
    loss = preference_loss(chosen, rejected, num_pairs=1)
    loss.backward()
    assert chosen.grad is not None
    assert loss.item() == pytest.approx(max(0.0, -distance))
    assert chosen.grad.item() == pytest.approx(-1.0 if distance < 0 else 0.0)


def test_a_batch_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        preference_loss(torch.zeros(0), torch.zeros(0), num_pairs=0)
