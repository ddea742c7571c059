import json
from pathlib import Path

import pytest

from r1kit.config.load import validate
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.stage import StageConfig
from r1kit.core.errors import TrainingError
from r1kit.pipeline.plan import Plan, plan_pipeline
from r1kit.pipeline.runner import run_pipeline
from r1kit.tracking.tracker import Tracker


class RecordingStages:
    """Runs stages by opening and finishing their run folders, as every stage does; fails where told to."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.failing: str | None = None

    def __call__(self, stage: str, config: StageConfig) -> dict:
        self.ran.append(config.output.name)
        with Tracker(config.output, stage=stage, config={}, seed=0, quiet=True) as tracker:
            if config.output.name == self.failing:
                raise TrainingError("the gradient is not finite")
            (config.output / "made.txt").write_text(str(len(self.ran)))
            return tracker.finish({"figure": len(self.ran)})


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "data.jsonl"
    path.write_text('{"problem": "1+1", "answer": "2"}\n')
    return str(path)


def make_plan(tmp_path: Path, data: str, **grpo) -> Plan:
    stages = [
        {"id": "a", "stage": "sft", "data": data},
        {"id": "b", "stage": "grpo", "data": data, "model": {"adapter": "@a.adapter"}, **grpo},
        {"id": "c", "stage": "eval", "tasks": ["aime"]},
    ]
    values = {"name": "p", "output": str(tmp_path / "run"), "model": "some/base", "stages": stages}
    return plan_pipeline(validate(PipelineConfig, values, source="p.yaml"), "p.yaml")


def run(plan: Plan, stages: RecordingStages, force: tuple[str, ...] = ()) -> list[str]:
    """The folders that ran."""
    stages.ran.clear()
    run_pipeline(plan, force, say=lambda line: None, run=stages)
    return list(stages.ran)


def statuses(plan: Plan) -> list[str]:
    summary = json.loads((plan.output / "summary.json").read_text())
    return [row["status"] for row in summary["stages"]]


def test_stages_run_in_order_and_are_skipped_when_run_again(tmp_path, data):
    plan, stages = make_plan(tmp_path, data), RecordingStages()
    assert run(plan, stages) == ["01-a", "02-b", "03-c"]
    assert statuses(plan) == ["done"] * 3
    assert run(plan, stages) == []
    assert statuses(plan) == ["skipped"] * 3


def test_a_skipped_stage_keeps_its_figures_in_the_summary(tmp_path, data):
    plan, stages = make_plan(tmp_path, data), RecordingStages()
    run(plan, stages)
    run(plan, stages)
    rows = json.loads((plan.output / "summary.json").read_text())["stages"]
    assert [row["metrics"] for row in rows] == [{"figure": 1}, {"figure": 2}, {"figure": 3}]


def test_a_changed_stage_runs_again_and_what_it_had_made_is_kept(tmp_path, data):
    stages = RecordingStages()
    run(make_plan(tmp_path, data), stages)
    assert run(make_plan(tmp_path, data, steps=7), stages) == ["02-b"]
    kept = tmp_path / "run/stages/02-b.old-1/made.txt"
    assert kept.read_text() == "2"
    assert run(make_plan(tmp_path, data, steps=8), stages) == ["02-b"]
    assert (tmp_path / "run/stages/02-b.old-2/made.txt").exists()


def test_a_forced_stage_runs_again_together_with_those_that_need_it(tmp_path, data):
    plan, stages = make_plan(tmp_path, data), RecordingStages()
    run(plan, stages)
    assert run(plan, stages, force=("a",)) == ["01-a", "02-b"]
    assert run(plan, stages, force=("c",)) == ["03-c"]


def test_a_failed_stage_stops_the_run_and_is_tried_again_the_next_time(tmp_path, data):
    plan, stages = make_plan(tmp_path, data), RecordingStages()
    stages.failing = "02-b"
    with pytest.raises(TrainingError):
        run(plan, stages)
    assert statuses(plan) == ["done", "failed", "waiting"]
    stages.failing = None
    assert run(plan, stages) == ["02-b", "03-c"]


def test_a_stage_killed_before_its_end_is_not_taken_for_finished(tmp_path, data):
    plan, stages = make_plan(tmp_path, data), RecordingStages()
    run(plan, stages)
    (tmp_path / "run/stages/02-b/summary.json").unlink()
    (tmp_path / "run/stages/02-b/fingerprint.txt").unlink()
    assert run(plan, stages) == ["02-b"]
