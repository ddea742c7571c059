from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.grpo import GrpoLoss, Objective, grpo_loss
from r1kit.objectives.grpo_sums import GrpoSums

LENGTHS = [4, 1, 3, 0, 2, 4]
MAX_TOKENS = 5
NORMALIZER = Normalizer.from_lengths(LENGTHS, MAX_TOKENS)
MASK = torch.arange(4)[None, :] < torch.tensor(LENGTHS)[:, None]
AGGREGATIONS = ("sequence_mean", "sequence_sum", "token_mean", "constant_length")
ESTIMATORS = ("k1", "k2", "k3")


def random_batch(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    names = ("logprobs", "old_logprobs", "ref_logprobs")
    batch = {name: -torch.rand(6, 4, generator=generator, dtype=torch.float64) for name in names}
    return batch | {"advantages": torch.randn(6, generator=generator, dtype=torch.float64), "mask": MASK}


def loss_of(batch: dict[str, Any], normalizer: Normalizer = NORMALIZER, **changes: Any) -> GrpoLoss:
    objective = Objective(**({"clip_eps_high": 0.28, "beta": 0.3} | changes))
    return grpo_loss(**batch, objective=objective, normalizer=normalizer)


def weight_of_token(row: int, aggregation: str) -> float:
    tokens = {
        "sequence_mean": LENGTHS[row] * len(LENGTHS),
        "sequence_sum": len(LENGTHS),
        "token_mean": sum(LENGTHS),
        "constant_length": len(LENGTHS) * MAX_TOKENS,
    }
    return 1 / tokens[aggregation]


def naive_token(
    new: float, old: float, ref: float, advantage: float, beta: float, kl: str
) -> tuple[float, float]:
    """The token's objective and its derivative by the new log-prob, by cases, in python floats."""
    ratio = math.exp(new - old)
    if (advantage > 0 and ratio > 1.28) or (advantage < 0 and ratio < 0.8):
        value, slope = (1.28 if advantage > 0 else 0.8) * advantage, 0.0
    else:
        value, slope = ratio * advantage, ratio * advantage
    log_ratio = ref - new
    divergence = {"k1": -log_ratio, "k2": log_ratio**2 / 2, "k3": math.exp(log_ratio) - log_ratio - 1}[kl]
    divergence_slope = {"k1": 1.0, "k2": -log_ratio, "k3": 1 - math.exp(log_ratio)}[kl]
    return value - beta * divergence, slope - beta * divergence_slope


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("kl", ESTIMATORS)
def test_a_naive_loop_gives_the_same_loss_and_gradient(aggregation: str, kl: str) -> None:
    batch = random_batch()
    batch["logprobs"].requires_grad_()
    loss = loss_of(batch, aggregation=aggregation, kl_estimator=kl).loss
    (gradient,) = torch.autograd.grad(loss, batch["logprobs"])
    expected_loss, expected_gradient = 0.0, torch.zeros(6, 4, dtype=torch.float64)
    for row, length in enumerate(LENGTHS):
        for token in range(length):
            new, old, ref = (
                batch[name][row, token].item() for name in ("logprobs", "old_logprobs", "ref_logprobs")
            )
            value, slope = naive_token(new, old, ref, batch["advantages"][row].item(), 0.3, kl)
            expected_loss -= weight_of_token(row, aggregation) * value
            expected_gradient[row, token] = -weight_of_token(row, aggregation) * slope
    assert loss.item() == pytest.approx(expected_loss, rel=1e-12)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("kl", ESTIMATORS)
def test_gradients_agree_with_finite_differences(aggregation: str, kl: str) -> None:
    batch = random_batch(3)
    logprobs = batch.pop("logprobs").requires_grad_()
    assert torch.autograd.gradcheck(
        lambda new: loss_of(batch | {"logprobs": new}, aggregation=aggregation, kl_estimator=kl).loss,
        (logprobs,),
    )


def test_hand_value_of_two_short_completions() -> None:
    batch = {
        "logprobs": torch.tensor([[math.log(0.6), math.log(0.5)], [math.log(0.1), 0.0]]),
        "old_logprobs": torch.tensor([[math.log(0.4), math.log(0.5)], [math.log(0.2), 0.0]]),
        "ref_logprobs": torch.tensor([[math.log(0.6), math.log(0.25)], [math.log(0.1), 0.0]]),
        "advantages": torch.tensor([1.0, -1.0]),
        "mask": torch.tensor([[True, True], [True, False]]),
    }
    result = loss_of(batch, beta=0.1, normalizer=Normalizer.from_lengths([2, 1], 2), clip_eps_high=0.2)
    # ratios 1.5 -> 1.2 and 1 (A = 1), 0.5 -> 0.8 (A = -1); k3 of the second token is ln 2 - 1/2
    kl = math.log(2) - 0.5
    surrogate = ((1.2 + 1.0) / 2 - 0.8) / 2
    assert result.loss.item() == pytest.approx(-(surrogate - 0.1 * kl / 2 / 2))
    assert result.sums.metrics() == {
        "surrogate": pytest.approx(surrogate),
        "kl": pytest.approx(kl / 3),
        "old_kl": pytest.approx(((0.5 - math.log(1.5)) + 0 + (-0.5 + math.log(2))) / 3),
        "ratio_mean": pytest.approx((1.5 + 1 + 0.5) / 3),
        "clip_fraction": pytest.approx(2 / 3),
        "clip_fraction_low": pytest.approx(1 / 3),
        "clip_fraction_high": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("with_reference", [True, False])
def test_micro_batches_add_up_to_the_full_batch(aggregation: str, with_reference: bool) -> None:
    batch: dict[str, Any] = random_batch()
    batch["logprobs"].requires_grad_()
    beta = 0.3 if with_reference else 0.0
    if not with_reference:
        batch["ref_logprobs"] = None
    whole = loss_of(batch, aggregation=aggregation, beta=beta)
    rows = ([5], [2, 0], [1, 3, 4])
    parts = []
    for row in rows:
        sliced = {name: None if value is None else value[row] for name, value in batch.items()}
        parts.append(loss_of(sliced, aggregation=aggregation, beta=beta))
    total = parts[0].loss + parts[1].loss + parts[2].loss
    torch.testing.assert_close(total, whole.loss)
    torch.testing.assert_close(
        torch.autograd.grad(total, batch["logprobs"]), torch.autograd.grad(whole.loss, batch["logprobs"])
    )
    sums = (parts[0].sums + parts[1].sums + parts[2].sums).metrics()
    assert sums == pytest.approx(whole.sums.metrics(), rel=1e-12)
    assert ("kl" in sums) == with_reference


@pytest.mark.parametrize("junk", [-math.inf, math.nan, 1e30])
def test_masked_positions_have_no_effect_whatever_stands_there(junk: float) -> None:
    batch = random_batch()
    clean = loss_of(batch)
    for name in ("logprobs", "old_logprobs", "ref_logprobs"):
        batch[name] = batch[name].masked_fill(~MASK, junk)
    batch["logprobs"].requires_grad_()
    with torch.autograd.set_detect_anomaly(True):  # fails on a nan anywhere on the way back
        dirty = loss_of(batch)
        dirty.loss.backward()
    assert torch.equal(dirty.loss, clean.loss)
    assert dirty.sums.metrics() == clean.sums.metrics()
    gradient = batch["logprobs"].grad
    assert gradient is not None
    assert gradient[~MASK].tolist() == [0.0] * int((~MASK).sum())
    assert gradient.isfinite().all()


def test_padding_changes_nothing() -> None:
    batch = random_batch()
    wide = {
        name: torch.nn.functional.pad(value, (0, 3)) if value.ndim == 2 else value
        for name, value in batch.items()
    }
    torch.testing.assert_close(loss_of(wide).loss, loss_of(batch).loss)


def test_on_policy_the_gradient_is_that_of_the_weighted_log_likelihood() -> None:
    batch = random_batch()
    batch["logprobs"].requires_grad_()
    result = loss_of(batch | {"old_logprobs": batch["logprobs"].detach()}, beta=0.0)
    lengths = torch.tensor(LENGTHS, dtype=torch.float64)
    weights = (batch["advantages"] / lengths.clamp(min=1) / len(LENGTHS))[:, None] * MASK
    (gradient,) = torch.autograd.grad(result.loss, batch["logprobs"])
    torch.testing.assert_close(gradient, -weights)
    torch.testing.assert_close(result.loss, -(weights.sum()))
    assert result.sums.metrics()["ratio_mean"] == 1.0
    assert result.sums.metrics()["clip_fraction"] == 0.0


def test_balanced_advantages_give_loss_zero_but_not_gradient_zero() -> None:
    logprobs = torch.full((2, 3), -1.0, requires_grad=True)
    batch = {
        "logprobs": logprobs,
        "old_logprobs": logprobs.detach(),
        "ref_logprobs": None,
        "advantages": torch.tensor([0.7, -0.7]),
        "mask": torch.ones(2, 3, dtype=torch.bool),
    }
    result = loss_of(batch, beta=0.0, normalizer=Normalizer.from_lengths([3, 3], 3))
    result.loss.backward()
    assert result.loss.item() == pytest.approx(0.0, abs=1e-7)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor([[-0.7 / 6] * 3, [0.7 / 6] * 3]))


def test_beta_zero_measures_the_kl_and_leaves_it_out_of_the_loss() -> None:
    batch = random_batch()
    batch["ref_logprobs"] = torch.full_like(batch["ref_logprobs"], 1000.0)  # k3 is infinite: 0 * inf is nan
    measured = loss_of(batch, beta=0.0)
    torch.testing.assert_close(measured.loss, loss_of(batch | {"ref_logprobs": None}, beta=0.0).loss)
    assert measured.sums.metrics()["kl"] == math.inf


def test_the_gradient_reaches_the_new_log_probs_alone() -> None:
    batch = random_batch()
    for name in ("logprobs", "old_logprobs", "ref_logprobs", "advantages"):
        batch[name].requires_grad_()
    result = loss_of(batch)
    result.loss.backward()
    assert batch["logprobs"].grad is not None
    assert [batch[name].grad for name in ("old_logprobs", "ref_logprobs", "advantages")] == [None] * 3
    sums = [getattr(result.sums, field.name) for field in dataclasses.fields(result.sums)]
    assert not any(value.requires_grad for value in sums if value is not None)


def test_a_slice_without_tokens_adds_nothing() -> None:
    batch = random_batch() | {"mask": torch.zeros(6, 4, dtype=torch.bool)}
    result = loss_of(batch)
    assert result.loss.item() == 0.0
    assert result.sums.metrics() == {"surrogate": 0.0}
    whole = loss_of(random_batch()).sums
    assert (whole + result.sums).metrics() == whole.metrics()


def test_beta_without_a_reference_is_refused() -> None:
    with pytest.raises(ValueError, match=r"beta is 0\.3 but ref_logprobs is None"):
        loss_of(random_batch() | {"ref_logprobs": None})


def test_slices_with_and_without_reference_are_not_added() -> None:
    whole: GrpoSums = loss_of(random_batch()).sums
    with pytest.raises(ValueError, match="with and without ref_logprobs"):
        whole + dataclasses.replace(whole, kl=None)
