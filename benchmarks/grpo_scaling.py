"""How the cost of r1kit's GRPO step grows: over 4x in completions, and over 4x in tokens a completion.

    python benchmarks/grpo_scaling.py [--steps 2] [--vocab 32000] [--json]

The model, LoRA and prompts are those of grpo_vs_trl.py, but EOS never comes: every completion has exactly the tokens it
may have. G goes 4, 8, 16 at 128 new tokens; then new tokens go 64, 128, 256 at G 8. The exponent is the slope of
log(seconds) over log(completion tokens): 1 is linear; below 1, a fixed share (the prompts, which run once a group) is
spread over more tokens. Seconds are CPU seconds, medians over the steps. A size is a child process on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from grpo_vs_trl import MICRO_BATCH_TOKENS, run_child, side_of
from grpo_workload import QUICK, Workload, write_inputs
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

FACTORS: Final = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Point:
    """A size and what its step cost."""

    group_size: int
    new_tokens: int
    tokens: int
    seconds: float
    peak_above_mb: float


def main() -> None:
    """Measure both curves and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2, help="measured steps a size")
    parser.add_argument("--vocab", type=int, default=32_000)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the harness")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    base = QUICK if arguments.quick else replace(Workload(), vocabulary=arguments.vocab)
    report = {name: measure(sizes, arguments.steps) for name, sizes in curves(base).items()}
    if arguments.json:
        print(json.dumps({name: [asdict(point) for point in points] for name, points in report.items()}))
    else:
        print_report(report)


def curves(base: Workload) -> dict[str, list[Workload]]:
    """The workloads of each curve; completions never end of themselves."""
    endless = replace(base, mean_tokens=0.0)
    half, quarter = base.max_new_tokens // 2, base.max_new_tokens // 4
    return {
        "completions": [
            replace(endless, group_size=factor * base.group_size // 2, max_new_tokens=half)
            for factor in FACTORS
        ],
        "tokens": [replace(endless, max_new_tokens=factor * quarter) for factor in FACTORS],
    }


def measure(sizes: Sequence[Workload], num_steps: int) -> list[Point]:
    """A point a workload, in their order. All of them have the same weights."""
    with tempfile.TemporaryDirectory() as folder:
        model, adapter = write_inputs(Path(folder), sizes[0], seed=0)
        return [point(size, (model, adapter), num_steps) for size in sizes]


def point(workload: Workload, paths: tuple[Path, Path], num_steps: int) -> Point:
    """The median step of a run. RuntimeError when a completion ended before its last token."""
    script, settings = side_of("r1kit", MICRO_BATCH_TOKENS)
    found = run_child(script, workload, paths, seed=0, num_steps=num_steps, settings=settings)
    expected = workload.prompts_per_step * workload.group_size * workload.max_new_tokens
    steps = found["steps"]
    if any(step["tokens"] != expected for step in steps):
        raise RuntimeError(f"a step has {steps[0]['tokens']} tokens, not {expected}: a completion has ended")
    return Point(
        workload.group_size,
        workload.max_new_tokens,
        expected,
        statistics.median(step["cpu_seconds"] for step in steps),
        max(step["peak_mb"] for step in steps) - found["loaded_mb"],
    )


def exponent(points: Sequence[Point]) -> float:
    """The least-squares slope of log(seconds) over log(tokens)."""
    x = [math.log(point.tokens) for point in points]
    y = [math.log(point.seconds) for point in points]
    return statistics.linear_regression(x, y).slope


def print_report(report: dict[str, list[Point]]) -> None:
    """A table a curve, with its exponent."""
    console = Console(width=110)
    for name, points in report.items():
        table = Table(
            box=MARKDOWN, title=f"over {name}: exponent {exponent(points):.2f}", title_justify="left"
        )
        for heading in ("G", "new tokens", "tokens a step", "CPU s", "CPU ms a token", "MB above loaded"):
            table.add_column(heading, justify="right")
        for one in points:
            per_token = f"{1000 * one.seconds / one.tokens:.3f}"
            cells = (one.group_size, one.new_tokens, one.tokens, f"{one.seconds:.2f}", per_token)
            table.add_row(*map(str, cells), f"{one.peak_above_mb:.0f}")
        console.print(table)


if __name__ == "__main__":
    main()
