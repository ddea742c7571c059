"""Defaults < file < flags, and whose mistake is whose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from r1kit.cli.configure import set_field
from r1kit.cli.main import app
from r1kit.config.load import load_yaml, validate
from r1kit.config.rl import GrpoConfig
from r1kit.config.yaml_file import parse_yaml

FILE = """
model: {path: org/base, quantization: nf4}
data: train.jsonl
output: runs/file
steps: 40
optim: {learning_rate: 1e-5, warmup_ratio: 0.1}
sampling: {max_new_tokens: 48}
"""


def written(folder: Path, text: str, name: str = "grpo.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def dry_run(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def mistakes(*arguments: str) -> list[str]:
    result = CliRunner().invoke(app, list(arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    return result.stderr.splitlines()


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    values = dry_run("grpo", "--config", file, "--steps", "5", "--optim.warmup-ratio", "0.2", "--model", "m2")
    assert (values["steps"], values["optim"]["warmup_ratio"], values["model"]["path"]) == (5, 0.2, "m2")
    assert (values["output"], values["optim"]["learning_rate"]) == ("runs/file", 1e-5)
    assert (values["model"]["quantization"], values["sampling"]["max_new_tokens"]) == ("nf4", 48)
    assert (values["seed"], values["optim"]["beta2"]) == (0, 0.999)


def test_a_flag_goes_into_a_section_that_the_file_writes_in_short(tmp_path: Path) -> None:
    values = dry_run(
        "grpo", "--config", written(tmp_path, FILE), "--data.limit", "7", "--data.prompt", "boxed"
    )
    assert (values["data"]["path"], values["data"]["limit"], values["data"]["prompt"]) == (
        "train.jsonl",
        7,
        "boxed",
    )


def test_a_flag_begins_an_optional_section(tmp_path: Path) -> None:
    file = written(tmp_path, FILE + "held_out: null\n")
    values = dry_run("grpo", "--config", file, "--held-out.data.path", "test.jsonl", "--held-out.every", "3")
    assert (values["held_out"]["data"]["path"], values["held_out"]["every"]) == ("test.jsonl", 3)


def test_rewards_on_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, FILE + "rewards: [math, format=0.2]\n")
    values = dry_run("grpo", "--config", file, "--rewards", "length=-0.1")
    [reward] = values["rewards"]
    assert (reward["name"], reward["weight"], reward["options"]) == ("length", -0.1, {})


def test_a_flag_repairs_a_wrong_value_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, FILE + "seed: -1\n")
    assert mistakes("grpo", "--config", file) == [f"error: {file}: seed: must be at least 0, got -1"]
    assert dry_run("grpo", "--config", file, "--seed", "3")["seed"] == 3


def test_a_dry_run_prints_a_file_that_gives_the_same_configuration(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["grpo", "--config", written(tmp_path, FILE), "--dry-run"])
    assert result.exit_code == 0
    again = written(tmp_path, result.stdout, "again.yaml")
    assert validate(GrpoConfig, load_yaml(again), again) == validate(GrpoConfig, parse_yaml(FILE, "x"), "x")
    assert CliRunner().invoke(app, ["grpo", "--config", again, "--dry-run"]).stdout == result.stdout


def test_a_dry_run_of_eval_reads_back_without_naming_the_task(tmp_path: Path) -> None:
    arguments = ["eval", "aime", "--model", "m", "-o", "out", "--data", "d.jsonl", "--limit", "5"]
    result = CliRunner().invoke(app, [*arguments, "--dry-run"])
    again = written(tmp_path, result.stdout)
    assert dry_run("eval", "--config", again) == dry_run(*arguments)


def test_mistakes_of_flags_and_file_are_told_together_under_their_names(tmp_path: Path) -> None:
    missing = "data.path: missing (A .jsonl file, or the hub id of a data set)"
    file = written(tmp_path, "model: org/base\noutput: o\nsampling: {temprature: 1, temperature: -1}\n")
    told = mistakes(
        "grpo", "--config", file, "--limit", "0", "--rewards", "math=abc", "--optim.schedule", "cos"
    )
    assert sorted(told) == sorted(
        [
            "error: --limit: must be at least 1, got 0",
            "error: --rewards: weight must be a number, got 'abc'",
            "error: --optim.schedule: must be one of: cosine, linear, constant, got 'cos'; did you mean cosine?",
            f"error: {file}: sampling.temprature: unknown field; did you mean temperature?",
            f"error: {file}: sampling.temperature: must be at least 0, got -1",
            f"error: {file}: {missing}; write it there or give --data",
        ]
    )


def test_what_is_missing_without_a_file_is_named_by_its_flag() -> None:
    assert [line.split(" (")[0] for line in mistakes("grpo")] == [
        "error: --model: missing",
        "error: --output: missing",
        "error: --data: missing",
    ]


def test_a_value_that_should_be_a_section_is_told_even_when_a_flag_goes_into_it(tmp_path: Path) -> None:
    file = written(tmp_path, FILE + "algorithm: fast\n")
    assert mistakes("grpo", "--config", file, "--algorithm.beta", "0") == [
        f"error: {file}: algorithm: must be a section (key: value lines), got 'fast'"
    ]


def test_setting_a_field_makes_the_sections_on_the_way() -> None:
    values: dict[str, Any] = {"a": None, "l": [{"x": 1}]}
    set_field(values, ("a", "b", "c"), 1)
    set_field(values, ("l", 0, "y"), 2)
    assert values == {"a": {"b": {"c": 1}}, "l": [{"x": 1, "y": 2}]}


TASKS = "model: m\noutput: o\ntasks: [aime, {name: gsm8k, limit: 50, data: d.jsonl}]\n"


def test_eval_runs_the_tasks_of_the_file(tmp_path: Path) -> None:
    values = dry_run("eval", "--config", written(tmp_path, TASKS))
    assert [task["name"] for task in values["tasks"]] == ["aime", "gsm8k"]


def test_naming_a_task_takes_it_from_the_file_and_drops_the_others(tmp_path: Path) -> None:
    values = dry_run("eval", "gsm8k", "--config", written(tmp_path, TASKS), "--data.prompt", "boxed")
    [task] = values["tasks"]
    assert (task["name"], task["limit"], task["data"]["path"]) == ("gsm8k", 50, "d.jsonl")
    assert task["data"]["prompt"] == "boxed"


def test_a_task_the_file_does_not_have_is_a_new_one(tmp_path: Path) -> None:
    values = dry_run("eval", "math500", "--config", written(tmp_path, TASKS))
    assert values["tasks"] == [{"name": "math500", "data": None, "limit": None}]


def test_a_flag_of_a_task_needs_to_know_which(tmp_path: Path) -> None:
    file = written(tmp_path, TASKS)
    assert mistakes("eval", "--config", file, "--limit", "3") == [
        "error: TASK: missing; --data, --limit and the like need to know which task, and the file names 2 tasks"
    ]
    one = written(tmp_path, "model: m\noutput: o\ntasks: [aime]\n", "one.yaml")
    assert dry_run("eval", "--config", one, "--limit", "3")["tasks"][0]["limit"] == 3


def test_eval_without_any_task_asks_for_one() -> None:
    assert mistakes("eval", "--model", "m", "-o", "out") == ["error: TASK: missing (Benchmarks to run)"]
