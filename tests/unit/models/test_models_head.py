"""The head taken from a policy computes what the model's own does, or is refused."""

from __future__ import annotations

from pathlib import Path

import peft
import pytest
import torch
from tiny_models import random_ids, write_tiny_model
from torch import Tensor
from transformers import AutoModelForCausalLM

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.load import load_policy
from r1kit.models.logprobs import head_logits, head_logprobs
from r1kit.models.policy import Policy
from r1kit.models.quiet import quiet_libraries

IDS = random_ids(2, 24)
TARGETS = IDS[:, 1:].flatten()


def policy_on(base: Path, *, train: bool = True, **fields: object) -> Policy:
    return load_policy(ModelConfig(path=str(base), device="cpu", **fields), train=train)


def hidden_and_logits(policy: Policy) -> tuple[Tensor, Tensor]:
    """Last hidden states [N, D] and the model's own logits [N, V], but of the last places."""
    output = policy.model(input_ids=IDS, use_cache=False, output_hidden_states=True)
    return output.hidden_states[-1][:, :-1].flatten(0, 1), output.logits[:, :-1].flatten(0, 1)


def own_logprobs(logits: Tensor, temperature: float) -> Tensor:
    return (logits / temperature).log_softmax(-1).gather(-1, TARGETS[:, None]).squeeze(-1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module", params=["qwen2", "gemma2", "smollm3"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untied; tied with capped logits; tied."""
    return write_tiny_model(tmp_path_factory.mktemp(request.param), request.param)


def test_logits_log_probabilities_and_entropies_are_those_of_the_model(family: Path) -> None:
    policy = policy_on(family, lora=LoraConfig(rank=4))
    hidden, logits = hidden_and_logits(policy)
    torch.testing.assert_close(head_logits(policy, hidden), logits.detach(), rtol=0, atol=1e-5)
    scores = head_logprobs(policy, hidden, TARGETS, 0.7, with_entropy=True)
    torch.testing.assert_close(scores.logprobs, own_logprobs(logits, 0.7), rtol=0, atol=1e-5)
    entropy = torch.distributions.Categorical(logits=logits.detach() / 0.7).entropy()
    torch.testing.assert_close(scores.entropy, entropy, rtol=0, atol=1e-5)
    assert head_logprobs(policy, hidden, TARGETS).entropy is None


def test_the_weights_get_the_gradient_of_the_model_whether_the_head_is_tied_or_not(family: Path) -> None:
    policy = policy_on(family, tuning="full")
    weights = torch.randn(len(TARGETS), generator=torch.Generator().manual_seed(0))
    parameters = list(policy.trainable_parameters())
    hidden, logits = hidden_and_logits(policy)
    own = torch.autograd.grad((own_logprobs(logits, 0.7) * weights).sum(), parameters)
    hidden, _ = hidden_and_logits(policy)
    fused = torch.autograd.grad(
        (head_logprobs(policy, hidden, TARGETS, 0.7).logprobs * weights).sum(), parameters
    )
    assert any(parameter is policy.model.get_output_embeddings().weight for parameter in parameters)
    for got, expected in zip(fused, own, strict=True):
        assert (got - expected).norm() <= 1e-5 * expected.norm()


def test_logits_for_sampling_carry_no_gradient(base: Path) -> None:
    policy = policy_on(base, tuning="full")
    hidden, _ = hidden_and_logits(policy)
    logits = head_logits(policy, hidden)
    assert logits.dtype == torch.float32
    assert not logits.requires_grad


def test_logits_of_a_half_precision_model_are_float32(base: Path) -> None:
    policy = policy_on(base, dtype="bfloat16")
    hidden, logits = hidden_and_logits(policy)
    assert hidden.dtype == torch.bfloat16
    assert head_logits(policy, hidden).dtype == torch.float32
    torch.testing.assert_close(head_logits(policy, hidden), logits.float())


def refused(policy: Policy, message: str) -> None:
    hidden = torch.zeros(len(TARGETS), 64)
    with pytest.raises(ModelError, match=message):
        head_logprobs(policy, hidden, TARGETS)
    with pytest.raises(ModelError, match=message):
        head_logits(policy, hidden)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"target_modules": ["q_proj", "lm_head"]}, "Linear"),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, "ModulesToSaveWrapper"),
    ],
)
def test_an_adapter_on_the_head_is_refused(
    fields: dict[str, list[str]], kind: str, base: Path, tmp_path: Path
) -> None:
    adapter = peft.LoraConfig(task_type="CAUSAL_LM", r=2, **fields)
    with quiet_libraries():
        model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), adapter)
        model.save_pretrained(tmp_path, save_embedding_layers=False)
    policy = policy_on(base, adapter=tmp_path)
    refused(policy, rf"its output head is a {kind}, .* leave the head out of model\.lora\.targets")


@pytest.mark.parametrize("name", ["logit_scale", "logits_scaling"])
def test_scaled_logits_are_refused(name: str, base: Path) -> None:
    policy = policy_on(base, lora=LoraConfig(rank=2))
    setattr(policy.model.get_base_model().config, name, 0.5)
    refused(policy, rf"logits of qwen2 models are scaled \({name}\), which training does not support")
    setattr(policy.model.get_base_model().config, name, 1.0)
    assert head_logits(policy, torch.zeros(1, 64)).shape == (1, 320)
