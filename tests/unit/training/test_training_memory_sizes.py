"""The sizes of a run on a policy that is really loaded."""

from __future__ import annotations

import psutil
import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.memory import MemoryConfig
from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.rl import GrpoConfig
from r1kit.config.stages import EvalConfig, SftConfig
from r1kit.core.errors import ConfigError, ModelError
from r1kit.models.load import load_policy
from r1kit.training.memory import available, cap_memory, resolve_sizes
from r1kit.training.memory.available import free_memory_of_machine, memory_for
from r1kit.training.memory.phases import CONTEXT_BYTES

CPU = torch.device("cpu")
SHORT = {"max_new_tokens": 30}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def resolve(folder, stage, *, longest_prompt=None, model=None, **fields):
    model = ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8), **(model or {}))
    config = stage(model=model, output="o", **fields)
    policy = load_policy(model, train=stage is not EvalConfig)
    said = []
    return resolve_sizes(config, policy, said.append, longest_prompt=longest_prompt), said


def test_open_sizes_come_from_the_plan_and_the_plan_is_said_once(folder):
    sizes, said = resolve(folder, SftConfig, data="d", batch_size=4, max_length=100)
    assert (sizes.micro_batch_tokens, sizes.kv_tokens) == (400, None)
    assert said == [sizes.plan.line()]
    assert sizes.plan.fits


def test_a_model_that_cannot_be_planned_runs_with_sizes_that_are_said(folder, monkeypatch):
    def unknown(policy):
        raise ModelError("memory of mamba models cannot be planned")

    monkeypatch.setattr("r1kit.training.memory.sizes.shapes_of_policy", unknown)
    sizes, said = resolve(folder, GrpoConfig, data="d", longest_prompt=20)
    assert (sizes.micro_batch_tokens, sizes.kv_tokens, sizes.plan) == (2048, None, None)
    assert said == [
        "memory: no plan, memory of mamba models cannot be planned; micro-batches of 2,048 tokens unless they are given"
    ]
    given, _ = resolve(folder, GrpoConfig, data="d", batching={"micro_batch_tokens": 77})
    assert given.micro_batch_tokens == 77


def test_the_users_sizes_are_kept(folder):
    fields = {"batching": {"micro_batch_tokens": 77}, "engine": {"kv_tokens": 300}}
    sizes, _ = resolve(folder, GrpoConfig, data="d", longest_prompt=20, **fields)
    assert (sizes.micro_batch_tokens, sizes.kv_tokens) == (77, 300)


def test_a_budget_without_room_for_the_longest_row_is_refused_before_anything_is_sampled(folder):
    def planned(kv_tokens, kind="auto"):
        engine = {"kv_tokens": kv_tokens, "kind": kind}
        return resolve(folder, EvalConfig, tasks=["aime"], longest_prompt=50, sampling=SHORT, engine=engine)

    said = (
        r"kv_tokens is 79, but the longest prompt has 50 tokens and a completion up to 30; give 80 or leave"
    )
    with pytest.raises(ConfigError, match=said):
        planned(79)
    assert planned(80)[0].kv_tokens == 80
    # The plain loop knows no budget.
    planned(79, "transformers")


def test_a_known_prompt_leaves_room_for_a_row_of_full_length(folder):
    sizes, _ = resolve(
        folder, EvalConfig, tasks=["aime"], longest_prompt=50, sampling=SHORT, engine={"batch_size": 2}
    )
    assert sizes.kv_tokens == 2 * 50 + 2 * 30


def test_a_plan_that_does_not_fit_is_told_with_what_would_help_and_stops_nothing(folder):
    memory = {"vram": "20MB"}
    sizes, said = resolve(folder, SftConfig, data="d", memory=memory)
    assert sizes.micro_batch_tokens == 256
    assert len(said) == 2
    assert ", which does not fit" in said[0]
    assert said[1].startswith("memory: ")


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_the_shapes_of_a_quantized_policy_are_those_of_its_base(folder, quantization):
    plain, _ = resolve(folder, SftConfig, data="d")
    sizes, _ = resolve(folder, SftConfig, data="d", model={"quantization": quantization})
    assert sizes.plan.static["weights"] < plain.plan.static["weights"]
    assert sizes.plan.static["adapter"] == plain.plan.static["adapter"]


def test_a_card_that_is_named_is_what_is_planned_for():
    assert memory_for(MemoryConfig(vram="3GB"), CPU) == 3 * 2**30


def test_without_one_most_of_what_is_free_and_all_that_is_held_is_planned_for():
    free = psutil.virtual_memory().available
    planned = memory_for(MemoryConfig(), CPU, held=10)
    assert 0 < planned <= 0.85 * free + 10
    assert planned > 0.5 * 0.8 * free_memory_of_machine()


def test_the_limit_of_a_container_counts(monkeypatch, tmp_path):
    for name, text in (("_LIMIT", "3000\n"), ("_USED", "1000\n")):
        (tmp_path / name).write_text(text, encoding="ascii")
        monkeypatch.setattr(available, name, tmp_path / name)
    assert free_memory_of_machine() == 2000
    (tmp_path / "_LIMIT").write_text("max\n", encoding="ascii")
    assert free_memory_of_machine() > 2000


@pytest.mark.parametrize(("vram", "device"), [("3GB", "cpu"), (None, "cpu"), (None, "cuda")])
def test_nothing_is_capped_without_a_gpu_or_a_size(vram, device, monkeypatch):
    capped = []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**33, 2**34))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda *cap: capped.append(cap))
    cap_memory(MemoryConfig(vram=vram), torch.device(device))
    assert capped == []
    cap_memory(MemoryConfig(vram="8GB"), torch.device("cuda"))
    # The card has 16 GiB; CUDA's own context counts among the 8.
    assert capped == [((2**33 - CONTEXT_BYTES) / 2**34, torch.device("cuda"))]
