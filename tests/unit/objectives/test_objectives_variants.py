"""Each preset against its paper's formula, written as loops over completions and tokens in float64."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
import torch
from torch import Tensor

from r1kit.config.rl import GrpoAlgorithm
from r1kit.grpo.batch import objective_of
from r1kit.objectives.advantages import group_advantages
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.grpo import GrpoLoss, Objective, grpo_loss

NAMES = ("grpo", "dr_grpo", "dapo", "gspo", "cispo", "rloo")
GROUP, MAX_TOKENS = 4, 7
LENGTHS = [3, 1, 5, 2, 4, 5, 0, 2]
REWARDS = [1.0, 0.0, 0.2, 1.0, 0.0, 1.0, 0.0, 0.0]
MASK = torch.arange(5)[None, :] < torch.tensor(LENGTHS)[:, None]
NORMALIZER = Normalizer.from_lengths(LENGTHS, MAX_TOKENS)
BETA = 0.3


def algorithm(name: str, **changes: Any) -> GrpoAlgorithm:
    """The preset; with a KL term where it has one in the loss, large enough to be seen."""
    values = {"name": name, "group_size": GROUP} | ({"beta": BETA} if name == "grpo" else {})
    return GrpoAlgorithm(**(values | changes))


def batch(name: str) -> dict[str, Tensor]:
    """Log-probs whose ratios reach both clips of the preset, whose bounds differ by orders of magnitude."""
    generator = torch.Generator().manual_seed(4)
    spread = {"gspo": 2e-3, "cispo": 2.5}.get(name, 0.5)
    new = -torch.rand(8, 5, generator=generator, dtype=torch.float64) - 0.1
    moved = spread * torch.randn(8, 5, generator=generator, dtype=torch.float64)
    reference = new + 0.4 * torch.randn(8, 5, generator=generator, dtype=torch.float64)
    return {"logprobs": new, "old_logprobs": new - moved, "ref_logprobs": reference}


def advantages_of(config: GrpoAlgorithm) -> Tensor:
    rewards = torch.tensor(REWARDS, dtype=torch.float64)
    return group_advantages(rewards, GROUP, config.advantage_scale, baseline=config.baseline)


def loss_of(config: GrpoAlgorithm, tensors: dict[str, Any], objective: Objective | None = None) -> GrpoLoss:
    objective = objective or objective_of(config)
    inputs = tensors if objective.beta else tensors | {"ref_logprobs": None}
    return grpo_loss(**inputs, objective=objective, normalizer=NORMALIZER)


def naive_advantages(name: str) -> list[float]:
    result = []
    for start in (0, GROUP):
        group = REWARDS[start : start + GROUP]
        for index, reward in enumerate(group):
            if name == "rloo":
                result.append(reward - statistics.fmean(group[:index] + group[index + 1 :]))
            elif name == "dr_grpo":
                result.append(reward - statistics.fmean(group))
            else:
                result.append((reward - statistics.fmean(group)) / (statistics.stdev(group) + 1e-4))
    return result


def clip(value: Tensor, low: float, high: float) -> Tensor:
    bounds = torch.tensor([low, high], dtype=torch.float64)
    return torch.minimum(torch.maximum(value, bounds[0]), bounds[1])


def naive_token(name: str, new: Tensor, old: Tensor, reference: Tensor, advantage: float) -> Tensor:
    """One token's term of the objective; GSPO has none."""
    ratio = torch.exp(new - old)
    match name:
        case "grpo":
            kl = torch.exp(reference - new) - (reference - new) - 1
            return torch.minimum(ratio * advantage, clip(ratio, 0.8, 1.2) * advantage) - BETA * kl
        case "dr_grpo":
            return torch.minimum(ratio * advantage, clip(ratio, 0.8, 1.2) * advantage)
        case "dapo":
            return torch.minimum(ratio * advantage, clip(ratio, 0.8, 1.28) * advantage)
        case "cispo":
            return clip(ratio.detach(), 0.0, 5.0) * advantage * new
        case _:
            return ratio * advantage


def naive_loss(name: str, tensors: dict[str, Tensor]) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    num_tokens = sum(LENGTHS)
    for row, (length, advantage) in enumerate(zip(LENGTHS, naive_advantages(name), strict=True)):
        new, old, reference = (
            [tensors[key][row, t] for t in range(length)]
            for key in ("logprobs", "old_logprobs", "ref_logprobs")
        )
        if name == "gspo":
            if length:
                whole = sum(a - b for a, b in zip(new, old, strict=True)) / length
                ratio = torch.exp(torch.as_tensor(whole))
                bounded = clip(ratio, 1 - 3e-4, 1 + 4e-4)
                total = total + torch.minimum(ratio * advantage, bounded * advantage) / 8
            continue
        for one in zip(new, old, reference, strict=True):
            term = naive_token(name, *one, advantage)
            divisor = {
                "grpo": 8 * length,
                "dr_grpo": 8 * MAX_TOKENS,
                "dapo": num_tokens,
                "cispo": num_tokens,
                "rloo": 8,
            }
            total = total + term / divisor[name]
    return -total


