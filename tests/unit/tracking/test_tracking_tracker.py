"""The record of a run on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import r1kit
from r1kit.core.errors import ConfigError, TrainingError
from r1kit.core.jsonl import read_jsonl
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score, Verdict
from r1kit.tracking.run_folder import RunFolder, run_status
from r1kit.tracking.tracker import Tracker


def open_tracker(output: Path, **fields: Any) -> Tracker:
    return Tracker(output, **{"stage": "sft", "config": {"steps": 3}, "seed": 7, "quiet": True, **fields})


def json_file(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)]


def test_the_configuration_is_written_with_seed_and_versions_before_anything_happens(tmp_path: Path) -> None:
    with open_tracker(tmp_path / "a" / "b"):
        written = json_file(tmp_path / "a" / "b" / "config.json")
        assert run_status(tmp_path / "a" / "b") == "unfinished"
    assert (written["stage"], written["seed"], written["config"]) == ("sft", 7, {"steps": 3})
    assert written["versions"]["r1kit"] == r1kit.__version__
    assert written["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"torch", "transformers", "peft"} <= written["versions"].keys()
    assert written["started"].endswith("Z")


def test_metrics_are_lines_of_valid_json_in_order(tmp_path: Path) -> None:
    with open_tracker(tmp_path) as tracker:
        tracker.metrics(0, {"train/loss": 0.5, "train/num_texts": 3})
        tracker.metrics(1, {"train/loss": float("nan")})
        # Readable while the run goes on.
        assert rows(tmp_path / "metrics.jsonl") == [
            {"step": 0, "train/loss": 0.5, "train/num_texts": 3},
            {"step": 1, "train/loss": "NaN"},
        ]


def test_metrics_reach_tensorboard_with_their_steps(tmp_path: Path) -> None:
    with open_tracker(tmp_path) as tracker:
        tracker.metrics(4, {"train/loss": 0.5, "train/kl": 0.25})
        tracker.metrics(5, {"train/loss": 0.125})
    (file,) = (tmp_path / "tensorboard").iterdir()
    points = [
        (event.step, value.tag, value.tensor.float_val[0])
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]
    assert points == [(4, "train/loss", 0.5), (4, "train/kl", 0.25), (5, "train/loss", 0.125)]


def test_a_metric_without_an_area_is_refused(tmp_path: Path) -> None:
    with (
        open_tracker(tmp_path) as tracker,
        pytest.raises(ValueError, match="'loss' needs the form area/name"),
    ):
        tracker.metrics(0, {"loss": 1.0})


def test_each_rollout_is_a_line_with_all_that_judged_it(tmp_path: Path) -> None:
    good = Rollout(
        Completion("is 4", (5, 4, 0), (-0.1, -0.2, -0.3), FinishReason.STOP),
        Score(1.2, {"math": 1.0, "format": 1.0}, Verdict.CORRECT, "4"),
    )
    lost = Rollout(Completion("is", (5,), (-0.1,), FinishReason.LENGTH), Score(None, {"math": None}))
    group = Group(Problem("p1", "2+2", ("4",)), "User: 2+2", (1, 2), (good, lost))
    with open_tracker(tmp_path) as tracker:
        tracker.rollouts(3, [group])
        tracker.rollouts(4, [group], phase="held_out")
    written = rows(tmp_path / "rollouts.jsonl")
    assert [(row["step"], row["phase"]) for row in written] == [(3, "train")] * 2 + [(4, "held_out")] * 2
    assert written[0] == {
        "step": 3,
        "phase": "train",
        "problem_id": "p1",
        "prompt": "User: 2+2",
        "completion": "is 4",
        "reward": 1.2,
        "reward_parts": {"math": 1.0, "format": 1.0},
        "verdict": "correct",
        "extracted": "4",
        "finish_reason": "stop",
        "num_tokens": 3,
    }
    assert (written[1]["reward"], written[1]["verdict"], written[1]["finish_reason"]) == (
        None,
        None,
        "length",
    )


def test_finish_writes_and_returns_the_summary_once(tmp_path: Path) -> None:
    with open_tracker(tmp_path) as tracker:
        summary = tracker.finish({"eval/pass@1": 0.5})
        with pytest.raises(RuntimeError, match="already has its summary"):
            tracker.finish({})
    assert summary == json_file(tmp_path / "summary.json")
    assert (summary["stage"], summary["status"], summary["metrics"]) == ("sft", "done", {"eval/pass@1": 0.5})
    assert 0 <= summary["seconds"] < 60
    assert run_status(tmp_path) == "done"


def test_an_exception_makes_the_run_failed_and_goes_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="loss"), open_tracker(tmp_path):
        raise TrainingError("the loss is not finite")
    summary = json_file(tmp_path / "summary.json")
    assert (summary["status"], summary["error"]) == ("failed", "TrainingError: the loss is not finite")
    assert run_status(tmp_path) == "failed"


def test_a_finished_run_is_never_written_over(tmp_path: Path) -> None:
    open_tracker(tmp_path).finish({"a/b": 1})
    with pytest.raises(ConfigError, match="holds a finished run; name a new folder"):
        open_tracker(tmp_path)
    assert json_file(tmp_path / "summary.json")["metrics"] == {"a/b": 1}


def test_unfinished_runs_are_kept_whole_in_numbered_folders(tmp_path: Path) -> None:
    for seed in (1, 2):
        tracker = open_tracker(tmp_path, seed=seed)
        tracker.metrics(0, {"a/b": seed})
        tracker.fail(KeyboardInterrupt())
    open_tracker(tmp_path, seed=3).finish({})
    for seed in (1, 2):
        attempt = tmp_path / f"attempt-{seed}"
        assert json_file(attempt / "config.json")["seed"] == seed
        assert rows(attempt / "metrics.jsonl") == [{"step": 0, "a/b": seed}]
        assert json_file(attempt / "summary.json")["error"] == "KeyboardInterrupt"
        assert (attempt / "tensorboard").is_dir()
    assert json_file(tmp_path / "config.json")["seed"] == 3
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_killed_run_counts_as_unfinished_and_frees_its_folder(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom r1kit.tracking.tracker import Tracker\n"
        "tracker = Tracker(Path(sys.argv[1]), stage='sft', config={}, seed=1)\n"
        "tracker.metrics(0, {'a/b': 1})\nos.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=environment)
    assert done.returncode == -9
    assert run_status(tmp_path) == "unfinished"
    open_tracker(tmp_path).finish({})
    assert rows(tmp_path / "attempt-1" / "metrics.jsonl") == [{"step": 0, "a/b": 1}]


def test_two_runs_cannot_write_to_one_folder_at_the_same_time(tmp_path: Path) -> None:
    with open_tracker(tmp_path), pytest.raises(ConfigError, match="another run is writing there"):
        open_tracker(tmp_path)


def test_a_file_and_a_folder_of_other_things_are_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notes\.txt is a file; name a folder"):
        open_tracker(file)
    with pytest.raises(ConfigError, match="cannot be created"):
        open_tracker(file / "run")
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"not an r1kit run \(config.json, notes.txt\)"):
        open_tracker(tmp_path)
    assert file.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "attempt-1").exists()


def test_a_folder_that_was_only_locked_is_still_empty(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.close()
    assert run_status(tmp_path) is None
    again = RunFolder(tmp_path)
    assert again.set_aside is None
    again.close()
