"""Code problems end to end: GRPO, rejection sampling and evaluation, with real programs in a real sandbox.

The model is random, and its words are whole blocks of code: right ones, wrong ones, and ones that do not run. What
each completion deserves follows from its last block, by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from code_models import block, write_code_model

from r1kit import evaluate, grpo, reject_sample
from r1kit.config.load import validate
from r1kit.config.rl import GrpoConfig
from r1kit.config.stages import EvalConfig, RejectSampleConfig
from r1kit.core.errors import SandboxError
from r1kit.core.jsonl import read_jsonl
from r1kit.rewards.code import extract_code
from r1kit.rewards.code import judge as judging
from r1kit.sandbox import Limits, Session, open_sandbox
from r1kit.sandbox.registry import REGISTRY

DATA = Path(__file__).parents[2] / "data" / "code"
PROBLEMS = [row for _, row in read_jsonl(DATA / "problems.jsonl")][:3]
SOLUTIONS = {row["id"]: row["solution"].rstrip() + "\n" for row in PROBLEMS}
NAMES = " = ".join(row["entry_point"] for row in PROBLEMS)
RUNS = f"{NAMES} = lambda *a: None\n"
RAISES = f"def {PROBLEMS[0]['entry_point']}(*a):\n    return a[9]\n"
BROKEN = "def f(:\n"
WORDS = [block(code) for code in (*SOLUTIONS.values(), RUNS, RAISES, BROKEN)]


def deserved(problem: str, completion: str) -> tuple[float, float, str]:
    """code, runnable and verdict of a completion, by what its last block is."""
    code = extract_code(completion)
    if code is None:
        return 0.0, 0.0, "no_answer"
    if code == SOLUTIONS[problem]:
        return 1.0, 1.0, "correct"
    return 0.0, float(code == RUNS), "unparsable" if code == BROKEN else "wrong"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_code_model(tmp_path_factory.mktemp("code") / "model", WORDS))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "code.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS), encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def no_session_is_left() -> Iterator[None]:
    yield
    assert len(REGISTRY) == 0


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_jsonl(path)]


def grpo_config(model: str, data: str, output: Path, **changes: Any) -> GrpoConfig:
    values = {
        "model": {"path": model, "lora": {"rank": 8, "alpha": 16}},
        "data": data,
        "output": str(output),
        "steps": 3,
        "rewards": ["code", "runnable=0.25"],
        "sampling": {"max_new_tokens": 3},
        "algorithm": {"problems_per_step": 3, "group_size": 8, "beta": 0.0},
        "optim": {"learning_rate": 1e-2, "schedule": "constant", "warmup_ratio": 0.0},
    }
    return validate(GrpoConfig, values | changes, source="test")


def check_rollouts(rollouts: list[dict[str, Any]]) -> None:
    for row in rollouts:
        code, runs, verdict = deserved(row["problem_id"], row["completion"])
        assert row["reward_parts"] == {"code": code, "runnable": runs}
        assert row["reward"] == code + 0.25 * runs
        assert row["verdict"] == verdict
        assert row["extracted"] == extract_code(row["completion"])


def test_grpo_rewards_programs_for_what_they_do(model: str, data: str, tmp_path: Path) -> None:
    held_out = {"data": data, "every": 3, "num_samples": 4}
    grpo.run(grpo_config(model, data, tmp_path / "run", held_out=held_out))
    written = rows(tmp_path / "run/rollouts.jsonl")
    trained = [row for row in written if row["phase"] == "train"]
    assert len(trained) == 3 * 3 * 8
    check_rollouts(trained)
    assert {"correct", "wrong", "no_answer", "unparsable"} == {row["verdict"] for row in trained}
    for line in [row for row in rows(tmp_path / "run/metrics.jsonl") if "reward/code" in row]:
        ours = [row for row in trained if row["step"] == line["step"]]
        assert line["reward/code"] == pytest.approx(sum(r["reward_parts"]["code"] for r in ours) / len(ours))
        assert line["rollout/num_unscored"] == 0
        judged = [row for row in ours if "result" in row]
        passed = sum(row["result"] == "passed" for row in judged)
        assert line.get("result/passed_rate", 0.0) == pytest.approx(passed / len(judged))
        assert line["optim/grad_norm"] > 0
    for row in (row for row in written if row["phase"] == "held_out"):
        assert row["verdict"] == deserved(row["problem_id"], row["completion"])[2]


def test_no_test_and_no_solution_is_ever_asked_or_written(model: str, data: str, tmp_path: Path) -> None:
    grpo.run(grpo_config(model, data, tmp_path / "run", steps=1))
    asked = [row["prompt"] for row in rows(tmp_path / "run/rollouts.jsonl")]
    for problem in PROBLEMS:
        assert any(problem["problem"] in prompt for prompt in asked)
    recorded = "".join(path.read_text() for path in (tmp_path / "run").glob("*.json*"))
    assert "hidden_tests" not in recorded
    assert "expected" not in recorded
    assert all(solution not in prompt for prompt in asked for solution in SOLUTIONS.values())


def test_grpo_learns_to_write_the_right_program(model: str, data: str, tmp_path: Path) -> None:
    algorithm = {"problems_per_step": 1, "group_size": 16, "beta": 0.0}
    config = grpo_config(model, {"path": data, "limit": 1}, tmp_path / "run", steps=12, algorithm=algorithm)
    grpo.run(config)
    rewards = [row["reward/code"] for row in rows(tmp_path / "run/metrics.jsonl")]
    assert rewards[0] < 0.5
    assert sum(rewards[-3:]) / 3 > 0.9


class Flaky:
    """The sandbox of this machine; once the problems' own solutions have run, every third start fails."""

    def __init__(self) -> None:
        self._sandbox = open_sandbox()
        self._num_started = 0

    def start(self, limits: Limits) -> Session:
        self._num_started += 1
        if self._num_started > len(PROBLEMS) and self._num_started % 3 == 0:
            raise SandboxError("the sandbox cannot start a process: none is left")
        return self._sandbox.start(limits)


