from __future__ import annotations

import math

import pytest
import torch

from r1kit.objectives.importance import truncated_importance

MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_a_weight_is_the_ratio_of_trainer_to_engine_up_to_the_cap() -> None:
    old = torch.log(torch.tensor([[0.3, 0.2, 0.9], [0.5, 0.1, 0.1]]))
    sampled = torch.log(torch.tensor([[0.2, 0.4, 0.1], [0.5, 0.9, 0.9]]))
    importance = truncated_importance(old, sampled, MASK, 2.0)
    torch.testing.assert_close(importance.weights, torch.tensor([[1.5, 0.5, 2.0], [1.0, 1.0, 1.0]]))
    assert importance.capped.tolist() == [[False, False, True], [False, False, False]]


@pytest.mark.parametrize("junk", [math.inf, -math.inf, math.nan])
def test_masked_tokens_weigh_one_and_are_never_capped(junk: float) -> None:
    dirty = torch.zeros(2, 3).masked_fill(~MASK, junk)
    importance = truncated_importance(dirty, -dirty, MASK, 0.5)
    assert importance.weights[~MASK].tolist() == [1.0, 1.0]
    assert not importance.capped[~MASK].any()


def test_an_overflowing_ratio_is_the_cap() -> None:
    importance = truncated_importance(torch.zeros(1, 1), torch.full((1, 1), -500.0), MASK[1:, :1], 3.0)
    assert importance.weights.item() == 3.0


def test_weights_carry_no_gradient() -> None:
    old = torch.zeros(2, 3, requires_grad=True)
    assert not truncated_importance(old, torch.ones(2, 3), MASK, 2.0).weights.requires_grad
