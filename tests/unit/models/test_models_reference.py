"""The reference stays what the policy was, and coming back from it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_models import random_ids, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy

IDS = random_ids(2, 24)


def logits(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(input_ids=IDS, use_cache=False).logits


def loss_of(policy: Policy) -> torch.Tensor:
    logprobs = torch.log_softmax(policy.model(input_ids=IDS, use_cache=False).logits[:, :-1], dim=-1)
    return -logprobs.gather(-1, IDS[:, 1:, None]).mean()


def train_step(policy: Policy, rate: float = 0.1) -> None:
    optimizer = torch.optim.SGD(policy.trainable_parameters(), lr=rate)
    loss_of(policy).backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    policy = load_policy(ModelConfig(path=str(base), lora=LoraConfig(rank=4), device="cpu"), train=True)
    train_step(policy, rate=5.0)
    train_step(policy, rate=5.0)
    folder = tmp_path_factory.mktemp("run") / "adapter"
    policy.save(folder, stage="sft", seed=3)
    return folder


def start(kind: str, base: Path, adapter: Path, *, with_reference: bool = True) -> Policy:
    fields = {
        "fresh": {"lora": LoraConfig(rank=4)},
        "continued": {"adapter": adapter},
        "continued on nf4": {"adapter": adapter, "quantization": "nf4"},
        "dora": {"lora": LoraConfig(rank=4, use_dora=True)},
        "full": {"tuning": "full"},
    }[kind]
    config = ModelConfig(path=str(base), device="cpu", **fields)
    return load_policy(config, train=True, with_reference=with_reference)


KINDS = ("fresh", "continued", "continued on nf4", "dora", "full")


@pytest.mark.parametrize("kind", KINDS)
def test_reference_is_the_start_policy_after_training_changed_the_policy(
    kind: str, base: Path, adapter: Path
) -> None:
    policy = start(kind, base, adapter)
    before = logits(policy)
    for _ in range(2):
        train_step(policy, rate=2.0)
    trained = logits(policy)
    with policy.reference():
        reference = logits(policy)
    # A fresh DoRA adapter divides and multiplies by the same norms, which costs a rounding.
    tolerance = 1e-5 if kind == "dora" else 0.0
    torch.testing.assert_close(reference, before, atol=tolerance, rtol=0)
    assert (trained - before).abs().max() > 1e-3
    assert torch.equal(logits(policy), trained)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_flows_to_the_same_parameters_after_a_reference_pass(
    kind: str, base: Path, adapter: Path
) -> None:
    policy = start(kind, base, adapter)
    flags = {name: parameter.requires_grad for name, parameter in policy.model.named_parameters()}
    loss_of(policy).backward()
    expected = [parameter.grad.clone() for parameter in policy.trainable_parameters()]
    policy.model.zero_grad()
    with policy.reference():
        logits(policy)
    assert flags == {name: parameter.requires_grad for name, parameter in policy.model.named_parameters()}
    loss_of(policy).backward()
    got = [parameter.grad for parameter in policy.trainable_parameters()]
    assert all(torch.equal(one, two) for one, two in zip(got, expected, strict=True))


def test_reference_pass_between_forward_and_backward_leaves_the_gradient_alone(
    base: Path, adapter: Path
) -> None:
    policy = start("continued", base, adapter)
    loss_of(policy).backward()
    expected = [parameter.grad.clone() for parameter in policy.trainable_parameters()]
    policy.model.zero_grad()
    loss = loss_of(policy)
    with policy.reference():
        logits(policy)
    loss.backward()
    got = [parameter.grad for parameter in policy.trainable_parameters()]
    assert all(torch.equal(one, two) for one, two in zip(got, expected, strict=True))


def test_reference_puts_everything_back_when_the_body_fails(base: Path, adapter: Path) -> None:
    policy = start("continued", base, adapter)
    train_step(policy)
    trained, trainable = logits(policy), policy.num_trainable
    with pytest.raises(ZeroDivisionError), policy.reference():
        _ = 1 / 0
    assert torch.equal(logits(policy), trained)
    assert policy.num_trainable == trainable
    assert policy.model.training


def test_starting_adapter_is_continued_and_not_stacked(base: Path, adapter: Path) -> None:
    alone = start("continued", base, adapter, with_reference=False)
    beside = start("continued", base, adapter, with_reference=True)
    fresh = start("fresh", base, adapter, with_reference=False)
    assert alone.num_trainable == beside.num_trainable == fresh.num_trainable
    assert alone.num_parameters == beside.num_parameters == fresh.num_parameters
    assert all(".default." in name for name, p in beside.model.named_parameters() if p.requires_grad)
    assert torch.equal(logits(alone), logits(beside))


def test_reference_is_never_saved(base: Path, adapter: Path, tmp_path: Path) -> None:
    policy = start("continued", base, adapter)
    train_step(policy)
    policy.save(tmp_path / "adapter")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert "reference" not in names
    assert {"adapter_model.safetensors", "adapter_config.json", "lineage.json", "tokenizer.json"} <= names
    again = load_policy(ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu"), train=True)
    assert torch.equal(logits(again), logits(policy))


def test_full_weights_saved_and_loaded_again_are_the_same_policy(base: Path, tmp_path: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base), tuning="full", device="cpu"), train=True)
    train_step(policy)
    policy.save(tmp_path / "model", stage="sft")
    again = load_policy(ModelConfig(path=str(tmp_path / "model"), device="cpu"), train=False)
    assert torch.equal(logits(again), logits(policy))
    assert [stage.stage for stage in again.lineage.stages] == ["sft"]
    assert json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))["use_cache"]
    assert not policy.model.config.use_cache


def test_frozen_policy_stays_frozen_after_a_reference_pass(base: Path, adapter: Path) -> None:
    config = ModelConfig(path=str(base), adapter=adapter, device="cpu")
    policy = load_policy(config, train=False, with_reference=True)
    with policy.reference():
        logits(policy)
    assert policy.num_trainable == 0


def test_policy_without_reference_says_so(base: Path, adapter: Path) -> None:
    policy = start("continued", base, adapter, with_reference=False)
    with pytest.raises(ModelError, match="with_reference=True"), policy.reference():
        pass


def test_untrained_policy_is_its_own_reference(base: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=False, with_reference=True)
    with policy.reference():
        inside = logits(policy)
    assert torch.equal(inside, logits(policy))
