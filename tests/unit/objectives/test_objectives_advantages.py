from __future__ import annotations

import math
import statistics

import pytest
import torch
from torch import Tensor

from r1kit.core.errors import TrainingError
from r1kit.objectives.advantages import group_advantages, uniform_groups

NAN = math.nan


def naive_advantages(rewards: list[float], group_size: int, scale: str, eps: float) -> list[float]:
    result = []
    for start in range(0, len(rewards), group_size):
        group = rewards[start : start + group_size]
        usable = [reward for reward in group if not math.isnan(reward)]
        if len(usable) < 2:
            result += [0.0] * group_size
            continue
        divisor = statistics.stdev(usable) + eps if scale == "std" else 1.0
        mean = statistics.fmean(usable)
        result += [0.0 if math.isnan(reward) else (reward - mean) / divisor for reward in group]
    return result


def random_rewards(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_rewards_1_0_0_1_give_advantages_of_0_866() -> None:
    advantages = group_advantages(torch.tensor([1.0, 0.0, 0.0, 1.0]), 4)
    expected = 0.5 / (math.sqrt(1 / 3) + 1e-4)
    torch.testing.assert_close(advantages, torch.tensor([expected, -expected, -expected, expected]))
    assert round(expected, 3) == 0.866


@pytest.mark.parametrize("scale", ["std", "none"])
def test_equal_rewards_give_exactly_zero(scale: str) -> None:
    rewards = torch.tensor([0.1] * 7 + [1.2] * 7 + [-1e6 / 3] * 7)
    assert group_advantages(rewards, 7, scale).tolist() == [0.0] * 21


def test_scale_none_only_centres() -> None:
    advantages = group_advantages(torch.tensor([3.0, 1.0, 0.0, 10.0]), 2, "none")
    assert advantages.tolist() == [1.0, -1.0, -5.0, 5.0]


@pytest.mark.parametrize("scale", ["std", "none"])
def test_a_naive_loop_gives_the_same_advantages(scale: str) -> None:
    rewards = random_rewards(24)
    rewards[[3, 8, 9, 10]] = NAN
    advantages = group_advantages(rewards, 4, scale, eps=1e-3)
    expected = naive_advantages(rewards.tolist(), 4, scale, eps=1e-3)
    torch.testing.assert_close(
        advantages, torch.tensor(expected, dtype=torch.float64), rtol=1e-13, atol=1e-13
    )


def test_a_nan_reward_is_left_out_of_its_group() -> None:
    with_nan = group_advantages(torch.tensor([1.0, NAN, 0.0, 0.0]), 4)
    without = group_advantages(torch.tensor([1.0, 0.0, 0.0]), 3)
    assert with_nan[1] == 0
    torch.testing.assert_close(with_nan[[0, 2, 3]], without)


def test_fewer_than_two_usable_rewards_give_zero() -> None:
    rewards = torch.tensor([5.0, NAN, NAN, NAN, NAN, NAN])
    assert group_advantages(rewards, 3).tolist() == [0.0] * 6
    assert uniform_groups(rewards, 3).tolist() == [True, True]


def test_a_group_of_one_has_no_signal() -> None:
    assert group_advantages(torch.tensor([1.0, 2.0]), 1).tolist() == [0.0, 0.0]


def test_uniform_groups_are_those_without_any_difference() -> None:
    rewards = torch.tensor([1.0, 1.0, 1.0, 0.0, NAN, 1.0, 1.0, NAN, 1.0, 0.0, 0.0, 1.0])
    assert uniform_groups(rewards, 3).tolist() == [True, False, True, False]


def test_permuting_groups_permutes_advantages() -> None:
    rewards = random_rewards(20).view(5, 4)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = group_advantages(rewards[order].flatten(), 4).view(5, 4)
    assert torch.equal(permuted, group_advantages(rewards.flatten(), 4).view(5, 4)[order])


def test_permuting_within_a_group_permutes_advantages() -> None:
    rewards, order = random_rewards(4), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(group_advantages(rewards[order], 4), group_advantages(rewards, 4)[order])


def test_shifting_and_scaling_rewards_changes_nothing_but_for_eps() -> None:
    rewards = random_rewards(12)
    torch.testing.assert_close(
        group_advantages(5 * rewards - 2, 4, eps=0.0), group_advantages(rewards, 4, eps=0.0)
    )


def test_advantages_have_mean_zero_and_deviation_one() -> None:
    advantages = group_advantages(random_rewards(32), 8, eps=0.0).view(4, 8)
    torch.testing.assert_close(advantages.mean(1), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(advantages.std(1), torch.ones(4, dtype=torch.float64))


def test_rounding_noise_in_rewards_is_not_blown_up() -> None:
    assert group_advantages(torch.tensor([1.0, 1.0 + 1e-7]), 2).abs().max() < 1e-2


def test_an_infinite_reward_is_refused_by_place_and_value() -> None:
    with pytest.raises(TrainingError, match=r"completion 2 is -inf"):
        group_advantages(torch.tensor([0.0, 1.0, -math.inf, 0.0]), 2)


@pytest.mark.parametrize("group_size", [0, 3])
def test_rewards_that_do_not_fill_groups_are_refused(group_size: int) -> None:
    with pytest.raises(ValueError, match=f"4 rewards .* group_size {group_size}"):
        group_advantages(torch.zeros(4), group_size)


def test_leaving_one_out_compares_each_reward_with_the_mean_of_the_others() -> None:
    rewards = random_rewards(12)
    rewards[[1, 8, 9, 10]] = NAN
    advantages = group_advantages(rewards, 4, "none", baseline="leave_one_out")
    for row, reward in enumerate(rewards.tolist()):
        start = row - row % 4
        others = [i for i in range(start, start + 4) if i != row and not rewards[i].isnan()]
        mean = statistics.fmean(rewards[others].tolist()) if others else reward
        expected = 0.0 if math.isnan(reward) else reward - mean
        assert advantages[row].item() == pytest.approx(expected, rel=1e-12)


def test_equal_rewards_give_exactly_zero_with_any_baseline() -> None:
    rewards = torch.tensor([0.1] * 7)
    assert group_advantages(rewards, 7, "none", baseline="leave_one_out").tolist() == [0.0] * 7
