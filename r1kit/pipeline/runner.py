"""Runs a plan: finished stages are skipped, the others run in order, and a summary is kept after each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from r1kit.core.jsonl import write_json
from r1kit.pipeline.dispatch import RunStage, run_stage
from r1kit.pipeline.plan import Plan, PlannedStage
from r1kit.tracking import screen
from r1kit.tracking.run_folder import run_status

_STAMP = "fingerprint.txt"


@dataclass(slots=True)
class StageRow:
    """A stage's row in the summary. `status` is waiting, running, done, skipped or failed."""

    id: str
    stage: str
    status: str = "waiting"
    seconds: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


def run_pipeline(
    plan: Plan, force: Sequence[str] = (), say: Callable[[str], None] = screen.say, run: RunStage = run_stage
) -> dict[str, Any]:
    """Run what is not finished yet; the summary, also written to `summary.json` after every stage.

    A stage is finished when its folder holds a summary of a completed run under the same fingerprint.
    `force` holds ids of stages that run again anyway (and with them, every stage that needs them). What an
    outdated run of a stage left is kept beside it, as `01-ID.old-1`.

    Raises:
        R1KitError: a stage failed; the stages before it stay finished.
    """
    rows = [StageRow(stage.id, stage.stage) for stage in plan.stages]
    rerun: set[str] = set()
    started = time.perf_counter()
    for number, (stage, row) in enumerate(zip(plan.stages, rows, strict=True), start=1):
        label = f"[{number}/{len(rows)}] {stage.id} ({stage.stage})"
        if stage.id not in force and not rerun & set(stage.needs) and _is_finished(stage):
            summary = _read_summary(stage)
            row.status, row.metrics, row.seconds = "skipped", summary["metrics"], summary["seconds"]
            say(f"{label}: finished before, skipped")
        else:
            rerun.add(stage.id)
            say(label)
            _run(plan, stage, row, rows, run)
        _write_summary(plan, rows)
    return {**_summary(plan, rows), "seconds": time.perf_counter() - started}


def _run(plan: Plan, stage: PlannedStage, row: StageRow, rows: list[StageRow], run: RunStage) -> None:
    _set_aside_finished(stage)
    row.status, started = "running", time.perf_counter()
    try:
        row.metrics = run(stage.stage, stage.config)["metrics"]
        row.status = "done"
    except BaseException:
        row.status = "failed"
        raise
    finally:
        row.seconds = time.perf_counter() - started
        _write_summary(plan, rows)
    (stage.config.output / _STAMP).write_text(stage.fingerprint + "\n", encoding="utf-8")


def _is_finished(stage: PlannedStage) -> bool:
    stamp = stage.config.output / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == stage.fingerprint


def _read_summary(stage: PlannedStage) -> dict[str, Any]:
    path = stage.config.output / "summary.json"
    summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return summary


def _summary(plan: Plan, rows: Sequence[StageRow]) -> dict[str, Any]:
    return {"name": plan.name, "output": str(plan.output), "stages": [asdict(row) for row in rows]}


def _write_summary(plan: Plan, rows: Sequence[StageRow]) -> None:
    plan.output.mkdir(parents=True, exist_ok=True)
    write_json(plan.output / "summary.json", _summary(plan, rows))


def _set_aside_finished(stage: PlannedStage) -> None:
    """Move a finished but outdated run out of the way; unfinished ones are the stage's own to keep."""
    folder = stage.config.output
    if run_status(folder) != "done":
        return
    number = 1
    while (aside := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    folder.rename(aside)
