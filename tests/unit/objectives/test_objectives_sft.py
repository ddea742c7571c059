from __future__ import annotations

import math

import pytest
import torch

from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.sft import sft_loss


def test_the_loss_is_the_mean_surprise_of_the_trained_tokens() -> None:
    logprobs = torch.tensor([[math.log(0.5), math.log(0.25)], [math.log(0.125), -math.inf]])
    mask = torch.tensor([[True, True], [True, False]])
    loss = sft_loss(logprobs, mask, Normalizer.from_lengths([2, 1], max_tokens=2))
    assert loss.item() == pytest.approx((1 + 2 + 3) * math.log(2) / 3)


def test_torch_cross_entropy_gives_the_same_loss_and_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 9, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(9, (3, 4), generator=generator)
    mask = torch.tensor([[True] * 4, [True, False, True, False], [False] * 4])
    logprobs = logits.log_softmax(-1).gather(-1, targets[..., None]).squeeze(-1)
    loss = sft_loss(logprobs, mask, Normalizer.from_lengths([4, 2, 0], max_tokens=4))
    labels = targets.masked_fill(~mask, -100).flatten()
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits))


def test_micro_batches_add_up_to_the_full_batch() -> None:
    logprobs = -torch.rand(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False], [False, False, True]])
    normalizer = Normalizer.from_lengths([3, 1, 2, 1], max_tokens=3)
    parts = sft_loss(logprobs[:1], mask[:1], normalizer) + sft_loss(logprobs[1:], mask[1:], normalizer)
    torch.testing.assert_close(parts, sft_loss(logprobs, mask, normalizer))
