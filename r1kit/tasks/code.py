"""What a row says of a code problem: its tests, its own solution, and what stands in the question."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, Final

from r1kit.config.data import ProblemData
from r1kit.core.errors import DataError
from r1kit.core.problem import CodeGold
from r1kit.sandbox.judge.tests import Tests, parse, read_tests
from r1kit.tasks.fields import text_in, wrong_type
from r1kit.tasks.rows import Row

_TESTS: Final = ("tests", "hidden_tests", "test", "test_list")
TEST_FIELDS: Final = frozenset((*_TESTS, "entry_point", "test_setup_code", "test_imports", "prelude"))
"""The columns that tests are read from. They stay out of `Problem.extra`, which rewards of the user's own see."""


def read_code_gold(row: Row, text: str, data: ProblemData) -> CodeGold | None:
    """What the code for this row is judged by, or None when its tests are empty.

    Raises:
        DataError: the row has no tests, or they are not what they should be.
    """
    values = {**row.values, "problem": text}
    if _are_empty(values):
        return None
    try:
        tests = _tests(values)
    except ValueError as error:
        raise DataError(f"{row.place}: {error}") from error
    entry_point = values.get("entry_point")
    begins = isinstance(entry_point, str) and _begins(text, entry_point)
    return CodeGold(
        tests,
        _solution(row, data),
        prompt=text if begins else "",
        entry_point=str(entry_point) if begins else "",
        prelude=text_in(row, "prelude", values.get("prelude")),
    )


def with_shown_tests(text: str, values: Mapping[str, Any], shown: str) -> str:
    """The question, followed by the first or all of the row's `test_list`, which name the function to be written."""
    asserts = [one for one in values.get("test_list") or () if isinstance(one, str)]
    asserts = asserts if shown == "all" else asserts[:1]
    if not asserts or all(one in text for one in asserts):
        return text
    number = "these tests" if len(asserts) > 1 else "tests such as this one"
    return f"{text.rstrip()}\n\nThe code has to pass {number}:\n\n" + "\n".join(asserts)


def _are_empty(values: Mapping[str, Any]) -> bool:
    """Whether the row has a field for tests, and nothing in any of them."""
    named = [name for name in _TESTS if name in values]
    return bool(named) and not any(values[name] for name in named)


def _tests(values: Mapping[str, Any]) -> Tests:
    hidden, shown = values.get("hidden_tests"), values.get("tests")
    if not hidden:
        return read_tests({name: value for name, value in values.items() if name != "tests" or value})
    own = _hidden_tests(hidden)
    if not shown:
        return own
    read_tests({"tests": shown})
    # Together, so that both have to be of one sort.
    return read_tests({"tests": [*shown, *hidden]})


def _hidden_tests(value: object) -> Tests:
    try:
        return read_tests({"tests": value})
    except ValueError as error:
        raise ValueError(str(error).replace("tests", "hidden_tests", 1)) from error


def _solution(row: Row, data: ProblemData) -> str | None:
    for column in (data.columns.solution, data.columns.answer):
        value = row.values.get(column)
        if value is not None and not isinstance(value, str):
            raise wrong_type(row, column, value, "Python source, which is a string")
        if value is not None and value.strip():
            return value
    return None


def _begins(text: str, entry_point: str) -> bool:
    """Whether the question is itself code, with the head of the function that is asked for."""
    try:
        body = parse(text).body
    except ValueError:
        return False
    return any(isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == entry_point for one in body)
