"""Whole runs of reward-model training on the committed tiny base."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.load import validate
from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.reward_model import RewardModelConfig
from r1kit.core.errors import ConfigError, DataError
from r1kit.core.jsonl import read_jsonl, write_jsonl
from r1kit.core.problem import Message
from r1kit.core.rollout import JudgedText
from r1kit.models.load import load_policy
from r1kit.models.reward_model import attach_reward_model
from r1kit.reward_model import run

BASE = str(Path(__file__).parents[3] / "data/tiny_base")
KIND = ("gladly", "of course", "with pleasure", "thank you", "you are welcome")
RUDE = ("go away", "ask others", "no, not me", "leave me", "what a bore")


def write_pairs(path: Path, num: int, seed: int = 0) -> Path:
    """Pairs whose kind reply is preferred; both are about as long."""
    draw = random.Random(seed)

    def reply(words: tuple[str, ...]) -> str:
        return f"{draw.choice(words)}, it is {draw.randint(1, 9)}{draw.choice(('', '.', '!', ' I think'))}"

    rows = [
        {"prompt": f"What is {i % 90}+{draw.randint(0, 99)}?", "chosen": reply(KIND), "rejected": reply(RUDE)}
        for i in range(num)
    ]
    write_jsonl(path, rows)
    return path


def make_config(output: Path, data: Path, **changes: Any) -> RewardModelConfig:
    values = {
        "model": {"path": BASE, "lora": {"rank": 8, "alpha": 16}},
        "output": str(output),
        "data": str(data),
        "held_out_share": 0.25,
        "steps": 30,
        "batch_size": 8,
        "optim": {"learning_rate": 2e-3},
    }
    return validate(RewardModelConfig, values | changes, source="test")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", 240)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("run") / "run"
    return output, run(make_config(output, data, eval_every=15))


def test_it_learns_a_rule_from_pairs_and_knows_it_on_prompts_it_has_not_seen(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    figures = finished[1]["metrics"]
    assert figures["reward_model/accuracy_before"] == 0.5
    assert figures["reward_model/accuracy_low"] > 0.8
    assert figures["reward_model/loss"] < 0.5 * figures["reward_model/loss_before"]
    assert figures["num_pairs"] + figures["num_held_out"] == 240
    rows = [row for _, row in read_jsonl(finished[0] / "metrics.jsonl")]
    assert [row["step"] for row in rows if "reward_model/accuracy" in row] == [0, 15, 30]


def test_held_out_scores_are_on_disk_and_are_what_the_reward_model_says_beside_a_policy(
    finished: tuple[Path, dict[str, Any]], data: Path
) -> None:
    output, summary = finished
    held_out = [row for _, row in read_jsonl(output / "held_out.jsonl")]
    assert len(held_out) == summary["metrics"]["num_held_out"]
    right = sum(row["score_chosen"] > row["score_rejected"] for row in held_out)
    assert right / len(held_out) == pytest.approx(summary["metrics"]["reward_model/accuracy"])
    rows = {f"pairs/{number}": row for number, row in read_jsonl(data)}
    policy = load_policy(ModelConfig(path=BASE, lora=LoraConfig(rank=4), device="cpu"), train=True)
    model = attach_reward_model(policy, output / "reward_model", "kind")
    for key in ("chosen", "rejected"):
        texts = [
            JudgedText((Message("user", rows[row["id"]]["prompt"]),), rows[row["id"]][key])
            for row in held_out
        ]
        assert model.score(texts) == pytest.approx([row[f"score_{key}"] for row in held_out], abs=1e-4)
    scores = [row[f"score_{key}"] for row in held_out for key in ("chosen", "rejected")]
    assert sum(scores) == pytest.approx(0, abs=1e-6)


def test_the_folder_says_what_was_learned_and_descends_from_the_stage(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder = finished[0] / "reward_model"
    info = json.loads((folder / "reward_model.json").read_text(encoding="utf-8"))
    assert info["span"] == "completion"
    assert info["num_pairs"] == finished[1]["metrics"]["num_held_out"]
    lineage = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))
    assert [stage["stage"] for stage in lineage["stages"]] == ["reward-model"]


def test_the_same_seed_gives_the_same_scores(tmp_path: Path, data: Path) -> None:
    texts = []
    for name in ("a", "b"):
        run(make_config(tmp_path / name, data, steps=2))
        texts.append((tmp_path / name / "held_out.jsonl").read_text(encoding="utf-8"))
    assert texts[0] == texts[1]


def test_held_out_pairs_of_another_file_and_a_4bit_base_work(tmp_path: Path, data: Path) -> None:
    held_out = write_pairs(tmp_path / "held_out.jsonl", 12, seed=5)
    model = {"path": BASE, "quantization": "nf4", "lora": {"rank": 2}}
    summary = run(make_config(tmp_path / "run", data, eval_data=str(held_out), steps=2, model=model))
    assert summary["metrics"]["num_held_out"] == 12
    assert summary["metrics"]["num_steps"] == 2


def test_full_tuning_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.tuning full makes no reward model"):
        make_config(tmp_path / "run", tmp_path / "none.jsonl", model={"path": BASE, "tuning": "full"})


def test_wrong_data_leaves_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        run(make_config(tmp_path / "run", tmp_path / "none.jsonl"))
    assert not (tmp_path / "run").exists()
