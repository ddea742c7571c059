"""A plan whose stages run code needs a sandbox before its first stage starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r1kit.config.load import validate
from r1kit.config.stages import STAGES
from r1kit.core.errors import SandboxError
from r1kit.pipeline import checks
from r1kit.pipeline.checks import mistakes_in
from r1kit.rewards.code import judge as judging

DATA = str(Path(__file__).parents[3] / "data/arithmetic/train.jsonl")
BASE = {"model": "org/x", "output": "out"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """No sandbox holds here, unless none is wanted; whether the one that was asked for may be unsafe."""
    found: list[bool] = []

    def open_sandbox(*, unsafe: bool) -> None:
        found.append(unsafe)
        if not unsafe:
            raise SandboxError("no sandbox holds on this machine")

    monkeypatch.setattr(checks, "open_sandbox", open_sandbox)
    monkeypatch.setattr(judging, "open_sandbox", open_sandbox)
    return found


CODE_STAGES = [
    ("eval", {"tasks": ["humaneval"]}),
    ("eval", {"tasks": [{"name": "mine", "data": {"path": DATA, "kind": "code"}}]}),
    ("grpo", {"data": DATA, "rewards": ["math", "code"]}),
    ("grpo", {"data": {"path": DATA, "kind": "code"}, "rewards": ["format"]}),
    ("grpo", {"data": DATA, "held_out": {"data": {"path": DATA, "kind": "code"}}}),
    ("reject-sample", {"data": DATA, "rewards": ["runnable"]}),
]


def mistakes(stage: str, values: dict[str, Any]) -> list[str]:
    return mistakes_in(validate(STAGES[stage], BASE | values, source="test"), [])


@pytest.mark.parametrize(("stage", "values"), CODE_STAGES)
def test_a_stage_that_runs_code_is_refused_without_a_sandbox(
    asked: list[bool], stage: str, values: dict[str, Any]
) -> None:
    with pytest.raises(SandboxError, match="no sandbox holds"):
        mistakes(stage, values)
    assert asked == [False]


@pytest.mark.parametrize(("stage", "values"), CODE_STAGES)
def test_a_stage_that_does_without_a_jail_is_not(
    asked: list[bool], stage: str, values: dict[str, Any]
) -> None:
    assert mistakes(stage, values | {"sandbox": {"unsafe": True}}) == []
    assert asked
    assert all(asked)


@pytest.mark.parametrize(
    ("stage", "values"), [("eval", {"tasks": ["aime"]}), ("grpo", {"data": DATA}), ("sft", {"data": DATA})]
)
def test_a_stage_without_code_needs_none(asked: list[bool], stage: str, values: dict[str, Any]) -> None:
    assert mistakes(stage, values) == []
    assert asked == []
