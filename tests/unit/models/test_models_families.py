"""Every family: load, adapt, perturb, save, load again; the same log-probs come out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES, random_ids, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy

IDS = random_ids(2, 40)


def perturb(policy: Policy, seed: int = 1) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)


def logprobs(policy: Policy, **arguments: object) -> torch.Tensor:
    with policy.sampling():
        logits = policy.model(input_ids=IDS, use_cache=False, **arguments).logits
    return torch.log_softmax(logits.float(), dim=-1)


@pytest.fixture(scope="module", params=FAMILIES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp(request.param), request.param)


def test_saved_adapter_loaded_again_gives_the_same_logprobs(base: Path, tmp_path: Path) -> None:
    lora = LoraConfig(rank=4, alpha=8)
    policy = load_policy(ModelConfig(path=str(base), lora=lora, device="cpu"), train=True)
    before = logprobs(policy)
    perturb(policy)
    policy.save(tmp_path / "adapter")
    config = ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu")
    again = load_policy(config, train=True)
    frozen = load_policy(config, train=False)
    assert (logprobs(policy) - before).abs().max() > 0.05
    assert torch.equal(logprobs(again), logprobs(policy))
    assert torch.equal(logprobs(frozen), logprobs(policy))
    assert again.num_trainable == policy.num_trainable > 0
    assert frozen.num_trainable == 0


def test_adapter_off_equals_the_base_exactly(base: Path) -> None:
    plain = load_policy(ModelConfig(path=str(base), device="cpu"), train=False)
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=True, with_reference=True)
    assert torch.equal(logprobs(policy), logprobs(plain))
    perturb(policy)
    with policy.reference():
        assert torch.equal(logprobs(policy), logprobs(plain))
    assert not torch.equal(logprobs(policy), logprobs(plain))


def test_every_linear_layer_but_the_head_gets_an_adapter(base: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base), lora=LoraConfig(rank=2), device="cpu"), train=True)
    adapted = {name.split(".lora_")[0] for name, p in policy.model.named_parameters() if p.requires_grad}
    linear = 4 if "phi3" in base.name else 7
    assert len(adapted) == 2 * linear
    assert not any("lm_head" in name for name in adapted)


def test_4bit_base_with_adapter_survives_saving_and_loading(base: Path, tmp_path: Path) -> None:
    config = ModelConfig(path=str(base), quantization="nf4", lora=LoraConfig(rank=4), device="cpu")
    policy = load_policy(config, train=True)
    perturb(policy)
    policy.save(tmp_path / "adapter")
    again = load_policy(
        config.model_copy(update={"adapter": tmp_path / "adapter", "lora": LoraConfig()}), train=True
    )
    assert torch.equal(logprobs(again), logprobs(policy))
    assert again.num_parameters == policy.num_parameters


def test_merged_weights_compute_what_the_adapter_computes(base: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=True)
    perturb(policy)
    with_adapter = logprobs(policy)
    merged = policy.model.merge_and_unload()
    with torch.no_grad():
        without = torch.log_softmax(merged.eval()(input_ids=IDS, use_cache=False).logits, dim=-1)
    torch.testing.assert_close(without, with_adapter, atol=1e-5, rtol=1e-5)


def test_a_call_takes_everything_the_engines_pass(base: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base), device="cpu"), train=False)
    positions = torch.arange(IDS.shape[1]).expand_as(IDS)
    with policy.sampling():
        output = policy.model(
            input_ids=IDS,
            attention_mask=torch.ones_like(IDS),
            position_ids=positions,
            past_key_values=None,
            use_cache=True,
            logits_to_keep=1,
        )
        after = policy.model(
            input_ids=IDS[:, :1], past_key_values=output.past_key_values, use_cache=True
        ).logits
    assert output.logits.shape == (2, 1, 320)
    assert after.shape == (2, 1, 320)
    torch.testing.assert_close(
        torch.log_softmax(output.logits[:, 0], -1), logprobs(policy)[:, -1], atol=1e-5, rtol=1e-4
    )
