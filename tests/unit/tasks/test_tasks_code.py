"""Code problems from files: their tests, their own solutions, and what their question shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemColumns, ProblemData
from r1kit.config.stages import EvalTask
from r1kit.core.errors import DataError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest, StdioTest
from r1kit.tasks.benchmarks import load_benchmark
from r1kit.tasks.problems import load_problems
from r1kit.tasks.prompts import build_messages

DATA = Path(__file__).parents[3] / "data" / "code"
CALLS = [{"call": "f", "args": [1], "expected": 2}]
HIDDEN = [{"call": "f", "args": [40], "expected": 41}]
STDIO = [{"stdin": "1\n", "stdout": "2\n"}]
OURS = {"problem": "Write f.", "kind": "code", "tests": CALLS}
PROMPT = 'def f(x):\n    """One more."""\n'
HUMANEVAL = {
    "task_id": "HumanEval/7",
    "prompt": PROMPT,
    "canonical_solution": "    return x + 1\n",
    "entry_point": "f",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n",
}
MBPP = {
    "task_id": 11,
    "prompt": "Write a function that adds one.",
    "code": "def f(x):\n    return x + 1",
    "test_imports": ["import math"],
    "test_list": ["assert f(1) == 2", "assert f(2) == math.floor(3.5)"],
}

Write = Callable[..., ProblemData]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows to a file and gives the data section that reads it."""

    def _write(*rows: Any, **fields: Any) -> ProblemData:
        path = tmp_path / "code.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return ProblemData(path=str(path), **fields)

    return _write


def load_one(data: ProblemData) -> Problem:
    [problem] = load_problems(data).problems
    return problem


def asked(name: str, data: ProblemData) -> str:
    """What a benchmark asks for the first problem of a file."""
    loaded = load_benchmark(EvalTask(name=name, data=data))
    return build_messages(loaded.problems[0], loaded.data)[-1].content


def test_shown_and_hidden_tests_are_judged_together(write: Write) -> None:
    code = load_one(write({**OURS, "hidden_tests": HIDDEN})).code
    assert code is not None
    assert [(test.args, test.expected) for test in code.tests] == [((1,), 2), ((40,), 41)]
    assert all(isinstance(test, FunctionTest) for test in code.tests)
    only_hidden = load_one(write({**OURS, "tests": [], "hidden_tests": HIDDEN})).code
    assert only_hidden is not None
    assert [test.args for test in only_hidden.tests] == [(40,)]


def test_programs_are_tested_by_what_they_print(write: Write) -> None:
    code = load_one(write({**OURS, "tests": STDIO})).code
    assert code is not None
    assert code.tests == (StdioTest("1\n", "2\n"),)


def test_tests_and_solution_are_no_columns_for_rewards_and_not_in_the_problems_text(write: Write) -> None:
    secret = "expected_for_nobody_else"
    tests = [{"call": "f", "args": [], "expected": secret}]
    row = {**OURS, "hidden_tests": tests, "entry_point": "f", "solution": f"# {secret}", "level": 2}
    data = write(row)
    problem = load_one(data)
    assert problem.extra == {"level": 2}
    assert problem.answers == ()
    assert secret not in repr(problem)
    assert all(secret not in message.content for message in build_messages(problem, data))


