"""The memory benchmark of reward models counts every tensor once, and under the name it has in the plan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Qwen2Config

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
_MODULES = ("grpo_stopwatch", "grpo_workload", "grpo_r1kit_side", "reward_memory", "reward_memory_side")
_CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 1024,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
_MODEL = {"quantization": "none", "dtype": "bfloat16", "gradient_checkpointing": True}
# Inputs and outputs of the seven linear layers of each of the two layers.
_ENDS = 2 * (3 * 64 + 64 + 2 * 32 + 64 + 64 + 2 * (64 + 128) + 128 + 64)


@pytest.fixture(scope="module", autouse=True)
def _on_the_path() -> Iterator[None]:
    """The scripts are in no package; they find each other on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_BENCHMARKS)
        yield
    for name in _MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def side() -> ModuleType:
    import reward_memory_side

    return reward_memory_side


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    import reward_memory

    with pytest.MonkeyPatch.context() as patch:
        workload = replace(reward_memory.WORKLOAD, vocabulary=1024, max_new_tokens=8)
        patch.setattr(reward_memory, "WORKLOAD", workload)
        yield reward_memory


@pytest.fixture(scope="module")
def inputs(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    script.write_inputs(folder, Qwen2Config(**_CONFIG))
    return folder


def measured(script: ModuleType, side: ModuleType, inputs: Path, output: Path, arm: str) -> dict[str, Any]:
    """The figures of one arm, taken in this process."""
    found: dict[str, Any] = side.measure(
        side.ARMS[arm], side.Inputs.of(inputs), script.WORKLOAD, _MODEL, output
    )
    return found


def test_each_part_is_what_its_shapes_say(script, side, inputs, tmp_path):
    found = measured(script, side, inputs, tmp_path / "run", "and two reward models")
    parts = {name: round(size * 1e6) for name, size in found["parts"].items()}
    assert parts["adapter"] == parts["reference"] == 4 * 32 * _ENDS
    # Frozen ones are held in bfloat16, as the base is.
    assert parts["reward models"] == 2 * 2 * 16 * _ENDS
    assert {name: found["plan"][name] for name in ("adapter", "reference")} == {
        name: found["parts"][name] for name in ("adapter", "reference")
    }
    # Besides these there are two numbers for each trained one.
    assert found["held"] * 1e6 > sum(parts.values()) + 2 * parts["adapter"]
    assert found["added"] > 0


def test_a_base_of_its_own_counts_again(script, side, inputs, tmp_path):
    found = measured(script, side, inputs, tmp_path / "run", "two, each with its own base")
    parts = {name: round(size * 1e6) for name, size in found["parts"].items()}
    assert parts["reward models"] == 2 * (parts["weights"] + 4 * 16 * _ENDS)
    assert "reward models" not in found["plan"]


def test_only_whole_characters_are_drawn(script, inputs):
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    model = Qwen2ForCausalLM.from_pretrained(inputs / "model", dtype=torch.float32).eval()
    allowed = list(script.words(1024).characters)
    with torch.no_grad():
        probabilities = model(torch.tensor([allowed[:64]])).logits.softmax(-1)
    assert probabilities[..., allowed].sum(-1).min().item() == pytest.approx(1.0)
    text = AutoTokenizer.from_pretrained(inputs / "model").decode(allowed[:64])
    assert len(text) == 64


def test_storages_count_once_and_scales_with_their_weight(side):
    block = torch.zeros(100)
    state = SimpleNamespace(
        absmax=torch.zeros(10), state2=SimpleNamespace(absmax=torch.zeros(5), state2=None)
    )
    weight = nn.Parameter(block[:50])
    weight.quant_state = state
    assert sum(side.storages(iter([block, block[3:], weight])).values()) == 400
    assert sum(side.storages(side.with_scales(weight)).values()) == 400 + 40 + 20


def test_the_aim_is_a_share_of_the_policy_alone(script):
    assert "+14.9%" in script.verdict(0.149)
    assert "reached" in script.verdict(0.149)
    assert "MISSED" in script.verdict(0.151)
    assert script.peak({"held": 100, "added": 20}) == 120
