"""Whole runs of supervised fine-tuning on the committed tiny base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from r1kit.config.data import SftData
from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.stages import SftConfig
from r1kit.core.errors import DataError, ModelError
from r1kit.core.jsonl import read_jsonl
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.sft import run
from r1kit.sft.examples import tokenize
from r1kit.tasks.conversations import load_conversations

DATA = Path(__file__).parents[3] / "data"
BASE = str(DATA / "tiny_base")
STEPS = 20


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last ten cold-start texts, as a file of their own."""
    path = tmp_path_factory.mktemp("texts") / "held_out.jsonl"
    lines = (DATA / "arithmetic/cold_start.jsonl").read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[90:]) + "\n", encoding="utf-8")
    return path


def make_config(output: Path, **changes: Any) -> SftConfig:
    values = {
        "model": {"path": BASE, "lora": {"rank": 16, "alpha": 32}},
        "output": str(output),
        "data": {"path": str(DATA / "arithmetic/cold_start.jsonl"), "limit": 90},
        "steps": STEPS,
        "batch_size": 8,
        "max_length": 256,
        "optim": {"learning_rate": 2e-3},
    }
    return validate(SftConfig, values | changes, source="test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, held_out: Path) -> Path:
    output = tmp_path_factory.mktemp("sft") / "run"
    run(make_config(output, eval_data=str(held_out), eval_every=8))
    return output


def lines(output: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(output / "metrics.jsonl")]


def untimed(output: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in lines(output)]


def summary(output: Path) -> dict[str, Any]:
    return json.loads((output / "summary.json").read_text(encoding="utf-8"))


def naive_loss(policy: Policy, path: Path) -> torch.Tensor:
    """Mean cross entropy of all completion tokens of a file, one text and one token at a time."""
    terms = []
    for conversation in load_conversations(SftData(path=str(path))).conversations:
        example = tokenize(policy, conversation)
        ids = torch.tensor([[*example.prompt_ids, *example.completion_ids]])
        logprobs = torch.log_softmax(policy.model(ids).logits[0], -1)
        start = len(example.prompt_ids)
        terms += [-logprobs[t - 1, ids[0, t]] for t in range(start, ids.shape[1])]
    return torch.stack(terms).mean()


def loaded(**model: Any) -> Policy:
    return load_policy(ModelConfig(**{"path": BASE} | model), train=False)


def test_the_loss_falls(finished):
    losses = [row["sft/loss"] for row in lines(finished) if "sft/loss" in row]
    assert sum(losses[-4:]) / 4 < 0.75 * sum(losses[:4]) / 4


def test_each_step_is_one_line_of_metrics_named_area_and_name(finished):
    rows = [row for row in lines(finished) if "sft/loss" in row]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    names = {"sft/loss", "sft/num_tokens", "optim/grad_norm", "optim/learning_rate", "time/step_seconds"}
    names |= {"memory/micro_batch_tokens", "memory/num_oom"}
    assert all(set(row) == names | {"step"} for row in rows)
    assert all(row["optim/grad_norm"] > 0 for row in rows)
    # half the peak in the one step of warm-up, then the peak, then down
    rates = [row["optim/learning_rate"] for row in rows]
    assert rates[:2] == pytest.approx([1e-3, 2e-3])
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] < 0.02 * rates[1]


def test_the_evaluation_loss_is_that_of_a_naive_loop_before_and_after(finished, held_out):
    evaluations = {row["step"]: row["sft/eval_loss"] for row in lines(finished) if "sft/eval_loss" in row}
    assert list(evaluations) == [0, 8, 16, STEPS]
    metrics = summary(finished)["metrics"]
    before, after = (
        naive_loss(policy, held_out).item() for policy in (loaded(), loaded(adapter=finished / "adapter"))
    )
    assert metrics["sft/eval_loss_before"] == evaluations[0] == pytest.approx(before, rel=1e-5)
    assert metrics["sft/eval_loss"] == evaluations[STEPS] == pytest.approx(after, rel=1e-5)
    assert after < 0.9 * before


