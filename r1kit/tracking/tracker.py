"""The record of one run. Nothing else writes a run's metrics, rollouts and summary."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from r1kit.core.jsonl import append_jsonl, write_json
from r1kit.core.rollout import Group, Rollout
from r1kit.tracking import screen
from r1kit.tracking.events import EventLog
from r1kit.tracking.provenance import machine, source_commit, versions
from r1kit.tracking.run_folder import CONFIG_FILE, SUMMARY_FILE, RunFolder


class Tracker:
    """Opens a run folder (see `run_folder` for what happens to an earlier run there) and keeps its record.

    As a context manager it writes `summary.json` when the block ends: status "failed" with the error when an
    exception leaves the block, else "done" unless `finish` or `fail` was called before.

    Args:
        output: the run folder.
        stage: what runs, such as "sft".
        config: the resolved configuration, as plain values.
        seed: the seed of the run.
        quiet: say nothing and show no progress; files are written all the same.

    Raises:
        ConfigError: the folder cannot be used.
    """

    def __init__(
        self, output: Path, *, stage: str, config: Mapping[str, Any], seed: int, quiet: bool = False
    ) -> None:
        self.output = output
        self._stage = stage
        self._quiet = quiet
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._is_closed = False
        self._folder = RunFolder(output)
        write_json(output / CONFIG_FILE, _provenance(stage, config, seed, self._started))
        self._events = EventLog(output / "tensorboard")
        if self._folder.set_aside is not None:
            self.say(f"{output} held an unfinished run; it is kept in {self._folder.set_aside}")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line to `metrics.jsonl`, and one point a value to TensorBoard.

        Numbers that are not finite are written as the strings "NaN", "Infinity" and "-Infinity". A metric
        without samples is to be left out of `values`.

        Raises:
            ValueError: a name is not of the form `area/name`.
        """
        for name in values:
            if "/" not in name:
                raise ValueError(f"metric {name!r} needs the form area/name")
        numbers = {name: value if isinstance(value, int) else float(value) for name, value in values.items()}
        append_jsonl(self.output / "metrics.jsonl", [{"step": step, **numbers}])
        self._events.scalars(step, numbers)

    def rollouts(self, step: int, groups: Sequence[Group], phase: str = "train") -> None:
        """Appends one line a rollout to `rollouts.jsonl`, in the order of the groups.

        Token ids stay out of the file: their number is written, and a tokenizer gives them back.
        """
        rows = [
            {
                "step": step,
                "phase": phase,
                "problem_id": group.problem.id,
                "prompt": group.prompt,
                **_judged(rollout),
            }
            for group in groups
            for rollout in group.rollouts
        ]
        append_jsonl(self.output / "rollouts.jsonl", rows)

    def say(self, text: str) -> None:
        """One line on stderr."""
        if not self._quiet:
            screen.say(text)

    def progress(self, label: str, total: int, unit: str) -> AbstractContextManager[screen.Meter]:
        """A meter for the length of a `with` block; see `screen.show_progress`."""
        return nullcontext(screen.SilentMeter()) if self._quiet else screen.show_progress(label, total, unit)

    def finish(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Writes `summary.json` with status "done", seconds and `metrics`; returns what it holds."""
        return self._close({"status": "done", "metrics": dict(metrics)})

    def fail(self, error: BaseException) -> dict[str, Any]:
        """Writes `summary.json` with status "failed", seconds and the error; returns what it holds."""
        line = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return self._close({"status": "failed", "error": line})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_closed:
            return
        if error is not None:
            self.fail(error)
        else:
            self.finish({})

    def _close(self, outcome: Mapping[str, Any]) -> dict[str, Any]:
        if self._is_closed:
            raise RuntimeError(f"the run in {self.output} already has its summary")
        summary = {
            "stage": self._stage,
            **outcome,
            "seconds": round(time.monotonic() - self._clock, 3),
            "started": _timestamp(self._started),
            "finished": _timestamp(datetime.now(UTC)),
        }
        self._is_closed = True
        self._events.close()
        write_json(self.output / SUMMARY_FILE, summary)
        self._folder.close()
        return summary


def _provenance(stage: str, config: Mapping[str, Any], seed: int, started: datetime) -> dict[str, Any]:
    return {
        "stage": stage,
        "seed": seed,
        "started": _timestamp(started),
        "commit": source_commit(),
        "versions": versions(),
        **machine(),
        "config": config,
    }


def _judged(rollout: Rollout) -> dict[str, Any]:
    completion, score = rollout.completion, rollout.score
    return {
        "completion": completion.text,
        "reward": score.reward,
        "reward_parts": dict(score.parts),
        **({"shaped_parts": dict(score.shaped)} if score.shaped else {}),
        "verdict": score.verdict,
        "extracted": score.extracted,
        **({} if score.result is None else {"result": score.result}),
        "finish_reason": completion.finish_reason,
        "num_tokens": completion.num_tokens,
    }


def _timestamp(moment: datetime) -> str:
    """UTC in ISO 8601, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