@pytest.mark.parametrize("name", NAMES)
def test_a_naive_loop_gives_the_same_loss_and_gradient(name: str) -> None:
    tensors = batch(name)
    tensors["logprobs"].requires_grad_()
    config = algorithm(name)
    advantages = advantages_of(config)
    assert advantages.tolist() == pytest.approx(naive_advantages(name), rel=1e-12)
    result = loss_of(config, tensors | {"advantages": advantages, "mask": MASK})
    expected = naive_loss(name, tensors)
    torch.testing.assert_close(result.loss, expected, rtol=1e-12, atol=1e-14)
    (gradient,) = torch.autograd.grad(result.loss, tensors["logprobs"])
    (wanted,) = torch.autograd.grad(expected, tensors["logprobs"])
    torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-14)
    assert gradient[MASK].count_nonzero() > 8
    assert gradient[~MASK].count_nonzero() == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_ratios_of_these_tests_are_clipped_on_the_sides_that_the_preset_clips(name: str) -> None:
    config = algorithm(name)
    tensors = batch(name) | {"advantages": advantages_of(config), "mask": MASK}
    sums = loss_of(config, tensors).sums
    low, high = sums.clipped_low > 0, sums.clipped_high > 0
    assert (bool(low), bool(high)) == {"rloo": (False, False), "cispo": (False, True)}.get(name, (True, True))


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_add_up_to_the_full_batch(name: str) -> None:
    config = algorithm(name)
    tensors = batch(name) | {"advantages": advantages_of(config), "mask": MASK}
    tensors["logprobs"].requires_grad_()
    whole = loss_of(config, tensors)
    parts = [
        loss_of(config, {key: value[rows] for key, value in tensors.items()})
        for rows in ([6], [7, 0], [1, 3, 4], [2, 5])
    ]
    total = torch.stack([part.loss for part in parts]).sum()
    torch.testing.assert_close(total, whole.loss)
    torch.testing.assert_close(
        torch.autograd.grad(total, tensors["logprobs"]), torch.autograd.grad(whole.loss, tensors["logprobs"])
    )
    sums = parts[0].sums + parts[1].sums + parts[2].sums + parts[3].sums
    assert sums.metrics() == pytest.approx(whole.sums.metrics(), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("junk", [-math.inf, math.nan, 1e30])
def test_masked_tokens_have_no_effect_whatever_stands_there(name: str, junk: float) -> None:
    config = algorithm(name, importance_cap=2.0)
    tensors = batch(name) | {"advantages": advantages_of(config), "mask": MASK}
    tensors["sampled_logprobs"] = tensors["old_logprobs"] - 0.3
    clean = loss_of(config, tensors)
    for key in ("logprobs", "old_logprobs", "ref_logprobs", "sampled_logprobs"):
        tensors[key] = tensors[key].masked_fill(~MASK, junk)
    tensors["logprobs"].requires_grad_()
    dirty = loss_of(config, tensors)
    (gradient,) = torch.autograd.grad(dirty.loss, tensors["logprobs"])
    assert torch.equal(dirty.loss, clean.loss)
    assert dirty.sums.metrics() == clean.sums.metrics()
    assert gradient[~MASK].count_nonzero() == 0
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_on_policy_the_gradient_is_the_advantage_by_the_presets_token_weight(name: str) -> None:
    tensors = batch(name)
    tensors["logprobs"].requires_grad_()
    tensors["old_logprobs"] = tensors["ref_logprobs"] = tensors["logprobs"].detach()
    config = algorithm(name)
    loss = loss_of(config, tensors | {"advantages": advantages_of(config), "mask": MASK}).loss
    (gradient,) = torch.autograd.grad(loss, tensors["logprobs"])
    for row, (length, advantage) in enumerate(zip(LENGTHS, naive_advantages(name), strict=True)):
        divisor = {"grpo": 8 * length, "gspo": 8 * length, "dr_grpo": 8 * MAX_TOKENS, "rloo": 8}
        expected = [-advantage / divisor.get(name, sum(LENGTHS))] * length if length else []
        assert gradient[row, :length].tolist() == pytest.approx(expected, rel=1e-9)


def test_importance_weights_multiply_the_surrogate_and_leave_the_kl_alone() -> None:
    tensors = batch("grpo") | {"mask": MASK}
    tensors["logprobs"].requires_grad_()
    config = algorithm("grpo", importance_cap=1.5)
    tensors["advantages"] = advantages_of(config)
    sampled = tensors["old_logprobs"] - torch.linspace(-0.5, 1.2, 40, dtype=torch.float64).view(8, 5)
    result = loss_of(config, tensors | {"sampled_logprobs": sampled})
    expected, weights = torch.zeros((), dtype=torch.float64), []
    for row, length in enumerate(LENGTHS):
        for token in range(length):
            one = [tensors[key][row, token] for key in ("logprobs", "old_logprobs", "ref_logprobs")]
            both = naive_token("grpo", *one, tensors["advantages"][row].item())
            kl = torch.exp(one[2] - one[0]) - (one[2] - one[0]) - 1
            weights.append(min(math.exp(one[1].item() - sampled[row, token].item()), 1.5))
            expected = expected - (weights[-1] * (both + BETA * kl) - BETA * kl) / (8 * length)
    torch.testing.assert_close(result.loss, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(
        torch.autograd.grad(result.loss, tensors["logprobs"]),
        torch.autograd.grad(expected, tensors["logprobs"]),
    )
    metrics = result.sums.metrics()
    assert metrics["importance_mean"] == pytest.approx(statistics.fmean(weights))
    assert metrics["importance_capped_rate"] == pytest.approx(weights.count(1.5) / len(weights))
    assert 0 < metrics["importance_capped_rate"] < 1


def test_a_cap_without_the_engines_log_probs_or_of_zero_is_refused() -> None:
    tensors = batch("dapo") | {"advantages": advantages_of(algorithm("dapo")), "mask": MASK}
    with pytest.raises(ValueError, match="sampled_logprobs is None"):
        loss_of(algorithm("dapo", importance_cap=2.0), tensors)
    with pytest.raises(ValueError, match="importance_cap is 0"):
        Objective(importance_cap=0.0)
