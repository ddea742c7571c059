"""The learning rates of the recipe for `grpo_vs_ppo.py`: each side is tried with several, on a seed of its own."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Final

from rich.box import MARKDOWN
from rich.table import Table
from rl_jobs import SIDES, Job, Run, Tuning, recipe_job

SEED: Final = 3
"""No seed that is reported."""
RATES: Final = (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)


def search_jobs(
    sides: Iterable[str], tuning: Tuning, rates: Iterable[float], num_steps: int, every: int
) -> Iterator[Job]:
    """A run of each side with each rate."""
    rates = list(rates)
    for side in sides:
        yield from (recipe_job(side, tuning, SEED, num_steps, every, 4, rate) for rate in rates)


def mean_accuracy(run: Run) -> float:
    """Held-out pass@1 on the mean over the evaluations of a run: high where learning is fast and stays."""
    return statistics.mean(point["pass@1"] for point in run["curve"][1:])


def search_table(records: Iterable[tuple[Job, Run]]) -> Table:
    """A row a side and tuning, a column a rate: mean accuracy over the training and, in brackets, the last one."""
    found = {(job.side, job.tuning, job.optim["learning_rate"]): run for job, run in records}
    rates = sorted({rate for _, _, rate in found})
    table = Table(box=MARKDOWN)
    for heading in ("side", "tuning", *(f"{rate:g}" for rate in rates), "best"):
        table.add_column(heading, no_wrap=True)
    rows = sorted(
        {(side, tuning) for side, tuning, _ in found}, key=lambda row: (row[1], list(SIDES).index(row[0]))
    )
    for side, tuning in rows:
        runs = {rate: found[side, tuning, rate] for rate in rates if (side, tuning, rate) in found}
        cells = [
            f"{mean_accuracy(runs[rate]):.3f} ({runs[rate]['curve'][-1]['pass@1']:.3f})"
            if rate in runs
            else ""
            for rate in rates
        ]
        best = max(runs, key=lambda rate: mean_accuracy(runs[rate]))
        table.add_row(side, tuning, *cells, f"{best:g}")
    return table
