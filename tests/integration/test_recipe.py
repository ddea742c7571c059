"""The recipe in small, for real: the committed base learns to reason from a right/wrong signal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r1kit.cli.run import read_pipeline
from r1kit.core.jsonl import read_jsonl
from r1kit.pipeline.plan import Plan, plan_pipeline
from r1kit.pipeline.runner import run_pipeline

ROOT = Path(__file__).parents[2]

# Settings are those of pipelines/tiny.yaml; only less of everything.
PIPELINE = f"""
extends: {ROOT}/pipelines/tiny.yaml
name: small
defaults:
  eval:
    tasks: [{{name: arithmetic, limit: 450}}]
stages:
  - {{id: base, stage: eval}}
  - id: cold-start
    stage: sft
    data: data/arithmetic/cold_start.jsonl
    steps: 40
    batch_size: 16
    optim: {{learning_rate: 2e-3}}
  - {{id: after-cold-start, stage: eval, model: {{adapter: "@cold-start.adapter"}}}}
  - id: rl
    stage: grpo
    model: {{adapter: "@cold-start.adapter"}}
    steps: 30
    optim: {{learning_rate: 1e-3}}
  - {{id: after-rl, stage: eval, model: {{adapter: "@rl.adapter"}}}}
  - id: rl-4bit
    stage: grpo
    model: {{adapter: "@cold-start.adapter", quantization: nf4}}
    steps: 3
    algorithm: {{beta: 0.01}}
    optim: {{learning_rate: 1e-3}}
"""
IDS = ["base", "cold-start", "after-cold-start", "rl", "after-rl", "rl-4bit"]


def make_plan(folder: Path) -> Plan:
    file = folder / "small.yaml"
    file.write_text(PIPELINE, encoding="utf-8")
    return plan_pipeline(read_pipeline(file, {("output",): str(folder / "run")}), str(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The plan after its run."""
    folder = tmp_path_factory.mktemp("recipe")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = make_plan(folder)
        run_pipeline(plan)
    return plan


def stage_rows(plan: Plan) -> dict[str, dict[str, Any]]:
    summary = json.loads((plan.output / "summary.json").read_text(encoding="utf-8"))
    return {row["id"]: row for row in summary["stages"]}


def figure(plan: Plan, stage: str, name: str, decoding: str = "") -> float:
    """A figure of an evaluation on the problems of 4 operands."""
    return float(stage_rows(plan)[stage]["metrics"][f"arithmetic/{decoding}level=4/{name}"])


def metrics(plan: Plan, stage: str) -> list[dict[str, Any]]:
    folder = next(s.config.output for s in plan.stages if s.id == stage)
    return [row for _, row in read_jsonl(folder / "metrics.jsonl")]


def test_the_summary_has_a_row_a_stage(finished):
    rows = stage_rows(finished)
    assert list(rows) == IDS
    assert {row["status"] for row in rows.values()} == {"done"}
    assert all(row["seconds"] > 0 for row in rows.values())


def test_the_base_can_hardly_do_it_and_only_when_it_is_not_sampled(finished):
    assert figure(finished, "base", "num_problems") >= 150
    assert figure(finished, "base", "pass@1") <= 0.15
    assert figure(finished, "base", "pass@1", "greedy/") <= 0.45


def test_reinforcement_learning_makes_it_right(finished):
    cold, trained = (figure(finished, stage, "pass@1") for stage in ("after-cold-start", "after-rl"))
    assert trained >= 0.85
    assert trained - cold >= 0.3
    assert figure(finished, "after-rl", "pass@1", "greedy/") >= 0.9
    assert figure(finished, "after-rl", "mean_tokens") >= 3 * figure(finished, "base", "mean_tokens")
    assert figure(finished, "after-rl", "truncated_rate") <= 0.05


def test_the_cold_start_teaches_the_form(finished):
    assert figure(finished, "base", "format_rate") <= 0.3
    assert figure(finished, "after-cold-start", "format_rate") >= 0.7


def test_the_reward_rises_while_it_is_trained(finished):
    rewards = [row["reward/math"] for row in metrics(finished, "rl")]
    assert len(rewards) == 30
    assert sum(rewards[-5:]) / 5 - sum(rewards[:5]) / 5 >= 0.3


def test_on_4bit_weights_training_has_a_gradient_and_agrees_with_the_rollouts(finished):
    rows = metrics(finished, "rl-4bit")
    assert len(rows) == 3
    for row in rows:
        assert 0 <= row["reward/mean"] <= 1.2
        assert 1e-3 < row["optim/grad_norm"] < 1e3
        assert row["policy/sampling_gap_mean"] < 1e-3
        assert row["policy/sampling_gap_max"] < 0.05
    assert rows[0]["policy/kl"] == pytest.approx(0, abs=1e-6)
    assert rows[-1]["policy/kl"] > 1e-5


def test_a_second_run_skips_every_stage_and_keeps_its_figures(finished, monkeypatch):
    monkeypatch.chdir(ROOT)
    before, said = stage_rows(finished), []
    run_pipeline(make_plan(finished.output.parent), say=said.append)
    assert [line.split(": ")[1] for line in said] == ["finished before, skipped"] * len(IDS)
    after = stage_rows(finished)
    assert {row["status"] for row in after.values()} == {"skipped"}
    assert [row["metrics"] for row in after.values()] == [row["metrics"] for row in before.values()]