def test_what_the_sandbox_fails_at_is_left_out_and_counted_and_never_zero(
    model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky = Flaky()
    monkeypatch.setattr(judging, "open_sandbox", lambda *, unsafe: flaky)
    # Other limits than above, so that the solutions are run here too.
    config = grpo_config(model, data, tmp_path / "run", steps=1, sandbox={"test_seconds": 5, "workers": 1})
    grpo.run(config)
    written = rows(tmp_path / "run/rollouts.jsonl")
    lost = [row for row in written if row["reward"] is None]
    assert 0 < len(lost) < len(written)
    for row in lost:
        assert (row["result"], row["verdict"]) == ("sandbox_error", None)
    check_rollouts([row for row in written if row["reward"] is not None])
    [line] = rows(tmp_path / "run/metrics.jsonl")
    assert line["rollout/num_unscored"] == len(lost)
    scored = [row["reward"] for row in written if row["reward"] is not None]
    assert line["reward/mean"] == pytest.approx(sum(scored) / len(scored))


def test_rejection_sampling_keeps_programs_that_pass(model: str, data: str, tmp_path: Path) -> None:
    values = {
        "model": model,
        "data": data,
        "output": str(tmp_path / "run"),
        "num_samples": 32,
        "sampling": {"max_new_tokens": 12},
        # The words hold no <think>, and a completion ends only when EOS is drawn.
        "keep": {"require_format": False},
    }
    summary = reject_sample.run(validate(RejectSampleConfig, values, source="test"))
    kept = rows(tmp_path / "run/sft.jsonl")
    assert summary["metrics"]["num_kept"] == len(kept) > 0
    for row in kept:
        assert row["source"]["kind"] == "code"
        text = row["messages"][-1]["content"]
        assert deserved(row["source"]["problem_id"], text)[2] == "correct"


def test_evaluation_reports_how_much_is_right_and_how_much_runs(
    model: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {
        "model": model,
        "output": str(tmp_path / "run"),
        "tasks": [{"name": "mine", "data": data}],
        "num_samples": 8,
        "sampling": {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 3},
    }
    metrics = evaluate.run(validate(EvalConfig, values, source="test"))["metrics"]
    written = rows(tmp_path / "run/rollouts.jsonl")
    expected = [deserved(row["problem_id"], row["completion"]) for row in written]
    assert len(expected) == 24
    assert metrics["mine/pass@1"] == pytest.approx(sum(code for code, _, _ in expected) / 24)
    assert metrics["mine/runnable_rate"] == pytest.approx(sum(runs for _, runs, _ in expected) / 24)
    assert metrics["mine/pass@1"] < metrics["mine/runnable_rate"] < 1
    assert {"mine/pass@2", "mine/pass@8", "mine/level=1/pass@1"} <= set(metrics)
    assert not any("cons@" in name for name in metrics)
    rates = [value for name, value in metrics.items() if name.startswith("mine/result/")]
    assert sum(rates) == pytest.approx(1)
    assert "runnable 0." in capsys.readouterr().err
