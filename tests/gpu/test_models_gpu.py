"""The loading layer on a CUDA device: a 4-bit bfloat16 base samples, trains and saves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import random_ids, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.quantization import four_bit_layers

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


def gradients(policy: Policy, ids: torch.Tensor) -> torch.Tensor:
    policy.model.zero_grad()
    logits = policy.model(input_ids=ids, use_cache=False).logits[:, :-1]
    logprobs = torch.log_softmax(logits.float(), dim=-1).gather(-1, ids[:, 1:, None])
    (-logprobs.mean()).backward()
    return torch.cat([parameter.grad.flatten() for parameter in policy.trainable_parameters()])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "base")


def test_auto_takes_the_gpu_and_the_precision_it_is_good_at(base: Path) -> None:
    policy = load_policy(ModelConfig(path=str(base)), train=False)
    fast = torch.cuda.is_bf16_supported(including_emulation=False)
    assert policy.device.type == "cuda"
    assert policy.dtype == (torch.bfloat16 if fast else torch.float32)


def test_4bit_bfloat16_base_samples_trains_and_comes_back(base: Path, tmp_path: Path) -> None:
    config = ModelConfig(path=str(base), quantization="nf4", dtype="bfloat16", lora=LoraConfig(rank=4))
    policy = load_policy(config, train=True, with_reference=True)
    ids = random_ids(2, 24).to(policy.device)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(0.01)
    before = gradients(policy, ids)
    with policy.sampling():
        logits = policy.model(ids).logits
    with policy.reference():
        policy.model(ids)
    assert torch.equal(gradients(policy, ids), before)
    assert before.dtype == torch.float32
    assert (before != 0).float().mean() > 0.9
    assert len(four_bit_layers(policy.model)) == 14
    policy.save(tmp_path / "adapter")
    adapted = ModelConfig(path=str(base), quantization="nf4", dtype="bfloat16", adapter=tmp_path / "adapter")
    again = load_policy(adapted, train=False)
    with again.sampling():
        assert torch.equal(again.model(ids).logits, logits)


def test_fresh_adapter_leaves_the_gpu_generators_alone(base: Path) -> None:
    state = torch.cuda.get_rng_state_all()
    load_policy(ModelConfig(path=str(base)), train=True, seed=9)
    assert all(torch.equal(a, b) for a, b in zip(torch.cuda.get_rng_state_all(), state, strict=True))
