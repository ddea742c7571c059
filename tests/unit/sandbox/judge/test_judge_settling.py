"""What a call does to its arguments is seen after the statement, never within it."""

from __future__ import annotations

import ast

import pytest

from r1kit.sandbox import Sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.judge.settling import settled
from r1kit.sandbox.judge.tests import AssertTests

EMPTIES = "def f(xs):\n    xs.clear()\n    return []"
SORTS = "def f(xs):\n    return sorted(xs)"
IN_PLACE = "def f(xs):\n    xs.sort()"
LOOP = "for xs in ([3, 1, 2], [2, 1]):\n    assert f(xs) == sorted(xs)"
TWICE = "def check(candidate):\n    xs = [3, 1]\n    assert candidate(xs) == sorted(xs) and len(candidate(xs)) == len(xs)"
BRANCH = "def check(candidate):\n    xs = [3, 1]\n    if candidate(xs) != sorted(xs):\n        raise AssertionError"
AFTER = "def check(candidate):\n    for n in (1, 2):\n        xs = [3, n]\n        candidate(xs)\n        assert xs == [n, 3]"


@pytest.mark.parametrize("source", [LOOP, TWICE, BRANCH])
def test_code_that_empties_its_arguments_is_compared_with_what_they_were(
    sandbox: Sandbox, source: str
) -> None:
    tests = AssertTests(source, entry_point="f" if "check" in source else "")
    assert judge(sandbox, EMPTIES, tests).result is Result.FAILED
    assert judge(sandbox, SORTS, tests).result is Result.PASSED


def test_changes_of_arguments_are_seen_by_the_next_statement(sandbox: Sandbox) -> None:
    tests = AssertTests(AFTER, entry_point="f")
    assert judge(sandbox, IN_PLACE, tests).result is Result.PASSED
    assert judge(sandbox, SORTS, tests).result is Result.FAILED


def test_an_object_in_an_argument_is_not_different_data(sandbox: Sandbox) -> None:
    source = "def check(candidate):\n    for n in (1, 2):\n        xs = [n]\n        candidate(xs)\n        assert xs != [n]"
    tests = AssertTests(source, entry_point="f")
    assert judge(sandbox, "def f(xs):\n    xs[:] = [object()]", tests).result is Result.FAILED
    assert judge(sandbox, "def f(xs):\n    xs[:] = [0]", tests).result is Result.PASSED


def test_every_statement_that_calls_is_settled_once_and_no_other() -> None:
    source = "x = 1\nf(x)\nfor i in g(x):\n    y = i\n    f(y)\ndef h(z):\n    return z\nif x:\n    pass"
    expected = (
        "x = 1\nf(x)\n__settle__()\nfor i in g(x):\n    __settle__()\n    y = i\n    f(y)\n    __settle__()\n"
        "__settle__()\ndef h(z):\n    return z\nif x:\n    pass"
    )
    assert settled(source) == ast.unparse(ast.parse(expected))
