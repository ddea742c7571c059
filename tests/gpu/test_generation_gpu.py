"""The native engine on a CUDA device: 4-bit weights, recorded rounds, and its log-probabilities in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.generation import GenerationRequest, build_engine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree
from r1kit.training.forward import trained_logprobs, tree_batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

REQUESTS = [
    GenerationRequest(tuple(range(20 + i, 30 + 3 * i)), tuple(range(100 * i, 100 * i + 5))) for i in range(5)
]
SAMPLING = SamplingConfig(max_new_tokens=40)


def load(folder: Path, **changes: str) -> Policy:
    policy = load_policy(ModelConfig(path=str(folder), lora=LoraConfig(rank=4), **changes), train=True)
    return replace(policy, eos_token_ids=tuple(range(3, 20)))


@torch.no_grad()
def mean_gap(policy: Policy, groups) -> float:
    trees = [
        Tree(request.prompt_ids, tuple(completion.token_ids for completion in group))
        for request, group in zip(REQUESTS, groups, strict=True)
    ]
    trained = trained_logprobs(policy, tree_batch(policy, trees)).logprobs.cpu()
    sampled = torch.tensor([value for group in groups for c in group for value in c.logprobs])
    return float((trained - sampled).abs().mean())


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_engine_samples_what_is_trained(quantization, tmp_path):
    policy = load(write_tiny_model(tmp_path / "model"), quantization=quantization, dtype="bfloat16")
    groups = build_engine(policy, EngineConfig(kind="native", batch_size=8)).generate(REQUESTS, SAMPLING)
    assert mean_gap(policy, groups) < 0.02


def test_recorded_rounds_are_those_of_the_plain_engine(tmp_path):
    policy = load(write_tiny_model(tmp_path / "model"), dtype="float32")
    plain, recorded = (
        build_engine(policy, EngineConfig(batch_size=8, cuda_graphs=graphs)).generate(REQUESTS, SAMPLING)
        for graphs in (False, True)
    )
    assert [[c.token_ids for c in group] for group in plain] == [
        [c.token_ids for c in group] for group in recorded
    ]
    assert mean_gap(policy, recorded) < 1e-4
