from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from r1kit.objectives.kl import kl_estimate, kl_k1, kl_k2, kl_k3

NAMES = ("k1", "k2", "k3")


def random_pair(shape: tuple[int, int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    new, ref = (-torch.rand(shape, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    return new, ref


def naive_kl(name: str, new: float, ref: float) -> float:
    log_ratio = ref - new
    return {"k1": -log_ratio, "k2": log_ratio**2 / 2, "k3": math.exp(log_ratio) - log_ratio - 1}[name]


def test_hand_values_for_probabilities_one_half_and_one_quarter() -> None:
    new, ref = torch.tensor([[math.log(0.5)]]), torch.tensor([[math.log(0.25)]])
    assert kl_k1(new, ref).item() == pytest.approx(0.693147, abs=1e-6)
    assert kl_k2(new, ref).item() == pytest.approx(0.240227, abs=1e-6)
    assert kl_k3(new, ref).item() == pytest.approx(0.193147, abs=1e-6)  # 1/2 + ln 2 - 1


@pytest.mark.parametrize("name", NAMES)
def test_a_naive_loop_gives_the_same_values(name: str) -> None:
    new, ref = random_pair((3, 5))
    values = kl_estimate(name, new, ref)
    for row in range(3):
        for token in range(5):
            expected = naive_kl(name, new[row, token].item(), ref[row, token].item())
            assert values[row, token].item() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    new, ref = random_pair((2, 3))
    assert torch.autograd.gradcheck(
        lambda logprobs: kl_estimate(name, logprobs, ref), (new.requires_grad_(),)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_same_policy_has_divergence_exactly_zero(name: str) -> None:
    new, _ = random_pair((2, 3))
    assert kl_estimate(name, new, new.clone()).abs().max() == 0


def test_k2_and_k3_are_never_negative() -> None:
    new, ref = random_pair((50, 50))
    assert kl_k2(new, ref).min() >= 0
    assert kl_k3(new, ref).min() >= 0


def test_k3_keeps_its_digits_for_close_policies_in_float32() -> None:
    new = torch.tensor([[-0.001]])
    ref = torch.tensor([[-0.0015]])
    log_ratio = ref.double().item() - new.double().item()
    assert kl_k3(new, ref).item() == pytest.approx(log_ratio**2 / 2, rel=1e-2)


def test_k1_and_k3_have_the_true_divergence_as_expectation() -> None:
    policy = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
    reference = torch.tensor([[0.3, 0.3, 0.4]], dtype=torch.float64)
    truth = (policy * (policy.log() - reference.log())).sum()
    for name in ("k1", "k3"):
        expectation = (policy * kl_estimate(name, policy.log(), reference.log())).sum()
        torch.testing.assert_close(expectation, truth)


def test_k3_overflows_to_infinity_and_not_to_nan() -> None:
    assert kl_k3(torch.tensor([[-200.0]]), torch.tensor([[0.0]])).item() == math.inf