def test_the_gradient_is_that_of_a_naive_loop(held_out, tmp_path):
    config = make_config(tmp_path / "run", data=str(held_out), batch_size=10, steps=1, seed=7)
    run(config)
    policy = load_policy(config.model, train=True, seed=7)
    gradients = torch.autograd.grad(naive_loss(policy, held_out), policy.trainable_parameters())
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    [line] = lines(tmp_path / "run")
    assert line["optim/grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert line["sft/loss"] == pytest.approx(naive_loss(policy, held_out).item(), rel=1e-5)


def test_the_summary_says_what_happened(finished):
    written = summary(finished)
    rows = [row for row in lines(finished) if "sft/loss" in row]
    assert (written["status"], written["stage"]) == ("done", "sft")
    metrics = written["metrics"]
    assert (metrics["num_examples"], metrics["num_steps"]) == (90, STEPS)
    losses, tenth = [row["sft/loss"] for row in rows], max(1, STEPS // 10)
    assert metrics["sft/loss_before"] == pytest.approx(sum(losses[:tenth]) / tenth)
    assert metrics["sft/loss"] == pytest.approx(sum(losses[-tenth:]) / tenth)
    assert written["seconds"] > 0


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(finished, held_out, tmp_path):
    evaluation = {"eval_data": str(held_out), "eval_every": 8}
    run(make_config(tmp_path / "again", **evaluation))
    run(make_config(tmp_path / "other", seed=1, **evaluation))
    weights = [
        (folder / "adapter/adapter_model.safetensors").read_bytes()
        for folder in (finished, tmp_path / "again", tmp_path / "other")
    ]
    assert weights[0] == weights[1] != weights[2]
    assert untimed(finished) == untimed(tmp_path / "again") != untimed(tmp_path / "other")


def test_a_run_leaves_torchs_random_numbers_alone(tmp_path):
    before = torch.random.get_rng_state()
    run(make_config(tmp_path / "run", steps=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_micro_batches_change_only_the_rounding(finished, tmp_path):
    run(make_config(tmp_path / "run", steps=3, batching={"micro_batch_tokens": 60}))
    run(make_config(tmp_path / "whole", steps=3))
    losses = [[row["sft/loss"] for row in lines(tmp_path / name)] for name in ("run", "whole")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_training_goes_on_from_a_starting_adapter(finished, held_out, tmp_path):
    model = {"path": BASE, "adapter": str(finished / "adapter")}
    result = run(make_config(tmp_path / "run", model=model, steps=2, eval_data=str(held_out)))["metrics"]
    assert result["sft/eval_loss_before"] == pytest.approx(
        summary(finished)["metrics"]["sft/eval_loss"], rel=1e-5
    )
    lineage = json.loads((tmp_path / "run/adapter/lineage.json").read_text(encoding="utf-8"))
    assert [stage["stage"] for stage in lineage["stages"]] == ["sft", "sft"]


def test_full_tuning_writes_a_model_that_loads(held_out, tmp_path):
    model = {"path": BASE, "tuning": "full"}
    changes = {"optim": {"learning_rate": 1e-3}, "eval_data": str(held_out)}
    metrics = run(make_config(tmp_path / "run", model=model, **changes))["metrics"]
    assert not (tmp_path / "run/adapter").exists()
    trained = loaded(path=str(tmp_path / "run/model"))
    assert naive_loss(trained, held_out).item() == pytest.approx(metrics["sft/eval_loss"], rel=1e-5)
    assert metrics["sft/eval_loss"] < 0.9 * metrics["sft/eval_loss_before"]
    written = load_file(tmp_path / "run/model/model.safetensors")
    start = load_file(DATA / "tiny_base/model.safetensors")
    assert written.keys() == start.keys()
    assert all(not torch.equal(written[name], start[name]) for name in start)


def test_epochs_count_the_steps_when_none_are_given(tmp_path):
    data = {"path": str(DATA / "arithmetic/cold_start.jsonl"), "limit": 20}
    run(make_config(tmp_path / "run", data=data, steps=None, epochs=1.5))
    # 20 texts in batches of 8 are 3 steps an epoch
    assert [row["step"] for row in lines(tmp_path / "run")] == [1, 2, 3, 4]


def test_wrong_data_is_found_before_the_model_is_looked_for(tmp_path):
    for changes in ({"data": "absent.jsonl"}, {"eval_data": "absent.jsonl"}):
        with pytest.raises(DataError, match=r"absent\.jsonl: no such file"):
            run(make_config(tmp_path / "run", model="/absent/model", **changes))
    assert not (tmp_path / "run").exists()


def test_a_wrong_model_leaves_no_folder(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        run(make_config(tmp_path / "run", model="/absent/model"))
    assert not (tmp_path / "run").exists()
