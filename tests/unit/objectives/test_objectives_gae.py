from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from r1kit.objectives.gae import generalized_advantages, token_rewards, whiten

LENGTHS = [5, 1, 3, 7]


def random_batch(seed: int = 0, width: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and the mask of completions of LENGTHS; noise also where the mask is False."""
    generator = torch.Generator().manual_seed(seed)
    rewards, values = (
        torch.randn(len(LENGTHS), width, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    mask = torch.arange(width)[None] < torch.tensor(LENGTHS)[:, None]
    return rewards, values, mask


def naive(
    rewards: list[float], values: list[float], gamma: float, lam: float
) -> tuple[list[float], list[float]]:
    """A_t as the sum over l of (gamma lambda)^l delta_(t+l), the definition itself."""
    deltas = [
        reward + gamma * (values[t + 1] if t + 1 < len(values) else 0.0) - values[t]
        for t, reward in enumerate(rewards)
    ]
    advantages = [
        sum((gamma * lam) ** (later - t) * deltas[later] for later in range(t, len(deltas)))
        for t in range(len(deltas))
    ]
    return advantages, [a + v for a, v in zip(advantages, values, strict=True)]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 1.0), (0.99, 0.0), (0.0, 0.7)])
def test_advantages_and_returns_are_those_of_the_definition(gamma, lam):
    rewards, values, mask = random_batch()
    advantages, returns = generalized_advantages(rewards, values, mask, gamma, lam)
    for row, length in enumerate(LENGTHS):
        expected = naive(rewards[row, :length].tolist(), values[row, :length].tolist(), gamma, lam)
        assert advantages[row, :length].tolist() == pytest.approx(expected[0], rel=1e-12)
        assert returns[row, :length].tolist() == pytest.approx(expected[1], rel=1e-12)
        assert not advantages[row, length:].any()
        assert not returns[row, length:].any()


def test_with_gamma_and_lambda_1_a_return_is_the_reward_to_come():
    rewards, values, mask = random_batch()
    returns = generalized_advantages(rewards, values, mask, 1.0, 1.0).returns
    for row, length in enumerate(LENGTHS):
        for token in range(length):
            assert returns[row, token].item() == pytest.approx(rewards[row, token:length].sum().item())


def test_with_lambda_0_only_the_next_value_counts():
    rewards, values, mask = random_batch()
    advantages = generalized_advantages(rewards, values, mask, 0.9, 0.0).advantages
    assert advantages[0, 1].item() == pytest.approx(
        (rewards[0, 1] + 0.9 * values[0, 2] - values[0, 1]).item()
    )
    assert advantages[0, 4].item() == pytest.approx((rewards[0, 4] - values[0, 4]).item())


def test_with_gamma_0_only_the_reward_at_hand_counts():
    rewards, values, mask = random_batch()
    returns = generalized_advantages(rewards, values, mask, 0.0, 0.95).returns
    torch.testing.assert_close(returns, torch.where(mask, rewards, 0.0))


def test_a_completion_of_one_token_has_its_reward_less_its_value():
    one = torch.ones(1, 1, dtype=torch.bool)
    found = generalized_advantages(torch.tensor([[2.0]]), torch.tensor([[0.5]]), one, 0.7, 0.3)
    assert (found.advantages.item(), found.returns.item()) == (1.5, 2.0)


def test_padding_changes_nothing_whatever_stands_there():
    rewards, values, mask = random_batch()
    expected = generalized_advantages(rewards, values, mask, 0.97, 0.9)
    for noise in (0.0, 1e6, math.nan, math.inf):
        behind = [torch.where(mask, some, noise) for some in (rewards, values)]
        wide = [torch.nn.functional.pad(some, (0, 3), value=noise) for some in behind]
        found = generalized_advantages(wide[0], wide[1], torch.nn.functional.pad(mask, (0, 3)), 0.97, 0.9)
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.equal(ours[:, :7], theirs)
            assert not ours[:, 7:].any()


def test_the_score_stands_at_the_last_token_and_the_kl_at_every_one():
    kl = torch.tensor([[1.0, 2.0, 3.0], [4.0, math.nan, math.inf]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    rewards = token_rewards(torch.tensor([10.0, -1.0]), kl, mask, 0.5)
    assert rewards.tolist() == [[-0.5, -1.0, 8.5], [-3.0, 0.0, 0.0]]


def test_the_rewards_of_a_completion_add_up_to_its_score_less_its_kl():
    kl, _, mask = random_batch()
    scores = torch.tensor([1.0, 0.0, -2.0, 0.5], dtype=torch.float64)
    sums = token_rewards(scores, kl, mask, 0.1).sum(dim=1)
    torch.testing.assert_close(sums, scores - 0.1 * torch.where(mask, kl, 0.0).sum(dim=1))


def test_whitened_values_have_mean_0_and_variance_1_over_the_tokens_alone():
    values, _, mask = random_batch()
    values = 3 * values + 5
    found = whiten(values, mask)
    assert found[mask].mean().item() == pytest.approx(0, abs=1e-12)
    assert found[mask].var().item() == pytest.approx(1, rel=1e-7)
    assert not found[~mask].any()
    spoilt = torch.where(mask, values, math.nan)
    assert torch.equal(whiten(spoilt, mask), found)


def test_without_the_shift_the_mean_is_kept():
    values, _, mask = random_batch()
    found = whiten(3 * values + 5, mask, shift_mean=False)
    assert found[mask].mean().item() == pytest.approx((3 * values + 5)[mask].mean().item())
    assert found[mask].var().item() == pytest.approx(1, rel=1e-7)


def test_equal_values_whiten_to_0():
    mask = torch.tensor([[True, True], [True, False]])
    assert not whiten(torch.full((2, 2), 0.1), mask).any()
    assert not whiten(torch.tensor([[0.3, 9.0]]), torch.tensor([[True, False]])).any()
