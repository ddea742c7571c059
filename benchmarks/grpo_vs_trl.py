"""Runs r1kit's GRPO and TRL's on the same workload and prints one table: tokens/s, seconds by phase, peak memory.

    python benchmarks/grpo_vs_trl.py [--steps 5] [--seeds 0 1 2] [--vocab 32000] [--sides r1kit trl trl-best]
    python benchmarks/grpo_vs_trl.py --search     # what TRL's best settings are here
    python benchmarks/grpo_vs_trl.py --replay     # gradients of one saved batch through both

Both sides get the same random Qwen2 (hidden 256, 6 layers, float32), the same LoRA (rank 16 on all linear layers), the
same prompts (4 a step, 64 to 256 tokens), group size 8, up to 256 new tokens with an EOS that spreads the lengths,
beta 0.04, the article's loss. A run is a child process on one thread: it loads, takes a warm-up step with short
completions, then the measured steps. Runs alternate: every side once for the first seed, then for the second.
Only completion tokens up to EOS count. Figures are medians over the runs. A run had the core to itself where CPU
seconds per second are near 1; where they are not, tokens per CPU second compare better. Needs the extra `bench`, and Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from grpo_stopwatch import PHASES
from grpo_workload import QUICK, Workload, write_inputs
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

BEST: Final = "plain-1"
"""The row of TRL's settings that was fastest in `--search`."""
MICRO_BATCH_TOKENS: Final = 1024
"""r1kit's micro-batches, unless --micro-batch-tokens says otherwise: nearly as fast as 2048 in two thirds of the memory."""
SIDES: Final = ("trl", "trl-best", "r1kit")

Run = dict[str, Any]


