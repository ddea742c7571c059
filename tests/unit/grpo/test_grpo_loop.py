"""Whole runs of GRPO on the committed tiny base."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.rl import GrpoConfig
from r1kit.core.errors import ConfigError, DataError, ModelError
from r1kit.core.jsonl import read_jsonl
from r1kit.core.problem import Message
from r1kit.grpo import run
from r1kit.models.load import load_policy
from r1kit.rl.metrics import last_tenth

DATA = Path(__file__).parents[3] / "data"
BASE = str(DATA / "tiny_base")
TRAIN, VALIDATION = str(DATA / "arithmetic/train.jsonl"), str(DATA / "arithmetic/validation.jsonl")
STEPS, PROBLEMS, GROUP = 5, 4, 8


def make_config(output: Path, **changes: Any) -> GrpoConfig:
    values = {
        "model": {"path": BASE, "lora": {"rank": 8, "alpha": 16}},
        "output": str(output),
        "data": TRAIN,
        "steps": STEPS,
        "sampling": {"max_new_tokens": 32},
        "algorithm": {"problems_per_step": PROBLEMS, "group_size": GROUP, "beta": 0.01},
        "optim": {"learning_rate": 1e-3, "schedule": "constant", "warmup_ratio": 0.0},
        "engine": {"batch_size": 128},
    }
    return validate(GrpoConfig, values | changes, source="test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("grpo") / "run"
    run(make_config(output, held_out={"data": {"path": VALIDATION, "limit": 20}, "every": 2}))
    return output


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)]


def steps(output: Path) -> list[dict[str, Any]]:
    """The lines of the training steps."""
    return [row for row in rows(output / "metrics.jsonl") if "group/no_signal_rate" in row]


def untimed(output: Path) -> list[dict[str, Any]]:
    lines = rows(output / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in lines]


def adapter(output: Path) -> Path:
    return output / "adapter/adapter_model.safetensors"


def test_each_step_is_one_line_of_metrics_named_area_and_name(finished):
    lines = steps(finished)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(name == "step" or name.count("/") == 1 for line in lines for name in line)
    assert {"reward/mean", "reward/math", "reward/format", "verdict/correct_rate"} <= set(lines[0])
    assert {"completion/mean_tokens", "policy/entropy", "time/rollout_seconds"} <= set(lines[0])


def test_the_reward_is_the_weighted_sum_of_its_parts(finished):
    for line in steps(finished):
        assert line["reward/mean"] == pytest.approx(line["reward/math"] + 0.2 * line["reward/format"])
        assert line["reward/math"] == pytest.approx(line["verdict/correct_rate"])


def test_every_rollout_is_on_disk_and_the_metrics_follow_from_them(finished):
    rollouts = rows(finished / "rollouts.jsonl")
    counts = Counter((row["phase"], row["step"]) for row in rollouts)
    trained = {("train", step): PROBLEMS * GROUP for step in range(1, STEPS + 1)}
    assert counts == trained | {("held_out", step): 20 for step in (0, 2, 4, STEPS)}
    for line in steps(finished):
        ours = [r for r in rollouts if (r["phase"], r["step"]) == ("train", line["step"])]
        assert len({row["problem_id"] for row in ours}) == PROBLEMS
        assert line["reward/mean"] == pytest.approx(sum(row["reward"] for row in ours) / len(ours))
        tokens = sum(row["num_tokens"] for row in ours) / len(ours)
        assert line["completion/mean_tokens"] == pytest.approx(tokens)


def test_training_and_rollout_agree_on_the_log_probabilities(finished):
    for line in steps(finished):
        assert line["policy/sampling_gap_max"] < 1e-4
        assert line["policy/ratio_mean"] == pytest.approx(1, abs=1e-5)


def test_the_policy_leaves_its_reference_from_the_second_step_on(finished):
    lines = steps(finished)
    assert lines[0]["policy/kl"] == pytest.approx(0, abs=1e-7)
    assert all(line["policy/kl"] > 1e-6 for line in lines[1:])
    assert all(line["optim/grad_norm"] > 0 for line in lines if line["group/no_signal_rate"] < 1)


def test_held_out_accuracy_stands_in_metrics_and_summary(finished):
    lines = {row["step"]: row for row in rows(finished / "metrics.jsonl") if "held_out/pass@1" in row}
    assert list(lines) == [0, 2, 4, STEPS]
    summary = json.loads((finished / "summary.json").read_text(encoding="utf-8"))
    metrics = summary["metrics"]
    assert (summary["status"], summary["stage"], metrics["num_problems"]) == ("done", "grpo", 2400)
    assert metrics["held_out_before/pass@1"] == lines[0]["held_out/pass@1"]
    assert metrics["held_out/pass@1"] == lines[STEPS]["held_out/pass@1"]
    assert metrics["reward/mean"] == steps(finished)[-1]["reward/mean"]
    judged = [r for r in rows(finished / "rollouts.jsonl") if (r["phase"], r["step"]) == ("held_out", 0)]
    assert lines[0]["held_out/pass@1"] == sum(row["verdict"] == "correct" for row in judged) / 20


def test_the_adapter_loads_and_is_another_policy_than_the_base(finished):
    trained = load_policy(ModelConfig(path=BASE, adapter=finished / "adapter"), train=False)
    base = load_policy(ModelConfig(path=BASE), train=False)
    ids = torch.tensor([trained.render([Message("user", "3+4-5")])[1]])
    with torch.no_grad():
        gap = (trained.model(ids).logits - base.model(ids).logits).abs().max()
    assert gap > 1e-3
    assert [stage.stage for stage in trained.lineage.stages] == ["grpo"]


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(finished, tmp_path):
    held_out = {"data": {"path": VALIDATION, "limit": 20}, "every": 2}
    run(make_config(tmp_path / "again", held_out=held_out))
    run(make_config(tmp_path / "other", held_out=held_out, seed=1))
    same, other = adapter(tmp_path / "again").read_bytes(), adapter(tmp_path / "other").read_bytes()
    assert adapter(finished).read_bytes() == same != other
    assert untimed(finished) == untimed(tmp_path / "again") != untimed(tmp_path / "other")
    for name in ("again", "other"):
        equal = (tmp_path / name / "rollouts.jsonl").read_bytes() == (
            finished / "rollouts.jsonl"
        ).read_bytes()
        assert equal is (name == "again")


def test_evaluating_on_the_way_does_not_change_the_training(finished, tmp_path):
    run(make_config(tmp_path / "run"))
    assert adapter(tmp_path / "run").read_bytes() == adapter(finished).read_bytes()


def test_a_problem_that_comes_again_is_answered_anew(tmp_path):
    same = {"data": {"path": TRAIN, "limit": PROBLEMS}, "optim": {"learning_rate": 1e-9}, "steps": 2}
    run(make_config(tmp_path / "run", **same))
    texts: dict[int, dict[str, list[str]]] = {1: {}, 2: {}}
    for row in rows(tmp_path / "run/rollouts.jsonl"):
        texts[row["step"]].setdefault(row["problem_id"], []).append(row["completion"])
    assert texts[1].keys() == texts[2].keys()
    assert all(texts[1][name] != texts[2][name] for name in texts[1])


def test_a_run_leaves_torchs_random_numbers_alone(tmp_path):
    before = torch.random.get_rng_state()
    run(make_config(tmp_path / "run", steps=1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_a_kl_term_no_reference_is_run(tmp_path):
    run(
        make_config(
            tmp_path / "run", algorithm={"group_size": 8, "problems_per_step": 4, "beta": 0.0}, steps=2
        )
    )
    assert all("policy/kl" not in line for line in steps(tmp_path / "run"))


@pytest.mark.parametrize("name", ["dr_grpo", "dapo", "gspo", "cispo", "rloo"])
def test_every_variant_trains(name, tmp_path):
    algorithm = {"name": name, "group_size": 8, "problems_per_step": 4, "updates_per_batch": 2}
    run(make_config(tmp_path / "run", algorithm=algorithm, steps=2))
    lines = steps(tmp_path / "run")
    assert sum(line["optim/grad_norm"] for line in lines) > 0
    assert any(
        tensor.any() for key, tensor in load_file(adapter(tmp_path / "run")).items() if "lora_B" in key
    )
    assert ("policy/kl" in lines[0]) is (name == "rloo")
    assert ("reward/length" in lines[0]) is (name == "dapo")
    assert ("group/num_discarded" in lines[0]) is (name == "dapo")


def test_dynamic_sampling_goes_on_until_groups_carry_signal_and_shows_what_it_left(tmp_path):
    algorithm = {"name": "dapo", "group_size": 4, "problems_per_step": 4, "max_resample_rounds": 2}
    run(make_config(tmp_path / "run", algorithm=algorithm, steps=2, rewards=["math"]))
    for line in steps(tmp_path / "run"):
        ours = [row for row in rows(tmp_path / "run/rollouts.jsonl") if row["step"] == line["step"]]
        trained = {row["problem_id"] for row in ours if row["phase"] == "train"}
        discarded = {row["problem_id"] for row in ours if row["phase"] == "discarded"}
        assert (len(discarded), 4 - len(trained)) == (line["group/num_discarded"], line["group/num_missing"])
        assert not trained & discarded
        for problem in discarded:
            assert len({row["reward"] for row in ours if row["problem_id"] == problem}) == 1
        for problem in trained:
            assert len({row["reward"] for row in ours if row["problem_id"] == problem}) > 1
        assert line["group/num_discarded"] > 0


def test_full_tuning_writes_a_model_that_loads(tmp_path):
    model = {"path": BASE, "tuning": "full"}
    run(make_config(tmp_path / "run", model=model, optim={"learning_rate": 1e-4}, steps=3))
    assert not (tmp_path / "run/adapter").exists()
    written = load_file(tmp_path / "run/model/model.safetensors")
    start = load_file(DATA / "tiny_base/model.safetensors")
    assert any(not torch.equal(written[name], start[name]) for name in start)
    assert load_policy(ModelConfig(path=str(tmp_path / "run/model")), train=False).num_parameters > 0


REWARDS = """
def shortness(problem, completion, limit=10):
    return float(completion.num_tokens <= limit)

