"""`r1kit reward-model` from the command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1kit.cli.main import app
from r1kit.core.jsonl import write_jsonl

ROOT = Path(__file__).parents[2]
MODEL = ["--model", str(ROOT / "data/tiny_base"), "--model.lora.rank", "4"]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {"prompt": f"{i}+{i % 7}", "chosen": f"it is {i + i % 7}, gladly", "rejected": "go away, ask others"}
        for i in range(60)
    ]
    write_jsonl(path, rows)
    return path


def test_the_command_trains_a_reward_model_and_prints_its_figures(pairs: Path, tmp_path: Path) -> None:
    arguments = [
        "--data",
        str(pairs),
        "--steps",
        "25",
        "--held-out-share",
        "0.3",
        "-o",
        str(tmp_path / "run"),
    ]
    fast = ["--optim.learning-rate", "3e-3", "--span", "summary", "--json"]
    result = CliRunner().invoke(app, ["reward-model", *MODEL, *arguments, *fast])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)["metrics"]
    assert figures["reward_model/accuracy_low"] > 0.7
    assert "held-out pairs right" in result.stderr
    info = json.loads((tmp_path / "run/reward_model/reward_model.json").read_text(encoding="utf-8"))
    assert info["span"] == "summary"
    assert info["accuracy"] == figures["reward_model/accuracy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nothing.jsonl"], "nothing.jsonl: no such file"),
        (["--data", "PKU-Alignment/PKU-SafeRLHF"], "set layout to safe_rlhf_helpful or safe_rlhf_harmless"),
        (["--data", "{pairs}", "--model.tuning", "full"], "model.tuning full makes no reward model"),
        (["--data", "{pairs}", "--data.columns.chosen", "good"], 'field "good" is missing'),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_is_loaded(
    arguments: list[str], said: str, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [argument.replace("{pairs}", str(pairs)) for argument in arguments]
    result = CliRunner().invoke(app, ["reward-model", *MODEL, *given, "-o", "run"])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "run").exists()
