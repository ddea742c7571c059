"""How a command runs its stage, prints the result and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from r1kit.cli import run
from r1kit.cli.errors import OneLineErrors
from r1kit.cli.main import app
from r1kit.cli.show import numeric_rows, print_summary
from r1kit.cli.stage_command import stage_command
from r1kit.config.stage import StageConfig
from r1kit.config.stages import SftConfig
from r1kit.core.errors import (
    ConfigError,
    DataError,
    EnvironmentError_,
    ModelError,
    R1KitError,
    SandboxError,
    TrainingError,
)
from r1kit.pipeline.dispatch import RunStage

SFT = ["sft", "--model", "m", "--data", "d.jsonl", "-o", "out"]
SUMMARY = {"stage": "sft", "metrics": {"train/loss": 0.123456, "texts": 12345}, "ok": True, "out": Path("x")}


def invoke(arguments: list[str], stage: RunStage) -> Result:
    """Run `r1kit sft` with a stage of the test's own."""
    own = typer.Typer(cls=OneLineErrors, add_completion=False, pretty_exceptions_enable=False)
    own.command("sft")(stage_command("sft", run=stage))
    own.callback()(lambda: None)
    return CliRunner().invoke(own, arguments)


def test_a_command_runs_its_stage_with_the_configuration_it_resolved() -> None:
    seen: list[tuple[str, StageConfig]] = []

    def stage(name: str, config: StageConfig) -> Mapping[str, Any]:
        seen.append((name, config))
        return SUMMARY

    assert invoke([*SFT, "--steps", "3"], stage).exit_code == 0
    [(name, config)] = seen
    assert isinstance(config, SftConfig)
    assert (name, config.steps, config.data.path, config.output) == ("sft", 3, "d.jsonl", Path("out"))


def test_the_numbers_of_the_summary_are_a_table_on_stdout() -> None:
    result = invoke(SFT, lambda *_: SUMMARY)
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["metric", "value"],
        ["train/loss", "0.1235"],
        ["texts", "12,345"],
    ]
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_json_prints_the_whole_summary() -> None:
    result = invoke([*SFT, "--json"], lambda *_: SUMMARY)
    assert json.loads(result.stdout) == {**SUMMARY, "out": "x"}


def test_a_dry_run_starts_nothing() -> None:
    def stage(*_: object) -> Mapping[str, Any]:
        raise AssertionError("the stage was started")

    assert invoke([*SFT, "--dry-run"], stage).exit_code == 0


def test_nested_numbers_are_named_by_their_path_and_the_rest_is_left_out() -> None:
    values = {"a": {"b": 1, "c": {"d": 0.5}}, "flag": True, "text": "x", "none": None, "many": [1]}
    assert list(numeric_rows(values)) == [("a/b", "1"), ("a/c/d", "0.5")]


def test_a_pipelines_summary_is_a_row_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = {
        "sum/pass@1": 0.25,
        "sum/pass@1_stderr": 0.01,
        "sum/greedy/pass@1": 0.5,
        "sum/mean_tokens": 12.34,
    }
    levels = {"sum/level=4/pass@1": 0.125, "sum/level=5/pass@1": 0.375, "sum/greedy/level=4/pass@1": 0.75}
    stages = [
        {"id": "cold", "stage": "sft", "status": "done", "seconds": 72.34, "metrics": {"sft/loss": 0.5}},
        {"id": "rl", "stage": "grpo", "status": "waiting", "seconds": None, "metrics": {}},
        {"id": "one", "stage": "eval", "status": "done", "seconds": 1.0, "metrics": accuracy},
        {"id": "two", "stage": "eval", "status": "skipped", "seconds": 1.0, "metrics": accuracy | levels},
    ]
    print_summary({"name": "tiny", "stages": stages, "seconds": 12.5}, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:5] == [
        ["cold", "sft", "done", "1:12", "loss", "0.500"],
        ["rl", "grpo", "waiting"],
        ["one", "eval", "done", "0:01", "sum", "0.250"],
        ["two", "eval", "skipped", "0:01", "sum", "0.250"],
    ]
    assert lines[6:8] == [["sum", "sum", "sum"], ["evaluation", "4", "5", "tokens"]]
    assert lines[8] == ["one", "sampled", "0.250±.010", "12.3"]
    assert lines[9] == ["greedy", "0.500"]
    assert lines[10] == ["two", "sampled", "0.250±.010", "0.125", "0.375", "12.3"]
    assert lines[11] == ["greedy", "0.500", "0.750"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError, 2),
        (DataError, 2),
        (ModelError, 2),
        (EnvironmentError_, 3),
        (SandboxError, 4),
        (TrainingError, 1),
        (R1KitError, 1),
    ],
)
def test_each_known_error_is_a_line_a_mistake_and_its_exit_code(error: type[R1KitError], code: int) -> None:
    def stage(*_: object) -> Mapping[str, Any]:
        raise error("first thing\nsecond thing")

    result = invoke(SFT, stage)
    assert result.stderr.splitlines() == ["error: first thing", "error: second thing"]
    assert (result.exit_code, result.stdout) == (code, "")


