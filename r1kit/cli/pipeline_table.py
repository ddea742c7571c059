"""The end of a pipeline on screen: a row a stage, and a row an evaluation with its accuracies side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from r1kit.tracking.screen import duration_text

_RL: Final = {
    "reward": "reward/mean",
    "held-out before": "held_out_before/pass@1",
    "after": "held_out/pass@1",
}
_HEADLINES: Final = {
    "sft": {"loss": "sft/loss", "evaluation loss": "sft/eval_loss", "texts": "num_examples"},
    "grpo": _RL,
    "ppo": _RL,
    "reward-model": {"held-out pairs right": "reward_model/accuracy", "loss": "reward_model/eval_loss"},
    "reject-sample": {"kept": "num_kept", "rejected": "num_rejected", "pass rate": "pass_rate"},
}
"""By kind of stage: what its row shows, and the metric behind it."""

_REWARD: Final = "/reward/"
_RATES: Final = {"format": "format_rate", "lang": "language_rate", "tokens": "mean_tokens"}


def print_pipeline(stages: Sequence[Mapping[str, Any]]) -> None:
    """Print the stages of a pipeline's summary, and after them its evaluations."""
    console = Console(highlight=False)
    console.print(_stage_table(stages))
    evaluations = [stage for stage in stages if stage["stage"] == "eval" and stage["metrics"]]
    if accuracies := [stage for stage in evaluations if _tasks(stage["metrics"])]:
        console.print()
        console.print(_evaluation_table(accuracies))
        console.print(
            "pass@1 ± its standard error over problems; format, language and length over all levels"
        )
    if rewards := [stage for stage in evaluations if _rewards(stage["metrics"])]:
        console.print()
        console.print(_reward_table(rewards))
        console.print(
            "mean reward ± its standard error over problems; a reward model's in standard deviations"
        )


def _stage_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("stage", "kind", "status", "time", "result", box=None, pad_edge=False)
    for stage in stages:
        seconds = stage["seconds"]
        time = "" if seconds is None else duration_text(seconds)
        table.add_row(stage["id"], stage["stage"], stage["status"], time, _headline(stage))
    return table


def _headline(stage: Mapping[str, Any]) -> str:
    metrics, wanted = stage["metrics"], _HEADLINES.get(stage["stage"], {})
    parts = [f"{label} {_number(metrics[name])}" for label, name in wanted.items() if name in metrics]
    if stage["stage"] == "eval":
        parts = [f"{task} {_number(metrics[f'{task}/pass@1'])}" for task in _tasks(metrics)]
        parts = parts or [
            f"{label} {_number(metrics[f'{task}{_REWARD}{label}'])}" for task, label in _rewards(metrics)
        ]
    return ", ".join(parts)


def _evaluation_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    columns = _union(_accuracy_columns(stage["metrics"]) for stage in stages)
    rates = [
        (label, name) for label, name in _RATES.items() if any(_rate(s["metrics"], name) for s in stages)
    ]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("evaluation", no_wrap=True)
    table.add_column("", no_wrap=True)
    for task, level in columns:
        table.add_column(f"{task}\n{level}", justify="right", no_wrap=True)
    for label, _ in rates:
        table.add_column(label, justify="right")
    for stage in stages:
        metrics = stage["metrics"]
        for number, (label, decoding) in enumerate(_decodings(metrics)):
            cells = [_accuracy(metrics, f"{task}/{decoding}", level) for task, level in columns]
            figures = [_rate(metrics, f"{decoding}{name}") for _, name in rates]
            table.add_row("" if number else stage["id"], label, *cells, *figures)
    return table


def _reward_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    columns = _union(_rewards(stage["metrics"]) for stage in stages)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("evaluation", no_wrap=True)
    for task, label in columns:
        table.add_column(f"{task}\n{label}", justify="right", no_wrap=True)
    for stage in stages:
        metrics = stage["metrics"]
        table.add_row(
            stage["id"], *(_with_error(metrics, f"{task}{_REWARD}{name}") for task, name in columns)
        )
    return table


def _rewards(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(task, label) of each reward that is reported of sampled completions, over all levels."""
    named = [name.partition(_REWARD)[::2] for name in metrics if _REWARD in name]
    return [
        (task, label)
        for task, label in named
        if "/" not in f"{task}{label}" and not label.endswith("_stderr")
    ]


def _decodings(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(label, infix of its metric names) of each way the problems were decoded."""
    greedy = any(name.endswith("/greedy/pass@1") for name in metrics)
    return [("sampled", ""), *([("greedy", "greedy/")] if greedy else [])]


def _accuracy_columns(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(task, level) of each accuracy; the level is empty for a task without levels."""
    columns = []
    for task in _tasks(metrics):
        prefix = f"{task}/level="
        levels = _union(
            [name.removeprefix(prefix).split("/")[0]] for name in metrics if name.startswith(prefix)
        )
        columns += [(task, level) for level in levels or [""]]
    return columns


def _tasks(metrics: Mapping[str, Any]) -> list[str]:
    return [
        name.removesuffix("/pass@1") for name in metrics if name.endswith("/pass@1") and name.count("/") == 1
    ]


def _accuracy(metrics: Mapping[str, Any], prefix: str, level: str) -> str:
    """pass@1 with its standard error; empty when the evaluation does not have it."""
    start = f"{prefix}level={level}/" if level else prefix
    return _with_error(metrics, f"{start}pass@1")


def _with_error(metrics: Mapping[str, Any], name: str) -> str:
    """A figure with its standard error; empty when there is none."""
    value, error = metrics.get(name), metrics.get(f"{name}_stderr")
    if value is None:
        return ""
    return f"{value:.3f}" if error is None else f"{value:.3f}±{f'{error:.3f}'.lstrip('0')}"


def _rate(metrics: Mapping[str, Any], name: str) -> str:
    """The figure of each task, in their order."""
    return " ".join(
        _number(metrics[f"{task}/{name}"]) for task in _tasks(metrics) if f"{task}/{name}" in metrics
    )


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _union(groups: Iterable[Sequence[Any]]) -> list[Any]:
    """All items in the order they first occur."""
    return list(dict.fromkeys(item for group in groups for item in group))
