from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from r1kit.objectives.surrogate import (
    Surrogate,
    cispo_surrogate,
    clipped_surrogate,
    log_ratio,
    unclipped_surrogate,
)

LOW, HIGH = 0.2, 0.28


def clipped(new: Tensor, old: Tensor, advantages: Tensor) -> Surrogate:
    """The clipped surrogate of token ratios, nothing masked."""
    return clipped_surrogate(log_ratio(new, old, everything(new)), advantages, LOW, HIGH)


def everything(like: Tensor) -> Tensor:
    return torch.ones_like(like, dtype=torch.bool)


def with_ratio(ratio: float, advantage: float) -> tuple[float, float, bool]:
    """Value, gradient at the new log-prob, and clip flag of a single token."""
    logprobs = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([advantage], dtype=torch.float64)
    surrogate = clipped(logprobs, torch.zeros(1, 1, dtype=torch.float64), advantages)
    (gradient,) = torch.autograd.grad(surrogate.value.sum(), logprobs)
    return surrogate.value.item(), gradient.item(), bool(surrogate.clipped.item())


def random_batch(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    new, old = (-torch.rand(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return new, old, torch.randn(6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient", "clipped"),
    [
        (1.1, 2.0, 2.2, 2.2, False),
        (1.5, 2.0, 2.56, 0.0, True),  # better and already pushed up: stopped at 1.28
        (0.5, 2.0, 1.0, 1.0, False),  # better but pushed down: the min keeps the way back open
        (0.5, -2.0, -1.6, 0.0, True),  # worse and already pushed down: stopped at 0.8
        (1.5, -2.0, -3.0, -3.0, False),
        (1.5, 0.0, 0.0, 0.0, False),
    ],
)
def test_hand_values_of_every_branch(
    ratio: float, advantage: float, value: float, gradient: float, clipped: bool
) -> None:
    assert with_ratio(ratio, advantage) == (pytest.approx(value), pytest.approx(gradient), clipped)


def test_a_naive_loop_gives_the_same_values_and_flags() -> None:
    new, old, advantages = random_batch()
    surrogate = clipped(new, old, advantages)
    for row in range(6):
        for token in range(4):
            ratio = math.exp(new[row, token].item() - old[row, token].item())
            free = ratio * advantages[row].item()
            bounded = min(max(ratio, 1 - LOW), 1 + HIGH) * advantages[row].item()
            assert surrogate.ratio[row, token].item() == pytest.approx(ratio, rel=1e-12)
            assert surrogate.value[row, token].item() == pytest.approx(min(free, bounded), rel=1e-12)
            assert surrogate.clipped[row, token].item() == (bounded < free)
    assert 0 < surrogate.clipped.sum() < 24


def test_gradients_agree_with_finite_differences() -> None:
    new, old, advantages = random_batch()
    assert torch.autograd.gradcheck(
        lambda logprobs: clipped(logprobs, old, advantages).value,
        (new.requires_grad_(),),
    )


def test_on_policy_the_value_is_the_advantage_and_the_gradient_the_policy_gradient() -> None:
    new, _, advantages = random_batch()
    new.requires_grad_()
    surrogate = clipped(new, new.detach(), advantages)
    (gradient,) = torch.autograd.grad(surrogate.value.sum(), new)
    assert torch.equal(surrogate.value, advantages[:, None].expand(6, 4))
    assert torch.equal(gradient, advantages[:, None].expand(6, 4))
    assert not surrogate.clipped.any()


def test_an_overflowing_ratio_of_a_good_token_is_clipped_with_gradient_zero() -> None:
    logprobs = torch.tensor([[0.0]], requires_grad=True)
    surrogate = clipped(logprobs, torch.tensor([[-200.0]]), torch.tensor([1.0]))
    surrogate.value.sum().backward()
    assert surrogate.ratio.item() == math.inf
    assert surrogate.value.item() == pytest.approx(1.28)
    assert logprobs.grad is not None
    assert logprobs.grad.item() == 0.0


def test_an_overflowing_ratio_without_advantage_counts_nothing() -> None:
    logprobs = torch.tensor([[0.0]], requires_grad=True)
    surrogate = clipped(logprobs, torch.tensor([[-200.0]]), torch.tensor([0.0]))
    surrogate.value.sum().backward()
    assert surrogate.value.item() == 0.0
    assert logprobs.grad is not None
    assert logprobs.grad.item() == 0.0


def test_an_overflowing_ratio_of_a_bad_token_is_not_hidden() -> None:
    surrogate = clipped(torch.tensor([[0.0]]), torch.tensor([[-200.0]]), torch.tensor([-1.0]))
    assert surrogate.value.item() == -math.inf


def test_the_gradient_reaches_the_new_log_probs_alone() -> None:
    new, old, advantages = (tensor.requires_grad_() for tensor in random_batch())
    clipped(new, old, advantages).value.sum().backward()
    assert new.grad is not None
    assert old.grad is None
    assert advantages.grad is None


def test_a_wrong_shape_is_refused_while_testing() -> None:
    with pytest.raises(Exception, match="advantages"):
        clipped_surrogate(torch.zeros(2, 3), torch.zeros(3), LOW, HIGH)


def masked_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    new, old, advantages = random_batch(1)
    return new, old, advantages, torch.arange(4) < torch.tensor([4, 1, 3, 0, 2, 4])[:, None]


def test_the_ratio_of_a_sequence_is_the_geometric_mean_of_its_tokens_and_stands_at_each_of_them() -> None:
    new, old, _, mask = masked_batch()
    ratios = log_ratio(new, old, mask, "sequence").exp()
    for row, length in enumerate([4, 1, 3, 0, 2, 4]):
        product = math.prod(math.exp(new[row, t].item() - old[row, t].item()) for t in range(length))
        expected = [product ** (1 / length)] * length + [1.0] * (4 - length) if length else [1.0] * 4
        assert ratios[row].tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("junk", [math.inf, -math.inf, math.nan])
def test_masked_log_probs_change_no_ratio_and_get_no_gradient(level: str, junk: float) -> None:
    new, old, _, mask = masked_batch()
    dirty = new.masked_fill(~mask, junk).requires_grad_()
    ratios = log_ratio(dirty, old.masked_fill(~mask, junk), mask, level)
    ratios.square().sum().backward()
    assert torch.equal(ratios, log_ratio(new, old, mask, level))
    assert dirty.grad is not None
    assert dirty.grad[~mask].tolist() == [0.0] * int((~mask).sum())


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient", "is_clipped"),
    [
        (1.1, 2.0, 2.2, 2.2, False),
        (1.5, 2.0, 2.56, 2.56, True),  # the weight stops at 1.28, the gradient goes on
        (0.5, -2.0, -1.6, -1.6, True),
        (1.5, -2.0, -2.56, -2.56, True),  # bounded on both sides, whatever the advantage
        (0.5, 2.0, 1.6, 1.6, True),
    ],
)
def test_cispo_bounds_the_weight_of_a_token_and_keeps_its_gradient(
    ratio: float, advantage: float, value: float, gradient: float, is_clipped: bool
) -> None:
    logprobs = torch.tensor([[-0.7]], dtype=torch.float64, requires_grad=True)
    log_ratios = log_ratio(logprobs, torch.tensor([[-0.7 - math.log(ratio)]]), everything(logprobs))
    surrogate = cispo_surrogate(logprobs, log_ratios, torch.tensor([advantage]), LOW, HIGH)
    (slope,) = torch.autograd.grad(surrogate.value.sum(), logprobs)
    assert surrogate.value.item() == pytest.approx(-0.7 * value)
    assert slope.item() == pytest.approx(gradient)
    assert bool(surrogate.clipped.item()) is is_clipped


def test_without_a_lower_bound_cispo_leaves_small_ratios_alone() -> None:
    log_ratios = torch.tensor([[-80.0, 2.0]])
    surrogate = cispo_surrogate(torch.full((1, 2), -1.0), log_ratios, torch.ones(1), 1.0, 4.0)
    assert surrogate.clipped.tolist() == [[False, True]]
    assert surrogate.value.tolist() == [[pytest.approx(0.0, abs=1e-30), pytest.approx(-5.0)]]


def test_unclipped_is_the_ratio_times_the_advantage() -> None:
    new, old, advantages = random_batch()
    new.requires_grad_()
    surrogate = unclipped_surrogate(log_ratio(new, old, everything(new)), advantages)
    (gradient,) = torch.autograd.grad(surrogate.value.sum(), new)
    expected = (new - old).exp() * advantages[:, None]
    torch.testing.assert_close(surrogate.value, expected)
    torch.testing.assert_close(gradient, expected)
    assert not surrogate.clipped.any()


def test_unclipped_adds_nothing_where_there_is_no_advantage() -> None:
    surrogate = unclipped_surrogate(torch.tensor([[200.0]]), torch.tensor([0.0]))
    assert surrogate.value.item() == 0.0


def test_advantages_of_tokens_weigh_each_token_by_its_own() -> None:
    new, old, advantages = random_batch()
    by_token = advantages[:, None].expand(6, 4)
    mask, log_ratios = everything(new), log_ratio(new, old, everything(new))
    for one, other in (
        (clipped(new, old, advantages), clipped(new, old, by_token)),
        (unclipped_surrogate(log_ratios, advantages), unclipped_surrogate(log_ratios, by_token)),
        (
            cispo_surrogate(new, log_ratios, advantages, LOW, HIGH),
            cispo_surrogate(new, log_ratios, by_token, LOW, HIGH),
        ),
    ):
        assert torch.equal(one.value, other.value)
        assert torch.equal(one.clipped, other.clipped)
    mixed = torch.randn(6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = clipped_surrogate(log_ratio(new, old, mask), mixed, LOW, HIGH)
    for row in range(6):
        for token in range(4):
            alone = with_ratio(float(torch.exp(new[row, token] - old[row, token])), float(mixed[row, token]))
            assert found.value[row, token].item() == pytest.approx(alone[0])
            assert bool(found.clipped[row, token]) is alone[2]
