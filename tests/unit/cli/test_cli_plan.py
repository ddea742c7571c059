"""`r1kit plan`: tables, JSON, verdicts and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_config
from typer.testing import CliRunner, Result

from r1kit.cli.main import app


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "config.json"
    path.write_text(json.dumps(tiny_config("qwen2").to_dict()), encoding="utf-8")
    return str(path)


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments])


def test_a_config_file_is_enough_for_a_plan(config: str) -> None:
    result = plan("--model", config, "--vram", "8GB")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["part", "MiB", "when"]
    parts = {" ".join(row[:-2]) for row in rows if row[-1] in ("always", "rollout", "update")}
    assert parts == {
        "weights",
        "adapter",
        "optimizer states",
        "keys and values",
        "working space",
        "logits",
        "gradients",
        "activations",
        "margin",
    }
    assert next(row for row in rows if row[0] == "total")[2:] == ["of", "8,192"]
    assert "longest text: 256 tokens, at most 256 fit" in result.stdout
    assert result.stdout.endswith(f"grpo on {config} fits\n")
    assert result.stderr == ""


def test_json_holds_the_plan_in_bytes_and_adds_up(config: str) -> None:
    result = plan("--model", config, "--vram", "8GB", "--json")
    values = json.loads(result.stdout)
    phases = max(sum(values["rollout"].values()), sum(values["update"].values()))
    assert values["total"] == sum(values["static"].values()) + phases + values["margin"]
    assert (values["vram"], values["stage"], values["fits"]) == (2**33, "grpo", True)


def test_a_run_that_does_not_fit_ends_with_1_and_says_what_would(config: str) -> None:
    arguments = ("--model", config, "--vram", "700MB", "--batching.micro-batch-tokens", "100000")
    result = plan(*arguments)
    assert result.exit_code == 1
    assert "does not fit: it fits with batching.micro_batch_tokens left to the plan" in result.stdout


@pytest.mark.parametrize("stage", ["grpo", "sft", "reject-sample", "eval"])
def test_every_stage_can_be_planned_from_flags(stage: str, config: str) -> None:
    result = plan("--stage", stage, "--model", config, "--vram", "8GB", "--json")
    values = json.loads(result.stdout)
    assert bool(values["update"]) == (stage in ("grpo", "sft"))
    assert bool(values["rollout"]) == (stage != "sft")


def test_flags_of_a_stage_reach_its_plan(config: str) -> None:
    flags = {
        "grpo": ["--data.max-prompt-tokens", "9", "--sampling.max-new-tokens", "11"],
        "eval": ["--data.max-prompt-tokens", "9", "--sampling.max-new-tokens", "11"],
        "sft": ["--max-length", "20"],
    }
    for stage, given in flags.items():
        values = json.loads(
            plan("--stage", stage, "--model", config, "--vram", "8GB", "--json", *given).stdout
        )
        assert (values["text_tokens"], values["assumed_prompt"]) == (20, None)


def test_a_file_of_the_stage_is_read_and_flags_win(config: str, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    text = f"model: {{path: {config}}}\ndata: d.jsonl\nmemory: {{vram: 2GB}}\nmax_length: 40\nbatch_size: 2\n"
    file.write_text(text, encoding="utf-8")
    values = json.loads(plan("--stage", "sft", "--config", str(file), "--max-length", "30", "--json").stdout)
    assert (values["vram"], values["text_tokens"], values["micro_batch_tokens"]) == (2**31, 30, 60)


def test_without_a_card_the_plan_is_for_this_machine(config: str) -> None:
    values = json.loads(plan("--model", config, "--model.device", "cpu", "--json").stdout)
    assert values["fits"]
    parts = values["total"] - values["margin"]
    assert values["margin"] == round(0.08 * parts)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vram", "8GB"], "--model: missing"),
        (["--model", "CONFIG", "--vram", "8"], "--vram: must be a number and a unit"),
        (
            ["--model", "CONFIG", "--stage", "grop"],
            "--stage: no stage 'grop' to plan for; did you mean grpo?",
        ),
        (["--model", "CONFIG", "--stage", "export"], "--stage: no stage 'export' to plan for; stages: grpo"),
        (["--model", "CONFIG", "--stage", "sft", "-k", "3"], "--num-samples: sft has no such setting"),
        (["--model", "./gone"], "no such folder or config.json"),
        (["--model", "CONFIG", "--model.lora.targets", "nothing"], "no linear layer 'nothing'"),
    ],
)
def test_mistakes_end_with_2_and_a_line_each(arguments: list[str], said: str, config: str) -> None:
    result = plan(*(config if word == "CONFIG" else word for word in arguments))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stdout == ""


def test_a_model_that_cannot_be_planned_is_a_mistake_of_that_kind(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "mamba"}', encoding="utf-8")
    result = plan("--model", str(file), "--vram", "8GB")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "memory of mamba models cannot be planned" in result.stderr


def test_a_plan_from_flags_knows_held_out_problems(config: str) -> None:
    arguments = ("--model", config, "--vram", "8GB", "--engine.batch-size", "16", "--json")
    held_out = ("--held-out.data.path", "unread", "--held-out.num-samples", "1")
    alone, with_held_out = (json.loads(plan(*arguments, *more).stdout) for more in ((), held_out))
    assert alone["wanted_kv_tokens"] < with_held_out["wanted_kv_tokens"]


def test_a_mixture_of_experts_is_said(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "phimoe", "num_hidden_layers": 1, "hidden_size": 64}', encoding="utf-8")
    result = plan("--model", str(file), "--vram", "80GB", "--model.quantization", "nf4")
    assert (
        "\nmixture of experts: experts are not quantized, their activations are not counted\n"
        in result.stdout
    )


def test_the_help_and_a_dry_run_answer_without_torch(config: str) -> None:
    code = (
        "import sys\nfrom r1kit.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        "    print('heavy:', sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))\n"
    )
    for arguments in (["plan", "--help"], ["plan", "--model", config, "--dry-run"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("heavy: []\n")