def test_a_bug_keeps_its_traceback() -> None:
    def stage(*_: object) -> Mapping[str, Any]:
        raise KeyError("oops")

    result = invoke(SFT, stage)
    assert isinstance(result.exception, KeyError)
    assert result.exit_code == 1


def test_ctrl_c_ends_with_130_and_one_line() -> None:
    def stage(*_: object) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    result = invoke(SFT, stage)
    assert result.exit_code == 130
    assert result.stderr == "interrupted; what was written so far stays\n"


WAITING = """
import time
from r1kit.cli.main import app, main
@app.command("wait")
def wait() -> None:
    print("ready", flush=True)
    time.sleep(30)
main(["wait"])
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_the_process_with_its_code_and_one_line(
    number: signal.Signals, code: int, word: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert stderr == f"{word}; what was written so far stays\n"


def test_the_help_answers_without_torch_and_the_stages() -> None:
    code = (
        "import sys\nfrom r1kit.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        "    heavy = {'torch', 'transformers', 'peft', 'datasets', 'sympy'} & set(sys.modules)\n"
        "    print('heavy:', sorted(heavy))\n"
    )
    helps = (["--help"], ["grpo", "--help"], ["doctor", "--help"], ["grade", "--help"])
    for arguments in (*helps, ["grpo", *SFT[1:], "--dry-run"], ["--version"]):
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("heavy: []\n")


def test_the_version_is_the_packages() -> None:
    from r1kit import __version__

    assert CliRunner().invoke(app, ["--version"]).stdout == f"r1kit {__version__}\n"


PIPELINE = """
name: tiny
output: runs/tiny
model: {path: org/base, quantization: nf4}
stages:
  - {id: cold, stage: sft, data: DATA, steps: 3}
  - {id: rl, stage: grpo, data: DATA, model: {adapter: "@cold.adapter"}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    data = tmp_path / "d.jsonl"
    data.write_text("{}\n", encoding="utf-8")
    path = tmp_path / "tiny.yaml"
    path.write_text(PIPELINE.replace("DATA", str(data)), encoding="utf-8")
    return path


def test_a_pipeline_takes_model_output_and_seed_from_flags(pipeline: Path) -> None:
    given = {("model",): "other/base", ("output",): "elsewhere", ("seed",): "7"}
    config = run.read_pipeline(pipeline, given)  # type: ignore[arg-type]
    assert config.model == {"path": "other/base", "quantization": "nf4"}
    assert (config.output, config.seed) == (Path("elsewhere"), 7)
    pipeline.write_text(PIPELINE.replace("{path: org/base, quantization: nf4}", "org/base"), encoding="utf-8")
    assert run.read_pipeline(pipeline, given).model == {"path": "other/base"}  # type: ignore[arg-type]


def test_another_model_of_a_pipeline_drops_the_revision_of_the_files_own(pipeline: Path) -> None:
    pipeline.write_text(PIPELINE.replace("org/base,", "org/base, revision: abc,"), encoding="utf-8")
    config = run.read_pipeline(pipeline, {("model",): "other/base"})
    assert config.model == {"path": "other/base", "quantization": "nf4", "revision": None}
    assert run.read_pipeline(pipeline, {}).model["revision"] == "abc"  # type: ignore[index]


def test_a_dry_run_of_a_pipeline_prints_its_plan_and_writes_nothing(pipeline: Path) -> None:
    before = sorted(pipeline.parent.iterdir())
    result = CliRunner().invoke(app, ["run", str(pipeline), "--dry-run", "-o", str(pipeline.parent / "out")])
    assert result.exit_code == 0, result.output
    assert result.stdout.index("cold") < result.stdout.index("rl")
    assert sorted(pipeline.parent.iterdir()) == before


def test_a_mistake_in_a_stage_is_told_before_anything_runs(pipeline: Path) -> None:
    text = pipeline.read_text(encoding="utf-8").replace("steps: 3", "stepz: 3")
    pipeline.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["run", str(pipeline)])
    assert result.exit_code == 2
    assert result.stderr == f"error: {pipeline}: stage cold: stepz: unknown field; did you mean steps?\n"