@pytest.mark.parametrize(
    ("row", "columns", "solution"),
    [
        ({"solution": "a = 1", "answer": "b = 2"}, {}, "a = 1"),
        ({"answer": "b = 2"}, {}, "b = 2"),
        ({"solution": " ", "answer": "b = 2"}, {}, "b = 2"),
        ({"reference": "c = 3"}, {"solution": "reference"}, "c = 3"),
        ({"solution": None}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_solution_stands_in_its_column_or_in_the_answer(
    write: Write, row: dict[str, Any], columns: dict[str, str], solution: str | None
) -> None:
    code = load_one(write({**OURS, **row}, columns=ProblemColumns(**columns))).code
    assert code is not None
    assert code.solution == solution


def test_rows_that_do_not_say_are_of_the_kind_that_the_configuration_names(write: Write) -> None:
    row = {"problem": "f", "tests": CALLS}
    assert load_one(write(row, kind="code")).kind is ProblemKind.CODE
    with pytest.raises(DataError, match='field "answer" is missing'):
        load_problems(write(row))
    math = {"problem": "1+1", "answer": "2", "kind": "math"}
    assert load_one(write(math, kind="code")).kind is ProblemKind.MATH


def test_a_problem_without_any_test_is_left_out_and_counted(write: Write) -> None:
    rows = [OURS, {**OURS, "tests": []}, {**OURS, "tests": None}, {**OURS, "tests": [], "hidden_tests": []}]
    loaded = load_problems(write(*rows))
    assert (len(loaded.problems), loaded.dropped) == (1, {"no tests": 3})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"problem": "f", "kind": "code"}, r'code.jsonl:1: no tests: one of the fields "tests", "test"'),
        ({**OURS, "tests": [{"args": [1]}]}, r'code.jsonl:1: field "tests\[0\].call" is missing'),
        ({**OURS, "hidden_tests": [{"call": "f"}]}, r'field "hidden_tests\[0\].expected" is missing'),
        ({**OURS, "hidden_tests": STDIO}, r'"tests" mixes calls with "stdin"'),
        ({**OURS, "solution": 5}, r'field "solution" is 5, not Python source'),
        (
            {"problem": "f", "kind": "code", "test_list": ["assert ("]},
            r'field "test_list\[0\]" is not Python',
        ),
    ],
)
def test_wrong_tests_are_one_clear_line(write: Write, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_problems(write(row))
    assert "\n" not in str(caught.value)


def test_a_file_of_humaneval_is_read_and_asked_as_the_benchmark(write: Write) -> None:
    data = write(HUMANEVAL)
    [problem] = load_benchmark(EvalTask(name="humaneval", data=data)).problems
    assert (problem.id, problem.kind, problem.extra) == ("HumanEval/7", ProblemKind.CODE, {})
    code = problem.code
    assert code is not None
    assert (code.prompt, code.entry_point, code.solution) == (PROMPT, "f", "    return x + 1\n")
    assert isinstance(code.tests, AssertTests)
    question = asked("humaneval", data)
    assert question.startswith(f"Complete this Python code:\n\n```python\n{PROMPT}")
    assert "assert" not in question


def test_a_question_in_words_is_not_gone_on_with(write: Write) -> None:
    row = {"problem": "Complete f.", "kind": "code", "entry_point": "f", "test": "assert f(1) == 2"}
    code = load_one(write(row)).code
    assert code is not None
    assert (code.prompt, code.entry_point) == ("", "")


def test_a_file_of_mbpp_is_asked_with_all_its_tests_and_training_shows_the_first(write: Write) -> None:
    data = write(MBPP)
    question = asked("mbpp", data)
    assert question.startswith(
        "Write a function that adds one.\n\nThe code has to pass these tests:\n\nassert f(1) == 2\nassert f(2)"
    )
    columns = ProblemColumns(problem="prompt", id="task_id", solution="code")
    own = write(MBPP, kind="code", columns=columns)
    text = load_one(own).problem
    assert text.endswith("The code has to pass tests such as this one:\n\nassert f(1) == 2")
    assert isinstance(load_one(own).code.tests, AssertTests)  # type: ignore[union-attr]


def test_tests_that_stand_in_the_question_are_not_shown_twice(write: Write) -> None:
    row = {"problem": "Write f, so that assert f(1) == 2", "kind": "code", "test_list": ["assert f(1) == 2"]}
    assert load_one(write(row)).problem == row["problem"]


def test_a_file_in_r1kits_own_form_keeps_its_columns_under_a_benchmarks_name(write: Write) -> None:
    row = {"id": "x", "problem": PROMPT, "answer": "    return x + 1\n", "prompt": "not this"}
    data = write({**row, "entry_point": "f", "test": HUMANEVAL["test"]})
    [problem] = load_benchmark(EvalTask(name="humaneval", data=data)).problems
    assert (problem.id, problem.problem) == ("x", PROMPT)
    assert problem.code is not None
    assert problem.code.solution == "    return x + 1\n"


def test_a_file_of_gsm8k_as_it_is_on_the_hub_is_read_with_its_columns_and_mark(write: Write) -> None:
    data = write({"question": "2 and 2?", "answer": "2+2=4\n#### 4"})
    [problem] = load_benchmark(EvalTask(name="gsm8k", data=data)).problems
    assert (problem.problem, problem.answers) == ("2 and 2?", ("4",))


@pytest.mark.parametrize(("name", "count"), [("problems.jsonl", 72), ("validation.jsonl", 18)])
def test_the_shipped_problems_are_read_with_all_their_tests(name: str, count: int) -> None:
    loaded = load_problems(ProblemData(path=str(DATA / name)))
    assert (len(loaded.problems), loaded.dropped) == (count, {})
    for problem in loaded.problems:
        assert problem.code is not None
        assert problem.code.solution
        assert len(problem.code.tests) >= 7
        assert set(problem.extra) == {"level"}
