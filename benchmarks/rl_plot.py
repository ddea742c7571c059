"""Draws what `grpo_vs_ppo.py` has measured: accuracy over steps and over seconds, time by phase, memory."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rl_figures import WHOLE, medians, step_figures
from rl_jobs import PHASES, Run

Runs = Mapping[str, Sequence[Run]]

SIDE_STYLES: Final = {
    "grpo": ("#1b6ca8", "-"),
    "grpo-2": ("#1b6ca8", ":"),
    "ppo": ("#c8452b", "-"),
    "ppo-1": ("#c8452b", ":"),
    "ppo-96x1": ("#c8452b", "--"),
    "ppo-shared": ("#3a8f4d", "-"),
    "ppo-shared-1": ("#3a8f4d", ":"),
}
PHASE_COLOURS: Final = ("#9aa7b4", "#d9c27e", "#f0a58f", "#1b6ca8", "#c8452b", "#e3e3e3")
MEMORY_COLOURS: Final = ("#d7dade", "#9aa7b4", "#c8452b", "#f0a58f")
MEMORY_PARTS: Final = (
    "bare process",
    "policy and reference",
    "value network and optimizers",
    "above that, at the peak",
)


def draw(found: Mapping[str, Runs], path: Path) -> None:
    """Write the plot to `path`: a row of two panels for each group of runs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    heights = [4.4 if group.startswith("recipe") else 0.9 + 0.42 * len(runs) for group, runs in found.items()]
    figure, axes = plt.subplots(
        len(found),
        2,
        figsize=(13, sum(heights)),
        squeeze=False,
        layout="constrained",
        gridspec_kw={"height_ratios": heights},
    )
    for (left, right), (group, runs) in zip(axes, found.items(), strict=True):
        if group.startswith("recipe"):
            curves(left, runs, "step", f"Arithmetic ({group.removeprefix('recipe, ')}), held-out pass@1")
            curves(right, runs, "seconds", "The same over the CPU seconds of the steps")
        else:
            name = group.removeprefix("steps, ")
            times(left, runs, f"A step ({name}): CPU seconds")
            memory(right, runs, f"Peak memory ({name}): MB")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def curves(axis: Any, runs: Runs, unit: str, title: str) -> None:
    """Mean accuracy of each side; a band from the worst to the best seed for those with a solid line."""
    for name, some in runs.items():
        colour, style = SIDE_STYLES[name]
        places = list(zip(*(run["curve"] for run in some), strict=True))
        x = [statistics.mean(point[unit] for point in place) for place in places]
        means = [statistics.mean(point["pass@1"] for point in place) for place in places]
        axis.plot(x, means, color=colour, linestyle=style, linewidth=1.8, label=name)
        if style == "-":
            ends = [
                [worst_or_best(point["pass@1"] for point in place) for place in places]
                for worst_or_best in (min, max)
            ]
            axis.fill_between(x, *ends, color=colour, alpha=0.15, linewidth=0)
    axis.set(title=title, xlabel="steps" if unit == "step" else "seconds", ylim=(0, 1.02))
    axis.set_xlim(left=0)
    _plain(axis, "both")
    axis.legend(loc="lower right", fontsize=9, frameon=False)


def times(axis: Any, runs: Runs, title: str) -> None:
    """Seconds of a step, stacked by phase."""
    figures = [medians([step_figures(run) for run in some]) for some in runs.values()]
    parts = {phase: [row[phase] for row in figures] for phase in PHASES}
    _stacked(axis, list(runs), parts, PHASE_COLOURS)
    axis.set(title=title)


def memory(axis: Any, runs: Runs, title: str) -> None:
    """The peak of resident memory, stacked by what it is taken for."""
    figures = [medians([step_figures(run) for run in some]) for some in runs.values()]
    marks = ("MB, bare process", "MB, with the policy loaded", "MB, kept between steps", WHOLE)
    parts = {
        part: [row[mark] - (row[below] if below else 0.0) for row in figures]
        for part, mark, below in zip(MEMORY_PARTS, marks, ("", *marks), strict=False)
    }
    _stacked(axis, list(runs), parts, MEMORY_COLOURS)
    axis.set(title=title)


def _stacked(axis: Any, names: list[str], parts: Mapping[str, list[float]], colours: Sequence[str]) -> None:
    left = [0.0] * len(names)
    for (part, widths), colour in zip(parts.items(), colours, strict=True):
        axis.barh(names, widths, left=left, color=colour, label=part, height=0.7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        axis.text(
            total, place, f" {total:,.0f}" if total >= 100 else f" {total:.2f}", va="center", fontsize=9
        )
    axis.invert_yaxis()
    axis.margins(x=0.12)
    _plain(axis, "x")
    axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _plain(axis: Any, grid: str) -> None:
    axis.grid(visible=True, axis=grid, alpha=0.25)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