def main() -> None:
    """Do what the command line asks for and print what came of it."""
    arguments = _arguments()
    workload = QUICK if arguments.quick else replace(Workload(), vocabulary=arguments.vocab)
    sides = {name: side_of(name, arguments.micro_batch_tokens) for name in arguments.sides}
    if arguments.search is not None:
        from grpo_trl_side import SETTINGS

        sides = {name: ("grpo_trl_side.py", name) for name in arguments.search or SETTINGS}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.replay:
            paths = write_inputs(Path(folder), workload, arguments.seeds[0])
            subprocess.run(_command("grpo_replay.py", workload, *paths), env=_one_thread(), check=True)
            return
        runs = alternate(sides, workload, arguments.seeds, arguments.steps, Path(folder))
    figures = {name: medians([figures_of(run) for run in some]) for name, some in runs.items()}
    if arguments.json:
        print(json.dumps({"workload": json.loads(workload.dumps()), "figures": figures, "runs": runs}))
    else:
        print_report(workload, arguments, runs, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5, help="measured steps of a run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="weights, prompts and draws")
    parser.add_argument("--vocab", type=int, default=32_000, help="size of the vocabulary")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--micro-batch-tokens", type=int, default=MICRO_BATCH_TOKENS, help="r1kit's")
    parser.add_argument(
        "--search", nargs="*", metavar="NAME", help="time rows of TRL's settings instead: all, or some"
    )
    parser.add_argument("--replay", action="store_true", help="compare gradients instead")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the harness")
    parser.add_argument("--json", action="store_true", help="every step of every run")
    return parser.parse_args()


def side_of(name: str, micro_batch_tokens: int) -> tuple[str, str]:
    """The script of a side and its settings."""
    if name == "r1kit":
        return "grpo_r1kit_side.py", json.dumps({"batching.micro_batch_tokens": micro_batch_tokens})
    return "grpo_trl_side.py", "defaults" if name == "trl" else BEST


def alternate(
    sides: Mapping[str, tuple[str, str]],
    workload: Workload,
    seeds: Sequence[int],
    num_steps: int,
    folder: Path,
) -> dict[str, list[Run]]:
    """The runs of each side, one a seed: A B C, A B C, A B C."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for seed in seeds:
        paths = write_inputs(folder, workload, seed)
        for name, (script, settings) in sides.items():
            runs[name].append(run_child(script, workload, paths, seed, num_steps, settings))
            print(f"seed {seed}, {name}: {in_words(figures_of(runs[name][-1]))}", file=sys.stderr, flush=True)
    return runs


def run_child(
    script: str, workload: Workload, paths: tuple[Path, Path], seed: int, num_steps: int, settings: str
) -> Run:
    """One run in a process of its own, on one thread. SystemExit with its last words when it fails."""
    options = ["--seed", str(seed), "--steps", str(num_steps), "--settings", settings]
    done = subprocess.run(
        _command(script, workload, *paths, *options),
        env=_one_thread(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{script} {settings} failed:\n{done.stderr[-2000:]}")
    run: Run = json.loads(done.stdout.splitlines()[-1])
    return run


def _command(script: str, workload: Workload, model: Path, adapter: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        str(Path(__file__).with_name(script)),
        workload.dumps(),
        str(model),
        str(adapter),
        *options,
    ]


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}


def figures_of(run: Run) -> dict[str, float]:
    """One run's figures: rates over all its steps, memory at its worst step. Megabytes are 10^6 bytes."""
    steps = run["steps"]
    tokens, seconds = sum(step["tokens"] for step in steps), sum(step["seconds"] for step in steps)
    cpu_seconds = sum(step["cpu_seconds"] for step in steps)
    peak = max(step["peak_mb"] for step in steps)
    by_phase = {phase: sum(step["phases"][phase] for step in steps) for phase in PHASES}
    return {
        "tokens/s": tokens / seconds,
        "tokens per CPU second": tokens / cpu_seconds,
        "CPU seconds per second": cpu_seconds / seconds,
        "seconds a step": seconds / len(steps),
        **{f"{phase}, s per 1000 tokens": 1000 * spent / tokens for phase, spent in by_phase.items()},
        "peak MB": peak,
        "loaded MB": run["loaded_mb"],
        "peak above loaded MB": peak - run["loaded_mb"],
        "tokens a step": tokens / len(steps),
    }


def medians(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure over the runs."""
    return {name: statistics.median(run[name] for run in figures) for name in figures[0]}


def in_words(figures: Mapping[str, float]) -> str:
    """The two figures that matter most."""
    return (
        f"{figures['tokens/s']:.1f} tokens/s, {figures['peak above loaded MB']:.0f} MB above the loaded model"
    )


def print_report(
    workload: Workload,
    arguments: argparse.Namespace,
    runs: Mapping[str, Sequence[Run]],
    figures: Mapping[str, Mapping[str, float]],
) -> None:
    """What was run, a row a figure with a column a side, and the lengths that each side drew."""
    console = Console(width=120)
    versions = {key: run[0][key] for run in runs.values() for key in ("torch", "trl") if key in run[0]}
    words = ", ".join(f"{name} {number}" for name, number in versions.items())
    console.print(
        f"vocabulary {workload.vocabulary:,}; {arguments.steps} steps, seeds {arguments.seeds}; {words}\n"
    )
    console.print(comparison(figures))
    for name, some in runs.items():
        lengths = [length for run in some for step in run["steps"] for length in step["lengths"]]
        console.print(f"{name}: {lengths_in_words(lengths)}")


def comparison(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a figure and a column a side; where r1kit is one of them, how many times better it is than each other."""
    others = [name for name in figures if name != "r1kit"] if "r1kit" in figures else []
    table = Table(box=MARKDOWN)
    for index, heading in enumerate(["figure", *figures, *(f"r1kit : {name}" for name in others)]):
        table.add_column(heading, justify="right" if index else "left")
    for figure in next(iter(figures.values())):
        values = [f"{side[figure]:,.1f}" for side in figures.values()]
        ratios = [ratio(figure, figures["r1kit"][figure], figures[name][figure]) for name in others]
        table.add_row(figure, *values, *ratios)
    return table


def ratio(figure: str, ours: float, theirs: float) -> str:
    """How many times better ours is: more for a rate, less for seconds and memory; nothing for the rest."""
    if figure in ("tokens/s", "tokens per CPU second"):
        return f"{ours / theirs:.2f}x"
    better_when_less = "s per 1000" in figure or figure in ("peak MB", "peak above loaded MB")
    return f"{theirs / ours:.2f}x" if better_when_less and ours > 0 else ""


def lengths_in_words(lengths: Sequence[int]) -> str:
    """Mean and deciles of completion lengths."""
    deciles = statistics.quantiles(lengths, n=10)
    shown = " ".join(f"{value:.0f}" for value in deciles)
    return f"{len(lengths)} completions, mean length {statistics.mean(lengths):.0f}, deciles {shown}"


if __name__ == "__main__":
    main()
