"""Whole runs of PPO on the committed tiny base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.ppo import PpoConfig
from r1kit.core.jsonl import read_jsonl
from r1kit.models.load import load_policy
from r1kit.models.value_network import SeparateValueNetwork
from r1kit.ppo import run
from r1kit.ppo.loop import make_trainer
from r1kit.ppo.trainer import PpoTrainer
from r1kit.rl.loop import Workshop, train

DATA = Path(__file__).parents[3] / "data"
BASE = str(DATA / "tiny_base")
TRAIN, VALIDATION = str(DATA / "arithmetic/train.jsonl"), str(DATA / "arithmetic/validation.jsonl")
STEPS, PROBLEMS = 3, 8
NETWORKS = ("separate", "shared")


def make_config(output: Path, network: str, **changes: Any) -> PpoConfig:
    algorithm = {"value_network": network, "problems_per_step": PROBLEMS, "beta": 0.01, "minibatches": 2}
    values = {
        "model": {"path": BASE, "lora": {"rank": 8, "alpha": 16}},
        "output": str(output),
        "data": TRAIN,
        "steps": STEPS,
        "sampling": {"max_new_tokens": 24},
        "algorithm": algorithm | changes.pop("algorithm", {}),
        "optim": {"learning_rate": 1e-3, "schedule": "constant", "warmup_ratio": 0.0},
        "value_optim": {"learning_rate": 1e-3, "schedule": "constant", "warmup_ratio": 0.0},
    }
    return validate(PpoConfig, values | changes, source="test")


@pytest.fixture(scope="module", params=NETWORKS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    output = tmp_path_factory.mktemp("ppo") / request.param
    run(make_config(output, request.param, held_out={"data": {"path": VALIDATION, "limit": 10}, "every": 2}))
    return output


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)]


def steps(output: Path) -> list[dict[str, Any]]:
    return [row for row in rows(output / "metrics.jsonl") if "advantage/std" in row]


def test_each_step_is_one_line_of_metrics_named_area_and_name(finished):
    lines = steps(finished)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(name == "step" or name.count("/") == 1 for line in lines for name in line)
    wanted = {
        "reward/mean",
        "value/loss",
        "value/clip_fraction",
        "value/mean",
        "policy/kl",
        "policy/surrogate",
    }
    times = {"time/rollout_seconds", "time/value_seconds", "time/update_seconds"}
    assert wanted | times | {"optim/grad_norm", "policy/entropy"} <= set(lines[0])
    assert ("optim/value_grad_norm" in lines[0]) is (finished.name == "separate")
    assert all(line[name] > 0 for line in lines for name in times)


def test_the_first_values_are_0_and_later_ones_are_not(finished):
    lines = steps(finished)
    assert lines[0]["value/mean"] == 0
    assert all(line["value/mean"] != 0 for line in lines[1:])
    assert lines[0]["policy/kl"] == pytest.approx(0, abs=1e-5)


def test_engine_and_trainer_agree_on_what_was_sampled(finished):
    assert all(line["policy/sampling_gap_max"] < 1e-4 for line in steps(finished))


def test_rollouts_and_held_out_accuracy_are_on_disk(finished):
    rollouts = rows(finished / "rollouts.jsonl")
    for line in steps(finished):
        ours = [r for r in rollouts if (r["phase"], r["step"]) == ("train", line["step"])]
        assert len({row["problem_id"] for row in ours}) == len(ours) == PROBLEMS
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    assert (summary["status"], summary["stage"]) == ("done", "ppo")
    assert {"held_out/pass@1", "held_out_before/pass@1", "value/loss"} <= set(summary["metrics"])


def test_policy_and_value_network_are_written_and_load(finished):
    trained = load_policy(ModelConfig(path=BASE, adapter=finished / "adapter"), train=False)
    assert [stage.stage for stage in trained.lineage.stages] == ["ppo"]
    head = load_file(finished / "value/scalar_head.safetensors")
    assert head["weight"].any()
    assert (finished / "value/network/adapter_model.safetensors").exists() is (finished.name == "separate")


@pytest.mark.parametrize("network", NETWORKS)
def test_the_same_seed_gives_the_same_bits(network, tmp_path):
    for name in ("one", "two"):
        run(make_config(tmp_path / name, network, steps=1))
    for file in ("adapter/adapter_model.safetensors", "value/scalar_head.safetensors", "rollouts.jsonl"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_without_a_kl_term_no_reference_is_run(tmp_path):
    run(make_config(tmp_path / "run", "shared", steps=1, algorithm={"beta": 0.0}))
    assert "policy/kl" not in steps(tmp_path / "run")[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_trial_of_the_worst_micro_batch_changes_nothing(network, tmp_path):
    config = make_config(tmp_path / "run", network, steps=1)

    def tried(workshop: Workshop) -> PpoTrainer:
        trainer = make_trainer(config, workshop)
        learners = trainer.learners
        parameters = [*learners.policy.trainable_parameters(), *learners.network.own_parameters]
        before = [parameter.detach().clone() for parameter in parameters]
        trainer.prove(200, longest_prompt=20)
        assert all(torch.equal(one, other) for one, other in zip(before, parameters, strict=True))
        assert all(parameter.grad is None for parameter in parameters)
        return trainer

    train(config, "ppo", tried)


def test_full_tuning_trains_two_whole_models(tmp_path):
    model = {"path": BASE, "tuning": "full"}
    rate = {"learning_rate": 1e-4}
    run(make_config(tmp_path / "run", "separate", model=model, optim=rate, value_optim=rate, steps=1))
    start = load_file(DATA / "tiny_base/model.safetensors")
    policy, value = (
        load_file(tmp_path / "run" / name / "model.safetensors") for name in ("model", "value/network")
    )
    for written in (policy, value):
        assert any(not torch.equal(written[name], start[name]) for name in start)
    assert any(not torch.equal(policy[name], value[name]) for name in start)


def test_a_batch_without_any_reward_trains_nothing_and_is_counted(tmp_path, monkeypatch):
    (tmp_path / "ppo_test_rewards.py").write_text(
        "def never(problem, completion):\n    return None\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    loaded: list[SeparateValueNetwork] = []
    original = SeparateValueNetwork.load
    monkeypatch.setattr(
        SeparateValueNetwork,
        "load",
        lambda *arguments, **named: loaded.append(original(*arguments, **named)) or loaded[-1],
    )
    run(make_config(tmp_path / "run", "separate", steps=1, rewards=["ppo_test_rewards:never"]))
    [line] = [row for row in rows(tmp_path / "run/metrics.jsonl") if "rollout/num_unscored" in row]
    assert line["rollout/num_unscored"] == PROBLEMS
    assert "policy/sampling_gap_mean" in line
    assert not {"value/loss", "optim/grad_norm"} & set(line)
    assert not loaded[0].head.weight.any()
