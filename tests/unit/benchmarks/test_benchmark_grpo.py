"""The GRPO benchmark gives both sides the same work, and counts what it says it counts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
_MODULES = ("grpo_stopwatch", "grpo_workload", "grpo_vs_trl", "grpo_r1kit_side", "grpo_scaling")


@pytest.fixture(scope="module", autouse=True)
def _on_the_path() -> Iterator[None]:
    """The scripts are in no package; they find each other on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_BENCHMARKS)
        yield
    for name in _MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def workload() -> ModuleType:
    import grpo_workload

    return grpo_workload


@pytest.fixture(scope="module")
def inputs(workload, tmp_path_factory) -> tuple[Path, Path]:
    """A tiny model and its adapter."""
    return workload.write_inputs(tmp_path_factory.mktemp("inputs"), workload.QUICK, seed=0)


@pytest.fixture
def comparison() -> ModuleType:
    import grpo_vs_trl

    return grpo_vs_trl


def test_the_tokenizer_reads_a_prompts_text_as_its_ids(workload, inputs):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(inputs[0])
    prompts = workload.prompt_ids(workload.QUICK, seed=3, num_steps=2)
    assert len(tokenizer) == workload.QUICK.vocabulary
    for ids in (ids for step in prompts for ids in step):
        assert workload.QUICK.min_prompt <= len(ids) <= workload.QUICK.max_prompt
        assert tuple(tokenizer(workload.text_of(workload.QUICK, ids)).input_ids) == ids


def test_prompts_are_those_of_their_seed(workload):
    one, same, other = (workload.prompt_ids(workload.QUICK, seed, 2) for seed in (0, 0, 1))
    assert one == same
    assert one != other
    assert one[0] != one[1]


def test_eos_comes_as_often_as_the_workload_says(workload, inputs):
    from transformers import Qwen2ForCausalLM

    model = Qwen2ForCausalLM.from_pretrained(inputs[0]).eval()
    ids = torch.randint(2, 320, (8, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        probability = model(ids).logits.softmax(-1)[..., workload.EOS]
    assert probability.mean().item() == pytest.approx(1 / workload.QUICK.mean_tokens, rel=0.1)


def test_the_adapter_changes_the_model(inputs):
    from safetensors.torch import load_file

    weights = load_file(inputs[1] / "adapter_model.safetensors")
    assert all(value.abs().sum() > 0 for value in weights.values())
    assert len(weights) == 2 * 7 * 2


def test_a_run_of_r1kit_counts_its_tokens_and_seconds(workload, inputs, tmp_path, monkeypatch):
    import grpo_r1kit_side as side
    import grpo_stopwatch

    # The stopwatch replaces functions of torch and r1kit for good; here they are put back.
    monkeypatch.setattr(torch.autograd, "backward", torch.autograd.backward)
    monkeypatch.setattr(torch.autograd, "grad", torch.autograd.grad)
    undo = []
    put = grpo_stopwatch.replace_everywhere

    def and_back(original, replacement):
        put(original, replacement)
        undo.append((replacement, original))

    monkeypatch.setattr(side, "replace_everywhere", and_back)
    monkeypatch.setattr(grpo_stopwatch, "replace_everywhere", and_back)
    hooks = []
    for name in ("register_optimizer_step_pre_hook", "register_optimizer_step_post_hook"):
        register = getattr(grpo_stopwatch, name)
        monkeypatch.setattr(
            grpo_stopwatch, name, lambda hook, register=register: hooks.append(register(hook))
        )
    config = side.grpo_config(workload.QUICK, *inputs, {"batching.micro_batch_tokens": 64})
    config = config.model_copy(update={"output": tmp_path / "run"})
    try:
        report = side.run(config, workload.QUICK, num_steps=2)
    finally:
        for replacement, original in undo:
            put(replacement, original)
        for hook in hooks:
            hook.remove()
    steps = report["steps"]
    written = (tmp_path / "run/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    tokens = [row["num_tokens"] for row in map(json.loads, written) if row["step"] > 0]
    assert [step["tokens"] for step in steps] == [sum(tokens[:8]), sum(tokens[8:])]
    for step in steps:
        phases = step["phases"]
        assert sum(phases.values()) == pytest.approx(step["seconds"])
        assert all(phases[name] > 0 for name in grpo_stopwatch.PHASES)
        assert 0 < report["loaded_mb"] <= step["peak_mb"]


def test_a_phase_inside_another_is_taken_off_it():
    from grpo_stopwatch import Stopwatch

    watch = Stopwatch()
    inner = watch.timed("backward", lambda: time.sleep(0.02))
    outer = watch.timed("forward", lambda: (inner(), time.sleep(0.01)))
    outer()
    taken = watch.take(total_seconds=1.0)
    assert 0.02 <= taken["backward"] < 0.03
    assert 0.01 <= taken["forward"] < 0.02
    assert sum(taken.values()) == pytest.approx(1.0)
    assert watch.take(total_seconds=0.5)["rest"] == 0.5


def test_the_peak_is_that_of_the_step():
    from grpo_stopwatch import Record, Stopwatch

    record = Record(Stopwatch())
    record.loaded()
    block = bytearray(50_000_000)
    del block
    record.end([1])
    record.end([1])
    first, second = (step["peak_mb"] for step in record.steps)
    assert first - record.loaded_mb > 45
    assert second - record.loaded_mb < 25


def test_figures_are_rates_over_all_steps_and_memory_at_the_worst(comparison):
    step = {"seconds": 2.0, "cpu_seconds": 1.0, "phases": dict.fromkeys(comparison.PHASES, 0.1)}
    steps = [step | {"tokens": 100, "peak_mb": 700.0}, step | {"tokens": 300, "peak_mb": 600.0}]
    figures = comparison.figures_of({"loaded_mb": 500.0, "steps": steps})
    assert figures["tokens/s"] == 100
    assert figures["tokens per CPU second"] == 200
    assert figures["generation, s per 1000 tokens"] == pytest.approx(0.5)
    assert (figures["peak MB"], figures["peak above loaded MB"]) == (700, 200)


def test_more_tokens_and_less_memory_are_better(comparison):
    assert comparison.ratio("tokens/s", 400, 100) == "4.00x"
    assert comparison.ratio("peak above loaded MB", 100, 400) == "4.00x"
    assert comparison.ratio("backward, s per 1000 tokens", 2, 1) == "0.50x"
    assert comparison.ratio("loaded MB", 1, 2) == ""


def test_the_exponent_of_a_linear_cost_is_one(workload):
    import grpo_scaling

    points = [grpo_scaling.Point(8, tokens, tokens, 0.003 * tokens, 1.0) for tokens in (64, 128, 256)]
    assert grpo_scaling.exponent(points) == pytest.approx(1.0)
    square = [replace(point, seconds=point.tokens**2) for point in points]
    assert grpo_scaling.exponent(square) == pytest.approx(2.0)
    sizes = grpo_scaling.curves(workload.Workload())
    assert [size.group_size for size in sizes["completions"]] == [4, 8, 16]
    assert [size.max_new_tokens for size in sizes["tokens"]] == [64, 128, 256]
