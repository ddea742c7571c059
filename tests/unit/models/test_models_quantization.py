"""Quantized bases train as a dense copy of the same weights would, whatever ran before."""

from __future__ import annotations

import warnings
from pathlib import Path

import bitsandbytes as bnb
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from tiny_models import random_ids, write_tiny_model
from torch import nn

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import EnvironmentError_
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.quantization import four_bit_layers, num_elements, quantization_config

IDS = random_ids(2, 24)
LORA = LoraConfig(rank=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"))


def start(base: Path, quantization: str, **fields: object) -> Policy:
    config = ModelConfig(path=str(base), quantization=quantization, lora=LORA, device="cpu", **fields)
    policy = load_policy(config, train=True)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return policy


def dense_copy(policy: Policy, base: Path) -> Policy:
    """An unquantized policy whose weights are the 4-bit ones of `policy`, written out."""
    dense = start(base, "none")
    layers = dict(dense.model.named_modules())
    for name, layer in policy.model.named_modules():
        if isinstance(layer, bnb.nn.Linear4bit):
            weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
            layers[name].weight.data.copy_(weight)
    return dense


def adapter_gradients(policy: Policy) -> dict[str, torch.Tensor]:
    policy.model.zero_grad()
    logprobs = torch.log_softmax(policy.model(input_ids=IDS, use_cache=False).logits[:, :-1], dim=-1)
    (-logprobs.gather(-1, IDS[:, 1:, None]).mean()).backward()
    return {n: p.grad.clone() for n, p in policy.model.named_parameters() if p.requires_grad}


def assert_same_gradients(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert got.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = gradient.abs().max()
        assert scale > 1e-6, name
        assert (got[name] - gradient).abs().max() < 1e-4 * scale, name


@pytest.mark.parametrize("double", [True, False])
def test_4bit_gradients_after_sampling_equal_those_of_a_dense_copy(base: Path, double: bool) -> None:
    policy = start(base, "nf4", use_double_quantization=double)
    with policy.sampling():
        policy.model(input_ids=IDS)
        policy.model(input_ids=IDS[:, :1])
    assert_same_gradients(adapter_gradients(policy), adapter_gradients(dense_copy(policy, base)))


def test_4bit_gradients_survive_a_bare_eval_forward(base: Path) -> None:
    policy = start(base, "nf4")
    policy.model.eval()
    with torch.no_grad():
        policy.model(input_ids=IDS)
    policy.model.train()
    assert_same_gradients(adapter_gradients(policy), adapter_gradients(dense_copy(policy, base)))


def test_4bit_layers_stay_in_train_mode_while_sampling_on_cpu(base: Path) -> None:
    policy = start(base, "nf4")
    with policy.sampling():
        assert not policy.model.training
        assert all(layer.training for layer in four_bit_layers(policy.model))
    assert policy.model.training
    assert len(four_bit_layers(policy.model)) == 14


def test_without_the_lock_an_eval_forward_loses_the_input_gradient_for_good() -> None:
    """The trap itself, on one layer: if bitsandbytes mends it, this test says that the lock can go."""
    layer = bnb.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4").to("cpu")
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU has no AVX512-BF16, so bitsandbytes never repacks here")
    nn.Sequential(layer).eval()
    x = torch.randn(3, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    with torch.no_grad():
        layer(x.detach())
    layer.train()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*autograd kernel was not registered")
        layer(x).sum().backward()
    assert x.grad is None


def test_8bit_base_trains_on_cpu_close_to_the_dense_base(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy, dense = start(base, "int8"), start(base, "none")
    with policy.sampling():
        policy.model(input_ids=IDS)
    got, expected = adapter_gradients(policy), adapter_gradients(dense)
    one, two = (torch.cat([g.flatten() for g in grads.values()]) for grads in (got, expected))
    assert torch.cosine_similarity(one, two, dim=0) > 0.99
    assert caplog.records == []


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_gradient_checkpointing_gives_equal_gradients(base: Path, quantization: str) -> None:
    plain = start(base, quantization)
    checkpointed = start(base, quantization, gradient_checkpointing=True)
    layers = [m for m in checkpointed.model.modules() if getattr(m, "gradient_checkpointing", False)]
    assert layers
    assert_same_gradients(adapter_gradients(checkpointed), adapter_gradients(plain))


def test_sampling_allows_the_cache_under_gradient_checkpointing_and_puts_modes_back(base: Path) -> None:
    policy = start(base, "nf4", gradient_checkpointing=True)
    modes = [module.training for module in policy.model.modules()]
    with policy.sampling():
        first = policy.model(input_ids=IDS)
        assert first.past_key_values.get_seq_length() == IDS.shape[1]
        assert not first.logits.requires_grad
        assert policy.model.config.use_cache
    assert [module.training for module in policy.model.modules()] == modes
    assert not policy.model.config.use_cache
    assert adapter_gradients(policy)


def test_a_4bit_weight_counts_as_one_parameter(base: Path) -> None:
    dense, small = start(base, "none"), start(base, "nf4")
    assert small.num_parameters == dense.num_parameters
    layer = four_bit_layers(small.model)[0]
    assert num_elements(layer.weight) == layer.in_features * layer.out_features == 2 * layer.weight.numel()


def test_half_precision_base_keeps_its_adapter_in_float32(base: Path) -> None:
    policy = start(base, "none", dtype="bfloat16")
    assert {p.dtype for p in policy.trainable_parameters()} == {torch.float32}
    kept = {p.dtype for name, p in policy.model.named_parameters() if "lora" not in name}
    assert kept == {torch.bfloat16}


def test_norms_and_head_of_a_4bit_bfloat16_base_are_not_upcast(base: Path) -> None:
    policy = start(base, "nf4", dtype="bfloat16")
    dtypes = {p.dtype for name, p in policy.model.named_parameters() if "norm" in name or "lm_head" in name}
    assert dtypes == {torch.bfloat16}
    assert all(gradient.dtype == torch.float32 for gradient in adapter_gradients(policy).values())


def test_quantization_on_other_devices_is_refused() -> None:
    config = ModelConfig(path="x", quantization="nf4")
    with pytest.raises(EnvironmentError_, match="runs on cuda and cpu, not on mps"):
        quantization_config(config, torch.device("mps"), torch.float32)
