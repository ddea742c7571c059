"""Rows of the three shapes, and what is wrong with those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from r1kit.sandbox.judge.compare import Comparison
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest, StdioTest, read_tests


def test_calls_are_read_with_their_arguments_and_tolerance() -> None:
    row = {
        "tests": [
            {"call": "add", "args": [1, 2], "expected": 3},
            {"call": "Solution().add", "kwargs": {"a": 1}, "expected": None, "tolerance": 0.5},
        ]
    }
    assert read_tests(row) == (
        FunctionTest("add", (1, 2), {}, 3, Comparison(as_json=True)),
        FunctionTest(
            "Solution().add", (), {"a": 1}, None, Comparison(rel_tol=0.5, abs_tol=0.5, as_json=True)
        ),
    )


def test_programs_are_read_with_input_and_output() -> None:
    assert read_tests({"tests": [{"stdin": "3\n", "stdout": "6\n"}]}) == (StdioTest("3\n", "6\n"),)


def test_a_check_function_keeps_what_its_prompt_defines_beside_the_function() -> None:
    prompt = 'import math\ndef twice(x):\n    return x * 2\n\n\ndef thrice(x):\n    """Three times."""\n'
    row = {
        "problem": prompt,
        "test": "def check(candidate):\n    assert candidate(1) == 3\n",
        "entry_point": "thrice",
    }
    tests = read_tests(row)
    assert isinstance(tests, AssertTests)
    assert tests.entry_point == "thrice"
    assert tests.setup == "import math\n\ndef twice(x):\n    return x * 2"


@pytest.mark.parametrize("problem", ["Write a function thrice(x).", "x = 1", 7, None])
def test_a_prompt_in_words_defines_nothing(problem: Any) -> None:
    tests = read_tests({"problem": problem, "test": "assert thrice(1) == 3", "entry_point": "thrice"})
    assert isinstance(tests, AssertTests)
    assert tests.setup == ""


def test_a_list_of_asserts_comes_after_imports_and_setup() -> None:
    row = {
        "test_list": ["assert f(1) == a", "assert f(2) == 3"],
        "test_setup_code": "a = 2",
        "test_imports": ["import sys"],
    }
    assert read_tests(row) == AssertTests("assert f(1) == a\nassert f(2) == 3", setup="import sys\na = 2")


CALL = {"call": "f", "args": [], "expected": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, 'no tests: one of the fields "tests"'),
        ({"tests": []}, 'field "tests" is \\[\\], not a list of at least one test'),
        ({"tests": {"call": "f"}}, 'field "tests" is'),
        ({"tests": [7]}, 'field "tests\\[0\\]" is 7, not an object'),
        ({"tests": [{**CALL}, {"args": [], "expected": 1}]}, 'field "tests\\[1\\].call" is missing'),
        ({"tests": [{"call": "f", "args": []}]}, 'field "tests\\[0\\].expected" is missing'),
        ({"tests": [{**CALL, "args": 7}]}, 'field "tests\\[0\\].args" is 7, not a list'),
        ({"tests": [{**CALL, "kwargs": [7]}]}, 'field "tests\\[0\\].kwargs" is'),
        ({"tests": [{**CALL, "tolerance": -1}]}, 'field "tests\\[0\\].tolerance" is -1'),
        ({"tests": [{**CALL, "call": "print(1)"}]}, 'field "tests\\[0\\].call" is'),
        ({"tests": [{**CALL, "call": "f; g"}]}, 'field "tests\\[0\\].call" is'),
        ({"tests": [{**CALL, "call": 7}]}, 'field "tests\\[0\\].call" is 7, not a string'),
        ({"tests": [{"stdin": "1"}]}, 'field "tests\\[0\\].stdout" is missing'),
        ({"tests": [{"stdin": 1, "stdout": "1"}]}, 'field "tests\\[0\\].stdin" is 1, not a string'),
        ({"tests": [{"stdin": "", "stdout": ""}, CALL]}, "mixes calls"),
        ({"test": "assert f(", "entry_point": "f"}, 'field "test" is not Python'),
        ({"test": "assert f(1)"}, 'field "entry_point" is missing'),
        ({"test": "assert f(1)", "entry_point": "f g"}, 'field "entry_point" is'),
        ({"test": 7, "entry_point": "f"}, 'field "test" is 7, not a string'),
        ({"test_list": []}, 'field "test_list" is'),
        ({"test_list": "assert f(1)"}, 'field "test_list" is'),
        ({"test_list": ["assert f(1)", "assert"]}, 'field "test_list\\[1\\]" is not Python'),
        ({"test_list": ["assert f(1)"], "test_setup_code": "x ="}, 'field "test_setup_code" is not Python'),
        ({"test_list": ["assert f(1)"], "test_imports": "import sys"}, 'field "test_imports" is'),
    ],
)
def test_what_is_wrong_is_named_with_its_field(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tests(row)