def sometimes(problem, completion):
    return None if completion.num_tokens % 2 else 1.0 * completion.num_tokens

def never(problem, completion):
    return None
"""


@pytest.fixture
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the current directory."""
    (tmp_path / "grpo_test_rewards.py").write_text(REWARDS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "grpo_test_rewards", raising=False)
    return "grpo_test_rewards"


def test_a_reward_of_the_users_own_is_called_with_its_options(own_rewards, tmp_path):
    name = f"{own_rewards}:shortness"
    rewards = [{"name": name, "weight": -2.0, "options": {"limit": 4}}]
    run(make_config(tmp_path / "run", rewards=rewards, steps=2))
    for row in rows(tmp_path / "run/rollouts.jsonl"):
        assert row["reward_parts"] == {name: float(row["num_tokens"] <= 4)}
        assert row["reward"] == -2.0 * row["reward_parts"][name]
        assert row["verdict"] is None


def test_rollouts_without_a_reward_are_left_out_and_counted(own_rewards, tmp_path):
    run(make_config(tmp_path / "run", rewards=[f"{own_rewards}:sometimes"], steps=2))
    rollouts = rows(tmp_path / "run/rollouts.jsonl")
    for line in steps(tmp_path / "run"):
        ours = [row for row in rollouts if row["step"] == line["step"]]
        unscored = [row for row in ours if row["reward"] is None]
        assert line["rollout/num_unscored"] == len(unscored) > 0
        assert all(row["num_tokens"] % 2 for row in unscored)
        rewards = [row["reward"] for row in ours if row["reward"] is not None]
        assert line["reward/mean"] == pytest.approx(sum(rewards) / len(rewards))


