"""Runs a pipeline for several seeds and prints its evaluations as one table: mean and spread over the seeds.

    python benchmarks/seeds.py pipelines/tiny.yaml --seeds 0 1 2

Every run stays in OUTPUT/seed-N, so a second call only reads the figures. Each cell is the mean over seeds with
its standard error; sampled (the pipeline's temperature) and greedy pass@1 stand side by side.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from r1kit.config.load import validate
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.pipeline_file import load_pipeline
from r1kit.pipeline.plan import plan_pipeline
from r1kit.pipeline.runner import run_pipeline
from r1kit.rollout.estimators import mean, standard_error
from r1kit.tracking.provenance import source_commit, versions

Metrics = Mapping[str, float]
Row = tuple[str, Sequence[Metrics]]


def main() -> None:
    """Run what is missing, then print the table as Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pipeline", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, help="default: runs/seeds-NAME")
    arguments = parser.parse_args()
    output = arguments.output or Path("runs") / f"seeds-{arguments.pipeline.stem}"
    summaries = [run_seed(arguments.pipeline, seed, output / f"seed-{seed}") for seed in arguments.seeds]
    print_report(arguments.pipeline, arguments.seeds, summaries)


def run_seed(pipeline: Path, seed: int, output: Path) -> dict[str, Any]:
    """The summary of the pipeline's run under `seed`."""
    values = {**load_pipeline(pipeline), "seed": seed, "output": str(output)}
    config = validate(PipelineConfig, values, source=str(pipeline))
    return run_pipeline(plan_pipeline(config, str(pipeline)))


def print_report(pipeline: Path, seeds: Sequence[int], summaries: Sequence[Mapping[str, Any]]) -> None:
    """Where and when it ran, and a row an evaluation."""
    found = versions()
    seconds = [sum(stage["seconds"] for stage in summary["stages"]) for summary in summaries]
    print(
        f"{pipeline}, seeds {', '.join(map(str, seeds))}; {datetime.now(UTC):%Y-%m-%d}, commit {source_commit()}"
    )
    print(
        f"torch {found['torch']}, transformers {found['transformers']}, peft {found['peft']}, {processor()}"
    )
    print(f"seconds a run, all evaluations included: {', '.join(f'{s:.0f}' for s in seconds)}\n")
    evaluations = [stage["id"] for stage in summaries[0]["stages"] if stage["stage"] == "eval"]
    rows = [(name, [metrics_of(summary, name) for summary in summaries]) for name in evaluations]
    print_accuracies([row for row in rows if accuracy_columns(row[1][0])])
    print_rewards([row for row in rows if reward_columns(row[1][0])])


def print_accuracies(rows: Sequence[Row]) -> None:
    """pass@1 by level, sampled / greedy, and what the completions look like."""
    if not rows:
        return
    columns = accuracy_columns(rows[0][1][0])
    print_row(["evaluation", *(title for title, _, _ in columns), "format", "language", "tokens"])
    print_row(["---"] * (len(columns) + 4))
    for name, runs in rows:
        accuracies = [f"{cell(runs, sampled)} / {cell(runs, greedy)}" for _, sampled, greedy in columns]
        task = columns[0][1].split("/")[0]
        rates = [cell(runs, f"{task}/{rate}") for rate in ("format_rate", "language_rate", "mean_tokens")]
        print_row([name, *accuracies, *rates])


def print_rewards(rows: Sequence[Row]) -> None:
    """The mean of every reward."""
    if not rows:
        return
    columns = reward_columns(rows[0][1][0])
    print_row(["\nevaluation", *(name.partition("/reward/")[2] for name in columns)])
    print_row(["---"] * (len(columns) + 1))
    for name, runs in rows:
        print_row([name, *(cell(runs, column) for column in columns)])


def print_row(cells: Sequence[str]) -> None:
    """A row of a table in Markdown."""
    print(" | ".join(cells))


def reward_columns(metrics: Metrics) -> list[str]:
    """The metric of each reward that is reported, over all levels."""
    return [name for name in metrics if "/reward/" in name and "level=" not in name and "stderr" not in name]


def accuracy_columns(metrics: Metrics) -> list[tuple[str, str, str]]:
    """(title, sampled metric, greedy metric) of each level."""
    names = [
        name for name in metrics if "/level=" in name and name.endswith("/pass@1") and "/greedy/" not in name
    ]
    return [
        (
            name.split("/")[0] + " " + name.split("level=")[1].split("/")[0],
            name,
            name.replace("/level", "/greedy/level"),
        )
        for name in names
    ]


def metrics_of(summary: Mapping[str, Any], stage_id: str) -> Metrics:
    """The metrics of a stage."""
    return next(stage["metrics"] for stage in summary["stages"] if stage["id"] == stage_id)


def cell(runs: Sequence[Metrics], name: str) -> str:
    """Mean and standard error over the runs that have the figure."""
    values = [run[name] for run in runs if name in run]
    if not values:
        return ""
    error = standard_error(values)
    digits = 1 if mean(values) >= 10 else 3
    return f"{mean(values):.{digits}f}" + ("" if error is None else f"±{error:.{digits}f}")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    if sys.platform == "linux":
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout.splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("Model name")]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
