"""Wrong inputs: one clear line each on stderr, exit code 2, no traceback, nothing started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from r1kit.cli.main import app

GOOD = "model: m\ndata: d.jsonl\noutput: o\n"
PIPELINE = "name: tiny\noutput: o\nmodel: m\nstages:\n  - {id: cold, stage: sft, data: d.jsonl}\n"

CASES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "misspelt file": (
        lambda folder: ["grpo", "--config", str(folder / "grop.yaml")],
        "{folder}/grop.yaml: no such file; did you mean {folder}/grpo.yaml?",
    ),
    "folder instead of a file": (
        lambda folder: ["grpo", "--config", str(folder)],
        "{folder}: is a folder; give a YAML file",
    ),
    "bad value": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--sampling.temperature", "-1"],
        "--sampling.temperature: must be at least 0, got -1",
    ),
    "wrong type": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--steps", "many"],
        "--steps: must be a whole number, got 'many'",
    ),
    "unknown flag": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--sampling.temprature", "1"],
        "unknown flag --sampling.temprature; did you mean --sampling.temperature? (see `r1kit grpo --help`)",
    ),
    "flag without its value": (
        lambda folder: ["grpo", "--config"],
        "Option '--config' requires an argument",
    ),
    "unknown command": (
        lambda folder: ["grop"],
        "No such command 'grop'. Did you mean 'grpo'? (see `r1kit --help`)",
    ),
    "extra word": (
        lambda folder: ["grpo", "model.path=m"],
        "Got unexpected extra argument(s) (model.path=m) (see `r1kit grpo --help`)",
    ),
    "missing required field": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--held-out.every", "3"],
        "{folder}/grpo.yaml: held_out.data.path: missing (A .jsonl file, or the hub id of a data set); write it",
    ),
    "missing pipeline file": (
        lambda folder: ["run"],
        "Missing argument 'FILE' (see `r1kit run --help`)",
    ),
    "bad reward weight": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--rewards", "math=heavy"],
        "--rewards: weight must be a number, got 'heavy'",
    ),
    "unknown choice": (
        lambda folder: ["sft", "--config", str(folder / "grpo.yaml"), "--model.quantization", "nf5"],
        "--model.quantization: must be one of: none, nf4, int8, got 'nf5'; did you mean nf4?",
    ),
    "malformed YAML": (
        lambda folder: ["grpo", "--config", str(folder / "broken.yaml")],
        "{folder}/broken.yaml:2:5: not valid YAML: ",
    ),
    "duplicate key": (
        lambda folder: ["grpo", "--config", str(folder / "twice.yaml")],
        "{folder}/twice.yaml:2:1: not valid YAML: 'steps' stands twice in one section (first in line 1)",
    ),
    "unknown stage in a pipeline": (
        lambda folder: ["run", str(folder / "pipeline.yaml")],
        "{folder}/pipeline.yaml: stages[0].stage: unknown stage 'sftt'; one of: ",
    ),
    "unknown stage to force": (
        lambda folder: ["run", str(folder / "good_pipeline.yaml"), "--force", "clod"],
        "--force: no stage 'clod' in this pipeline; did you mean cold?",
    ),
    "combination that cannot work": (
        lambda folder: ["grpo", "--config", str(folder / "grpo.yaml"), "--sampling.top-p", "0.9"],
        "{folder}/grpo.yaml: sampling.top_p, top_k and min_p must be off (1, 0, 0) in RL",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "grpo.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("model: [a, b\ndata: d\n", encoding="utf-8")
    (tmp_path / "twice.yaml").write_text("steps: 1\nsteps: 2\n", encoding="utf-8")
    (tmp_path / "good_pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("sft", "sftt"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_input_is_one_line_and_exit_code_2(case: str, folder: Path) -> None:
    arguments, line = CASES[case]
    result = CliRunner().invoke(app, arguments(folder), prog_name="r1kit")
    [told] = result.stderr.splitlines()
    assert told.startswith("error: " + line.format(folder=folder))
    assert (result.exit_code, result.stdout) == (2, "")
    assert sorted(path.name for path in folder.iterdir()) == [
        "broken.yaml",
        "good_pipeline.yaml",
        "grpo.yaml",
        "pipeline.yaml",
        "twice.yaml",
    ]


def test_no_command_shows_the_help_and_is_a_usage_error() -> None:
    result = CliRunner().invoke(app, [])
    assert result.exit_code == 2
    assert "reject-sample" in result.stdout


def test_a_real_process_shows_no_traceback(folder: Path) -> None:
    command = [sys.executable, "-m", "r1kit", "grpo", "--config", str(folder / "grpo.yaml"), "--seed", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --seed: must be a whole number, got 'x'\n"
