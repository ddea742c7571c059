"""Wrong inputs to the whole program: the expected line on stderr, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from forked_cli import run_all
from tiny_models import write_tiny_model

from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.stages import SftConfig
from r1kit.models.load import load_policy
from r1kit.sft import run

DATA = Path(__file__).parents[2] / "data"
BASE = str(DATA / "tiny_base")
SFT = ["sft", "--model", BASE, "-o", "out", "--data", "cold_start.jsonl"]
GRPO = ["grpo", "--model", BASE, "-o", "out", "--data", "train.jsonl"]

CASES: dict[str, tuple[list[str], str]] = {
    "misspelt data file": (
        [*SFT[:-1], "cold_strat.jsonl"],
        "cold_strat.jsonl: no such file; did you mean cold_start.jsonl?",
    ),
    "misspelt held-out file": (
        [*GRPO, "--held-out.data.path", "tain.jsonl"],
        "tain.jsonl: no such file; did you mean train.jsonl?",
    ),
    "misspelt column": (
        [*GRPO, "--data.columns.answer", "anwser"],
        (
            'train.jsonl:1: field "anwser" is missing; each line needs problem and anwser; this one has id, kind, '
            "problem, answer, level, marked_only; did you mean answer? (columns are mapped with columns.answer)"
        ),
    ),
    "malformed JSONL line": (
        [*GRPO[:-1], "broken.jsonl"],
        "broken.jsonl:2: not JSON: Expecting ',' delimiter at column 31; each line must be one JSON object",
    ),
    "unknown flag": (
        [*GRPO, "--setps", "3"],
        "unknown flag --setps; did you mean --steps? (see `r1kit grpo --help`)",
    ),
    "bad value": (
        [*GRPO, "--steps", "0"],
        "--steps: must be at least 1, got 0",
    ),
    "unknown reward": (
        [*GRPO, "--rewards", "maths"],
        "unknown reward 'maths'; did you mean math?; there are math, format, language, length, repetition, code, runnable, reward_model:PATH and module:function",
    ),
    "misspelt option of a reward": (
        [*GRPO, "--config", "reward_option.yaml"],
        "reward language has no option 'langauge'; did you mean language?; it has language, otherwise",
    ),
    "module of a reward that is not there": (
        [*GRPO, "--rewards", "absent_rewards:score"],
        (
            "reward absent_rewards:score: module 'absent_rewards' cannot be imported: ModuleNotFoundError: "
            "No module named 'absent_rewards'"
        ),
    ),
    "folder that is no adapter": (
        [*SFT, "--adapter", "notes"],
        "model.adapter {folder}/notes: not an adapter folder, adapter_config.json is missing",
    ),
    "adapter of another base": (
        [*SFT, "--adapter", "other_adapter"],
        "model.adapter {folder}/other_adapter was trained on {folder}/other_base (",
    ),
    "model folder that is missing": (
        [*SFT, "--model", "./tiny_bas"],
        "model.path './tiny_bas': no such folder in .",
    ),
    "adapter in the place of a model": (
        [*SFT, "--model", "other_adapter"],
        (
            "model.path 'other_adapter' is an adapter, not a base model; give it as model.adapter and its base as "
            "model.path"
        ),
    ),
    "output folder with a finished run": (
        [*SFT, "-o", "finished"],
        "output finished holds a finished run; name a new folder, or remove that one first",
    ),
    "output folder with other files": (
        [*SFT, "-o", "notes"],
        "output notes holds files that are not an r1kit run (a.txt); name a new folder",
    ),
    "dangling reference in a pipeline": (
        ["run", "dangling.yaml"],
        'dangling.yaml: stage rl: "@cld.adapter" names no earlier stage; earlier stages: cold',
    ),
    "unknown benchmark": (
        ["eval", "aimee", "--model", BASE, "-o", "out"],
        (
            "unknown benchmark 'aimee'; one of: aime, math500, gsm8k, humaneval, mbpp, livecodebench, arithmetic, or any name with data of your own; "
            "did you mean aime?"
        ),
    ),
    "misspelt template": (
        [*SFT, "--model.chat-template", "r1_zro"],
        "model.chat_template 'r1_zro': no such file; use one of auto, own, r1, r1_zero, or a Jinja file",
    ),
    "top-p in RL": (
        [*GRPO, "--sampling.top-p", "0.9"],
        (
            "sampling.top_p, top_k and min_p must be off (1, 0, 0) in RL: the policy that is trained would differ "
            "from the one that was sampled, and the ratio would be biased"
        ),
    ),
    "quantized weights trained in full": (
        [*SFT, "--model.tuning", "full", "--model.quantization", "nf4"],
        'model: quantization \'nf4\' cannot be trained in full; set tuning to "lora" or quantization to "none"',
    ),
}

PIPELINE = f"""
name: p
output: piped
model: {BASE}
stages:
  - {{id: cold, stage: sft, data: cold_start.jsonl}}
  - {{id: rl, stage: grpo, data: train.jsonl, model: {{adapter: "@cld.adapter"}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good and bad inputs."""
    folder = tmp_path_factory.mktemp("wrong")
    for name in ("train.jsonl", "cold_start.jsonl"):
        shutil.copy(DATA / "arithmetic" / name, folder)
    lines = '{"problem": "1+1", "answer": "2"}\n{"problem": "1+2", "answer": 3\n'
    (folder / "broken.jsonl").write_text(lines, encoding="utf-8")
    (folder / "dangling.yaml").write_text(PIPELINE, encoding="utf-8")
    option = "rewards:\n  - {name: language, options: {langauge: en}}\n"
    (folder / "reward_option.yaml").write_text(option, encoding="utf-8")
    (folder / "notes").mkdir()
    (folder / "notes/a.txt").write_text("mine", encoding="utf-8")
    other = write_tiny_model(folder / "other_base")
    load_policy(ModelConfig(path=str(other)), train=True).save(folder / "other_adapter", stage="sft")
    values = {
        "model": BASE,
        "output": str(folder / "finished"),
        "data": str(folder / "cold_start.jsonl"),
        "steps": 1,
    }
    run(validate(SftConfig, values, source="test"))
    return folder


def contents(folder: Path) -> dict[Path, bytes | None]:
    """What every file under a folder holds; None for folders."""
    return {entry: entry.read_bytes() if entry.is_file() else None for entry in folder.rglob("*")}


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, dict[str, Any]]:
    """What the program did with each case; under "folder" whether all of them left it as it was."""
    before = contents(folder)
    found = run_all([arguments for arguments, _ in CASES.values()], cwd=folder)
    return dict(zip(CASES, found, strict=True)) | {"folder": {"is_unchanged": contents(folder) == before}}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_input_is_one_line_and_exit_code_2(case, folder, results):
    line = "error: " + CASES[case][1].format(folder=folder)
    [told] = results[case]["err"].splitlines()
    # fingerprints follow the opening bracket
    assert told == line or (line.endswith("(") and told.startswith(line))
    assert (results[case]["code"], results[case]["out"]) == (2, "")


def test_nothing_was_written(results):
    assert results["folder"]["is_unchanged"]
