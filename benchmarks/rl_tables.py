"""The report of `grpo_vs_ppo.py`: tables in Markdown, the verdict, figures as JSON and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from rl_figures import SECONDS, Spread, accuracy_at, medians, same_tokens, step_figures, time_figures, until
from rl_jobs import PHASES, SIDES, Run, Runs
from rl_verdict import CLAIM, DEFINITIONS, GOOD, accuracy_verdict, cost_verdict

SHOWN: Final = (0.0, 1 / 6, 1 / 3, 2 / 3, 1.0)
"""The shares of the training after which accuracy is shown."""


def report(found: Mapping[str, Runs], output: Path) -> None:
    """Print tables and verdict; write `figures.json` and `grpo_vs_ppo.png` into `output`."""
    console = Console(width=200)
    console.print(f"torch {torch.__version__}, CPU, one thread; seconds are CPU seconds\n")
    for name in dict.fromkeys(side for runs in found.values() for side in runs):
        console.print(f"- {name}: {SIDES[name].words}")
    for group, runs in found.items():
        console.print(f"\n{group}; seeds {[run['seed'] for run in next(iter(runs.values()))]}\n")
        if group.startswith("recipe"):
            console.print(seconds_table(runs))
            console.print(accuracy_table(runs))
        else:
            console.print(steps_table(runs))
            console.print(f"every side drew the same completions: {'yes' if same_tokens(runs) else 'NO'}")
    for line in verdict(found):
        console.print(f"\n{line}", soft_wrap=True)
    (output / "figures.json").write_text(json.dumps(figures(found), indent=1), encoding="utf-8")
    from rl_plot import draw

    draw(found, output / "grpo_vs_ppo.png")
    console.print(f"\nfigures.json and grpo_vs_ppo.png are in {output}")


def verdict(found: Mapping[str, Runs]) -> list[str]:
    """The article's claims and what was measured."""
    whole = {group: runs for group, runs in found.items() if is_whole(runs)}
    lines = [CLAIM, DEFINITIONS]
    for group, runs in whole.items():
        lines += (accuracy_verdict if group.startswith("recipe") else cost_verdict)(group, runs)
    missing = [group for group in found if group not in whole]
    return lines + [f"{group}: the sides have different seeds, so nothing is said yet" for group in missing]


def is_whole(runs: Mapping[str, Sequence[Run]]) -> bool:
    """Whether every side has the same seeds."""
    seeds = [[run["seed"] for run in some] for some in runs.values()]
    return all(some == seeds[0] for some in seeds)


def steps_table(runs: Mapping[str, Sequence[Run]]) -> Table:
    """A row a figure, a column a side; medians over the seeds."""
    sides = {name: medians([step_figures(run) for run in some]) for name, some in runs.items()}
    table = _table(["figure", *sides])
    for figure in next(iter(sides.values())):
        digits = 0 if "MB" in figure or "tokens a step" in figure else 2
        table.add_row(figure, *(f"{side[figure]:,.{digits}f}" for side in sides.values()))
    return table


def seconds_table(runs: Mapping[str, Sequence[Run]]) -> Table:
    """A row a side: seconds of a step of the recipe by phase; medians over the seeds."""
    table = _table(["side", SECONDS, *PHASES])
    for name, some in runs.items():
        seconds = medians([time_figures(run) for run in some])
        table.add_row(name, *(f"{value:.2f}" for value in seconds.values()))
    return table


def accuracy_table(runs: Mapping[str, Sequence[Run]]) -> Table:
    """A row a side: held-out pass@1 on the way with its ends, and when it was first good, seed by seed."""
    points = [point["step"] for point in next(iter(runs.values()))[0]["curve"]]
    shown = sorted({points[round(share * (len(points) - 1))] for share in SHOWN})
    steps = [f"step {step}" for step in shown]
    table = _table(["held-out pass@1", *steps, f"steps to {GOOD}", f"seconds to {GOOD}"])
    for name, some in runs.items():
        first = (", ".join(_or_dash(until(run, GOOD, unit)) for run in some) for unit in ("step", "seconds"))
        table.add_row(name, *(in_brackets(accuracy_at(some, step)) for step in shown), *first)
    return table


def in_brackets(spread: Spread) -> str:
    """A middle with its ends."""
    return f"{spread.middle:.3f} ({spread.low:.3f} - {spread.high:.3f})"


def figures(found: Mapping[str, Runs]) -> dict[str, object]:
    """All figures of all runs, by group and side, and the verdict."""
    rows = {
        group: {
            name: [
                {"seed": run["seed"]}
                | (time_figures(run) | {"curve": run["curve"]} if "curve" in run else step_figures(run))
                for run in some
            ]
            for name, some in runs.items()
        }
        for group, runs in found.items()
    }
    return {"figures": rows, "verdict": verdict(found)}


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _table(headings: Sequence[str]) -> Table:
    table = Table(box=MARKDOWN)
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    return table
