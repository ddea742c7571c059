"""Every pipeline file that is shipped: it loads, every stage of it is valid, and a dry run shows them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from r1kit.cli.run import read_pipeline
from r1kit.config.pipeline_file import load_pipeline
from r1kit.config.rl import GrpoConfig
from r1kit.config.stages import EvalConfig
from r1kit.pipeline.plan import Plan, plan_pipeline
from r1kit.tasks.benchmarks import BENCHMARKS

ROOT = Path(__file__).parents[2]
FILES = sorted(path.name for path in (ROOT / "pipelines").glob("*.yaml"))

DRY_RUN = """
import sys
from r1kit.cli.main import main
try:
    main(["run", *sys.argv[1:], "--dry-run"])
except SystemExit as ended:
    heavy = {"torch", "transformers", "peft", "datasets"} & set(sys.modules)
    sys.exit(f"loaded {sorted(heavy)}" if heavy else ended.code)
"""


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files name their data from here."""
    monkeypatch.chdir(ROOT)


def make_plan(name: str, **flags: str) -> Plan:
    file = Path("pipelines") / name
    return plan_pipeline(read_pipeline(file, {(flag,): value for flag, value in flags.items()}), str(file))


def dry_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRY_RUN, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_recipe_its_controls_and_the_real_ones_are_shipped():
    assert {"tiny.yaml", "tiny_4bit.yaml", "tiny_controls.yaml", "r1.yaml", "r1_zero.yaml"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_file_loads_and_every_stage_of_it_is_planned(name):
    plan = make_plan(name)
    assert [stage.id for stage in plan.stages] == [
        s["id"] for s in load_pipeline(Path("pipelines") / name)["stages"]
    ]
    assert plan.name == Path(name).stem
    assert plan.output == Path("runs") / plan.name
    assert plan.notes


@pytest.mark.parametrize("name", FILES)
def test_every_stage_is_needed_or_is_an_end(name):
    plan = make_plan(name)
    needed = {need for stage in plan.stages for need in stage.needs}
    ends = {"eval", "export"}
    assert all(stage.id in needed or stage.stage in ends for stage in plan.stages)
    tasks = [t for s in plan.stages if isinstance(s.config, EvalConfig) for t in s.config.tasks]
    assert {task.name for task in tasks if task.data is None} <= set(BENCHMARKS)


@pytest.mark.parametrize("name", FILES)
def test_a_dry_run_shows_every_stage_and_loads_no_torch(name):
    done = dry_run(f"pipelines/{name}")
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.split() for line in done.stdout.splitlines()]
    for number, stage in enumerate(make_plan(name).stages, start=1):
        [line] = [words for words in shown if words[:2] == [f"{number}.", stage.id]]
        assert line[2] == stage.stage
        needs = line[line.index("needs") + 1 :] if "needs" in line else []
        assert [need.rstrip(",") for need in needs] == list(stage.needs)
        if isinstance(stage.config, EvalConfig):
            assert line[3] == "on"
            assert line[4].rstrip(",") == stage.config.tasks[0].name


@pytest.mark.parametrize("name", ["r1.yaml", "r1_zero.yaml"])
def test_another_model_is_one_flag_and_how_it_is_loaded_stays(name):
    ours, theirs = make_plan(name), make_plan(name, model="Qwen/Qwen2.5-0.5B")
    for one, other in zip(ours.stages, theirs.stages, strict=True):
        assert other.config.model.path == "Qwen/Qwen2.5-0.5B"
        swapped = one.config.model.model_copy(update={"path": "Qwen/Qwen2.5-0.5B"})
        assert other.config == one.config.model_copy(update={"model": swapped})
        assert one.fingerprint != other.fingerprint
    done = dry_run(f"pipelines/{name}", "--model", "Qwen/Qwen2.5-0.5B")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["r1.yaml", "r1_zero.yaml"])
def test_the_real_recipe_is_for_a_4bit_base_on_24_gb(name):
    for stage in make_plan(name).stages:
        model = stage.config.model
        assert (model.path, model.quantization, model.tuning) == ("Qwen/Qwen2.5-1.5B", "nf4", "lora")
        assert model.gradient_checkpointing


@pytest.mark.parametrize("name", ["r1.yaml", "r1_zero.yaml"])
def test_aime_is_measured_with_its_own_64_samples_and_the_others_with_one(name):
    found = []
    for stage in make_plan(name).stages:
        if isinstance(stage.config, EvalConfig):
            is_aime = [task.name for task in stage.config.tasks] == ["aime"]
            assert stage.config.num_samples == (None if is_aime else 1)
            found.append(is_aime)
    assert sum(found) == 1
    assert BENCHMARKS["aime"].num_samples == 64


def test_r1_zero_starts_reinforcement_learning_from_the_base():
    first = next(stage for stage in make_plan("r1_zero.yaml").stages if isinstance(stage.config, GrpoConfig))
    assert first.config.model.adapter is None
    assert first.config.model.chat_template == "r1_zero"


def test_the_4bit_recipe_is_the_tiny_one_in_4_bit():
    for one, other in zip(make_plan("tiny.yaml").stages, make_plan("tiny_4bit.yaml").stages, strict=True):
        assert (one.id, other.config.model.quantization) == (other.id, "nf4")
        assert other.config.seed == one.config.seed


def test_reinforcement_learning_in_the_tiny_recipe_sees_at_most_four_operands():
    for stage in make_plan("tiny.yaml").stages:
        if isinstance(stage.config, GrpoConfig):
            lines = Path(stage.config.data.path).read_text(encoding="utf-8").splitlines()
            assert {json.loads(line)["level"] for line in lines} == {3, 4}
