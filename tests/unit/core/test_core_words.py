"""Errors, seeds, suggestions and the words that carry data."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest

from r1kit.core import errors
from r1kit.core.nearest import did_you_mean, nearest
from r1kit.core.problem import Message, Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason
from r1kit.core.seeds import derive_seed


def test_each_error_is_also_a_standard_type_and_has_an_exit_code_of_the_contract() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not errors.R1KitError]
    assert len(kinds) >= 6
    for kind in kinds:
        assert issubclass(kind, errors.R1KitError)
        assert issubclass(kind, ValueError | RuntimeError)
        assert kind.exit_code in {1, 2, 3, 4}


def test_a_seed_depends_on_every_part_its_order_its_type_and_its_borders() -> None:
    parts = [
        (0, "grpo", 1),
        (0, "grpo", 2),
        ("grpo", 0, 1),
        ("0", "grpo", 1),
        (0, "grp", "o1"),
        (0, "grpo1"),
        ("a", "b"),
        ("astr:b",),
    ]
    seeds = [derive_seed(*each) for each in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_is_the_same_in_another_process_with_another_hash_seed() -> None:
    code = "from r1kit.core.seeds import derive_seed; print(derive_seed(7, 'sft', 3))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "123", "PYTHONPATH": ":".join(sys.path)},
    )
    assert int(done.stdout) == derive_seed(7, "sft", 3)


def test_the_nearest_name_ignores_case_and_far_names_give_none() -> None:
    assert nearest("Anwser", ["answer", "problem"]) == "answer"
    assert nearest("gold", ["ANSWER", "problem"]) is None
    assert did_you_mean("mth500", ["aime", "math500"]) == "; did you mean math500?"
    assert did_you_mean("zzz", ["aime"]) == ""


def test_a_problem_is_math_without_answers_unless_it_says_otherwise() -> None:
    problem = Problem(id="a", problem="1+1")
    assert (problem.kind, problem.answers, dict(problem.extra)) == (ProblemKind.MATH, (), {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.id = "b"  # type: ignore[misc]


def test_a_message_becomes_the_form_of_chat_templates() -> None:
    assert Message("user", "hi").as_dict() == {"role": "user", "content": "hi"}


def test_a_completion_counts_its_eos_token() -> None:
    assert Completion("4", (4, 0), (-0.1, -0.2), FinishReason.STOP).num_tokens == 2
