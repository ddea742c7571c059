"""From a file to prompts: what is left out is counted and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import write_tiny_model

from r1kit.config.data import ProblemData
from r1kit.config.model import ModelConfig
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.rollout.setup import load_usable_problems

UNUSABLE = "5/0"


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = write_tiny_model(tmp_path_factory.mktemp("setup") / "model")
    return load_policy(ModelConfig(path=str(folder)), train=False)


def write(tmp_path: Path, *rows: dict, **fields) -> ProblemData:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ProblemData(path=str(path), **fields)


def row(problem: str, answer: object = "7", **more) -> dict:
    return {"problem": problem, "answer": answer, **more}


def rendered(data: ProblemData, policy: Policy, max_new_tokens: int = 8) -> tuple[list[str], list[str]]:
    """The problems that are left, and the lines that were said."""
    said: list[str] = []
    problems = load_usable_problems(data)
    problems.announce(said.append)
    prompted = problems.render(policy, max_new_tokens, said.append)
    return [p.problem.problem for p in prompted], said


def test_all_problems_are_used_and_their_number_is_said(tmp_path, policy):
    data = write(tmp_path, row("3+4"), row("1+6"))
    assert rendered(data, policy) == (["3+4", "1+6"], [f"{data.path}: 2 problems"])


def test_golds_that_cannot_be_judged_are_left_out_counted_and_said(tmp_path, policy):
    bad = [row("what?", UNUSABLE, id="a"), row("how?", "6/0", id="b"), row("empty", "")]
    data = write(tmp_path, row("3+4"), *bad)
    problems, [said] = rendered(data, policy)
    assert problems == ["3+4"]
    assert said.startswith(f"{data.path}: 1 problems; left out 1: no answer; left out 2: unusable gold: ")
    assert "zero" in said
    assert said.endswith(" (a, b)")


def test_what_was_left_out_is_counted_by_reason_and_no_more_than_three_ids_are_named(tmp_path, policy):
    data = write(tmp_path, row("3+4"), *(row(f"{name}?", UNUSABLE, id=name) for name in "abcde"))
    [(reason, count)] = load_usable_problems(data).dropped.items()
    assert reason.startswith("unusable gold: ")
    assert count == 5
    assert rendered(data, policy)[1] == [f"{data.path}: 1 problems; left out 5: {reason} (a, b, c, ...)"]


def test_one_usable_gold_of_several_is_enough(tmp_path, policy):
    assert rendered(write(tmp_path, row("3+4", [UNUSABLE, "7"])), policy)[0] == ["3+4"]


def test_problems_of_other_kinds_need_no_gold(tmp_path, policy):
    data = write(tmp_path, {"problem": "write a poem", "kind": "general"})
    assert rendered(data, policy)[0] == ["write a poem"]


def test_no_usable_problem_at_all_is_an_error_that_names_the_reasons(tmp_path):
    with pytest.raises(DataError, match=r"no problem can be used \(2: unusable gold: .*zero.* \(x, y\)\)"):
        load_usable_problems(write(tmp_path, row("a", UNUSABLE, id="x"), row("b", UNUSABLE, id="y")))


def test_prompts_over_the_limit_are_left_out_and_counted(tmp_path, policy):
    data = write(tmp_path, row("3+4"), row("3+4+" * 20 + "1"))
    [short] = load_usable_problems(data).problems[:1]
    length = len(policy.render([Message("user", short.problem)])[1])
    limited = data.model_copy(update={"max_prompt_tokens": length})
    problems, [_, said] = rendered(limited, policy)
    assert problems == ["3+4"]
    assert said == f"{data.path}: 1 problems; left out 1: prompt longer than {length} tokens"
    with pytest.raises(
        DataError, match=rf"longer than max_prompt_tokens {length - 1}; the shortest has {length}"
    ):
        rendered(data.model_copy(update={"max_prompt_tokens": length - 1}), policy)


def test_prompts_that_leave_too_little_room_in_the_context_are_said(tmp_path, policy):
    data = write(tmp_path, row("3+4"), row("9*" * 100 + "1"))
    [_, long] = load_usable_problems(data).problems
    length = len(policy.render([Message("user", long.problem)])[1])
    assert 128 < length < 256
    assert len(rendered(data, policy, max_new_tokens=256 - length)[1]) == 1
    problems, [_, note] = rendered(data, policy, max_new_tokens=256 - length + 1)
    assert len(problems) == 2
    assert f"1 prompts and {256 - length + 1} new tokens exceed the model's context of 256" in note


def test_a_prompt_that_fills_the_context_is_an_error_that_names_the_problem(tmp_path, policy):
    data = write(tmp_path, row("3+4"), row("9*" * 200 + "1", id="long"))
    with pytest.raises(DataError, match=r"1 prompts do not fit .* 256 tokens \(problem long: \d+\)"):
        rendered(data, policy)
    assert rendered(data.model_copy(update={"max_prompt_tokens": 200}), policy)[0] == ["3+4"]
