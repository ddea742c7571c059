"""What the end of a pipeline looks like: the rows and cells of its tables."""

from __future__ import annotations

from typing import Any

import pytest

from r1kit.cli.pipeline_table import print_pipeline


def stage(name: str, kind: str, **metrics: float) -> dict[str, Any]:
    return {"id": name, "stage": kind, "status": "done", "seconds": 3.0, "metrics": metrics}


MATH = {"sums/pass@1": 0.5, "sums/pass@1_stderr": 0.02, "sums/format_rate": 0.9, "sums/mean_tokens": 12.3}
WISHES = {
    "wishes/reward/kind": -0.25,
    "wishes/reward/kind_stderr": 0.031,
    "wishes/level=1/reward/kind": 7.0,
    "wishes/mean_tokens": 9.0,
}


def shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *stages: Any
) -> list[list[str]]:
    monkeypatch.setenv("COLUMNS", "120")
    print_pipeline(stages)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_accuracies_and_rewards_have_tables_of_their_own(capsys, monkeypatch):
    lines = shown(capsys, monkeypatch, stage("before", "eval", **MATH), stage("requests", "eval", **WISHES))
    assert ["before", "sampled", "0.500±.020", "0.900", "12.3"] in lines
    assert ["requests", "-0.250±.031"] in lines
    assert ["evaluation", "kind"] in lines
    # neither in the other's table, and levels in none
    assert sum(words[:1] == ["requests"] for words in lines) == 2
    assert sum(words[:1] == ["before"] for words in lines) == 2
    assert not any("7.000" in words for words in lines)


def test_what_a_stage_came_to_stands_in_its_row(capsys, monkeypatch):
    lines = shown(
        capsys,
        monkeypatch,
        stage("judge", "reward-model", **{"reward_model/accuracy": 0.954, "reward_model/eval_loss": 0.131}),
        stage("rl", "ppo", **{"reward/mean": 1.25, "held_out_before/pass@1": 0.1, "held_out/pass@1": 0.9}),
        stage("requests", "eval", **WISHES),
    )
    assert lines[1][3:] == ["0:03", "held-out", "pairs", "right", "0.954,", "loss", "0.131"]
    assert lines[2][3:] == ["0:03", "reward", "1.250,", "held-out", "before", "0.100,", "after", "0.900"]
    assert lines[3][3:] == ["0:03", "kind", "-0.250"]