def test_a_run_in_which_nothing_is_rewarded_ends_with_the_policy_it_began_with(own_rewards, tmp_path, capsys):
    run(make_config(tmp_path / "run", rewards=[f"{own_rewards}:never"], steps=2))
    for line in steps(tmp_path / "run"):
        assert line["rollout/num_unscored"] == PROBLEMS * GROUP
        assert not {"reward/mean", "optim/grad_norm"} & set(line)
    weights = load_file(adapter(tmp_path / "run"))
    assert all(not tensor.any() for name, tensor in weights.items() if "lora_B" in name)
    assert "2 steps: no completion had a reward, so nothing was learned" in capsys.readouterr().err


def test_held_out_problems_that_nothing_judges_have_lengths_only(tmp_path):
    path = tmp_path / "poems.jsonl"
    path.write_text('{"problem": "write a poem", "kind": "general"}\n', encoding="utf-8")
    metrics = run(make_config(tmp_path / "run", held_out={"data": str(path)}, steps=1))["metrics"]
    assert "held_out/pass@1" not in metrics
    assert metrics["held_out/mean_tokens"] > 0


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": "absent.jsonl"}, DataError, r"absent\.jsonl: no such file"),
        ({"held_out": {"data": "absent.jsonl"}}, DataError, r"absent\.jsonl: no such file"),
        ({"rewards": ["maths"]}, ConfigError, "unknown reward 'maths'"),
        ({"rewards": ["absent_module:f"]}, ConfigError, "module 'absent_module' cannot be imported"),
        ({}, ModelError, "no such folder"),
    ],
)
def test_wrong_data_and_rewards_are_found_first_then_the_model_and_nothing_is_written(
    tmp_path, changes, error, message
):
    with pytest.raises(error, match=message):
        run(make_config(tmp_path / "run", model="/absent/model", **changes))
    assert not (tmp_path / "run").exists()


def test_more_problems_a_step_than_there_are_is_refused_before_the_model_is_looked_for(tmp_path):
    changes = {"data": {"path": "data/arithmetic/train.jsonl", "limit": 3}, "model": "./absent"}
    with pytest.raises(DataError, match=r"3 problems can be used; algorithm\.problems_per_step is 4"):
        run(make_config(tmp_path / "run", algorithm={"group_size": 2, "problems_per_step": 4}, **changes))
    assert not (tmp_path / "run").exists()


def test_dropout_and_full_tuning_in_half_precision_are_refused():
    values = {"data": "x.jsonl", "output": "o"}
    with pytest.raises(ConfigError, match=r"dropout is 0\.1"):
        validate(GrpoConfig, {**values, "model": {"path": "m", "lora": {"dropout": 0.1}}}, source="f")
    with pytest.raises(ConfigError, match="cannot train bfloat16 weights"):
        validate(
            GrpoConfig, {**values, "model": {"path": "m", "tuning": "full", "dtype": "bfloat16"}}, source="f"
        )


def test_the_summary_is_the_mean_of_the_last_tenth_and_losses_are_totals():
    names = ("a/b", "memory/micro_batch_tokens")
    history = [{"rollout/num_unscored": 1.0} | dict.fromkeys(names, float(step)) for step in range(20)]
    expected = {"a/b": 18.5, "rollout/num_unscored": 20.0, "memory/micro_batch_tokens": 19.0}
    assert last_tenth(history) == expected
