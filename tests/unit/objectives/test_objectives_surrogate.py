from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from r1kit.objectives.surrogate import clipped_surrogate

LOW, HIGH = 0.2, 0.28


def with_ratio(ratio: float, advantage: float) -> tuple[float, float, bool]:
    """Value, gradient at the new log-prob, and clip flag of a single token."""
    logprobs = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([advantage], dtype=torch.float64)
    surrogate = clipped_surrogate(logprobs, torch.zeros(1, 1, dtype=torch.float64), advantages, LOW, HIGH)
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
    surrogate = clipped_surrogate(new, old, advantages, LOW, HIGH)
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
        lambda logprobs: clipped_surrogate(logprobs, old, advantages, LOW, HIGH).value,
        (new.requires_grad_(),),
    )


def test_on_policy_the_value_is_the_advantage_and_the_gradient_the_policy_gradient() -> None:
    new, _, advantages = random_batch()
    new.requires_grad_()
    surrogate = clipped_surrogate(new, new.detach(), advantages, LOW, HIGH)
    (gradient,) = torch.autograd.grad(surrogate.value.sum(), new)
    assert torch.equal(surrogate.value, advantages[:, None].expand(6, 4))
    assert torch.equal(gradient, advantages[:, None].expand(6, 4))
    assert not surrogate.clipped.any()


def test_an_overflowing_ratio_of_a_good_token_is_clipped_with_gradient_zero() -> None:
    logprobs = torch.tensor([[0.0]], requires_grad=True)
    surrogate = clipped_surrogate(logprobs, torch.tensor([[-200.0]]), torch.tensor([1.0]), LOW, HIGH)
    surrogate.value.sum().backward()
    assert surrogate.ratio.item() == math.inf
    assert surrogate.value.item() == pytest.approx(1.28)
    assert logprobs.grad is not None
    assert logprobs.grad.item() == 0.0


def test_an_overflowing_ratio_without_advantage_counts_nothing() -> None:
    logprobs = torch.tensor([[0.0]], requires_grad=True)
    surrogate = clipped_surrogate(logprobs, torch.tensor([[-200.0]]), torch.tensor([0.0]), LOW, HIGH)
    surrogate.value.sum().backward()
    assert surrogate.value.item() == 0.0
    assert logprobs.grad is not None
    assert logprobs.grad.item() == 0.0


def test_an_overflowing_ratio_of_a_bad_token_is_not_hidden() -> None:
    surrogate = clipped_surrogate(
        torch.tensor([[0.0]]), torch.tensor([[-200.0]]), torch.tensor([-1.0]), LOW, HIGH
    )
    assert surrogate.value.item() == -math.inf


def test_the_gradient_reaches_the_new_log_probs_alone() -> None:
    new, old, advantages = (tensor.requires_grad_() for tensor in random_batch())
    clipped_surrogate(new, old, advantages, LOW, HIGH).value.sum().backward()
    assert new.grad is not None
    assert old.grad is None
    assert advantages.grad is None


def test_a_wrong_shape_is_refused_while_testing() -> None:
    with pytest.raises(Exception, match="advantages"):
        clipped_surrogate(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3), LOW, HIGH)
