"""Asserts taken apart: which are one call with an expected value, and which are not."""

from __future__ import annotations

import ast

import pytest

from r1kit.sandbox.judge.compare import Relation
from r1kit.sandbox.judge.patterns import match
from r1kit.sandbox.judge.splitting import split
from r1kit.sandbox.judge.tests import AssertTests

CHECK = "def check(candidate):\n    "


def in_check(*lines: str, setup: str = "") -> AssertTests:
    return AssertTests(CHECK + "\n    ".join(lines) + "\n", "f", setup)


@pytest.mark.parametrize(
    ("condition", "relation", "views", "expected"),
    [
        ("f(1, b=2) == 3", Relation.EQUAL, (), "3"),
        ("3 == f(1)", Relation.EQUAL, (), "3"),
        ("f(1) != 'a'", Relation.NOT_EQUAL, (), "'a'"),
        ("f(1) is None", Relation.IDENTICAL, (), "None"),
        ("f(1) is True", Relation.IDENTICAL, (), "True"),
        ("f(1)", Relation.TRUE, (), "0.0"),
        ("not f(1)", Relation.FALSE, (), "0.0"),
        ("f(1) in (1, 2)", Relation.ONE_OF, (), "(1, 2)"),
        ("set(f(1)) == set([2])", Relation.EQUAL, ("set",), "set([2])"),
        ("sorted(set(f(1))) == [2]", Relation.EQUAL, ("sorted", "set"), "[2]"),
        ("4 == len(f(1))", Relation.EQUAL, ("len",), "4"),
        ("abs(f(1) - 0.5) < 1e-6", Relation.WITHIN, (), "0.5"),
        ("1e-6 >= abs(0.5 - f(1))", Relation.WITHIN, (), "0.5"),
        ("math.fabs(f(1) - 0.5) <= 1e-6", Relation.WITHIN, (), "0.5"),
        ("math.isclose(f(1), 0.5, rel_tol=0.001)", Relation.CLOSE, (), "0.5"),
        ("math.isclose(0.5, f(1))", Relation.CLOSE, (), "0.5"),
        ("f(*range(3), **{'a': 1}) == 3", Relation.EQUAL, (), "3"),
        ("f(f(1)) == 3", Relation.EQUAL, (), "3"),
    ],
)
def test_a_condition_about_one_call_is_read(
    condition: str, relation: Relation, views: tuple[str, ...], expected: str
) -> None:
    pattern = match(ast.parse(condition, mode="eval").body, {"f"})
    assert pattern is not None
    assert (pattern.relation, pattern.views, ast.unparse(pattern.expected)) == (relation, views, expected)
    assert ast.unparse(pattern.call).startswith("f(")


def test_strictness_and_tolerances_are_read() -> None:
    strict, loose, close = (
        match(ast.parse(text, mode="eval").body, {"f"})
        for text in ("abs(f(1) - 2) < t", "abs(f(1) - 2) <= 0.1", "math.isclose(f(1), 2, abs_tol=0.5)")
    )
    assert strict is not None
    assert loose is not None
    assert close is not None
    assert (strict.is_strict, ast.unparse(strict.abs_tol)) == (True, "t")
    assert (loose.is_strict, ast.unparse(loose.abs_tol)) == (False, "0.1")
    assert (ast.unparse(close.rel_tol), ast.unparse(close.abs_tol)) == ("1e-09", "0.5")


@pytest.mark.parametrize(
    "condition",
    [
        "f(1) == f(2)",
        "f(1) == 2 and f(2) == 3",
        "f(1) == 2 == f(3)",
        "f(1)[0] == 2",
        "f(1) + 1 == 2",
        "f(1) < 2",
        "f(1) is x",
        "2 in f(1)",
        "abs(f(1) - f(2)) < 1e-6",
        "abs(f(1)) < 1e-6",
        "abs(f(1) - 2) < f(3)",
        "math.isclose(f(1), f(2))",
        "round(f(1), 2) == 2.5",
        "sorted(f(1), reverse=True) == [2]",
        "all(f(x) for x in y)",
        "g(1) == 2",
    ],
)
def test_a_condition_about_anything_else_is_not(condition: str) -> None:
    assert match(ast.parse(condition, mode="eval").body, {"f"}) is None


def test_a_view_that_the_test_defines_itself_is_none() -> None:
    assert match(ast.parse("sorted(f(1)) == [2]", mode="eval").body, {"f"}, {"sorted"}) is None


def test_a_method_of_an_object_made_without_arguments_is_one_call() -> None:
    pattern = match(ast.parse("Solution().add(1) == 2", mode="eval").body, {"Solution"})
    assert pattern is not None
    assert ast.unparse(pattern.call) == "Solution().add(1)"


def kinds(tests: AssertTests) -> str:
    """S for a part that is split, J for one that is judged by its own source; small letters are weak."""
    letters = ((part, "S" if part.pattern else "J") for part in split(tests).parts)
    return "".join(letter.lower() if part.is_weak else letter for part, letter in letters)


def test_each_assert_of_a_check_function_is_a_test_of_its_own() -> None:
    tests = in_check(
        "'''Doc.'''", "a = 2", "assert candidate(1) == a, 'message'", "assert True", "assert f(2) == 3"
    )
    assert kinds(tests) == "SS"


def test_a_loop_is_judged_and_the_asserts_around_it_are_split() -> None:
    tests = in_check(
        "assert candidate(1) == 2", "for x in range(9): assert candidate(x) == x + 1", "assert f(2) == 3"
    )
    assert kinds(tests) == "SJS"


@pytest.mark.parametrize(
    "lines",
    [
        ("a = candidate(1)", "assert a == 2", "assert candidate(3) == 4"),
        ("a = [2, 1]", "candidate(a)", "assert a == [1, 2]"),
        ("a = [2, 1]", "assert candidate(a) is None", "assert a == [1, 2]"),
        ("def g(x): return candidate(x)", "assert g(1) == 2"),
        ("for x in range(3):\n        a = candidate(x)", "assert a == 3"),
        ("if candidate(1) != 2: return", "assert candidate(2) == 3"),
    ],
)
def test_statements_that_hang_together_are_judged_as_a_whole(lines: tuple[str, ...]) -> None:
    tests = in_check(*lines)
    (part,) = split(tests).parts
    assert part.pattern is None
    assert part.statement == tuple(split(tests).frame.body)
    assert not part.is_weak


def test_what_rests_on_the_word_of_the_code_is_weak() -> None:
    assert kinds(in_check("assert candidate(1) == f(1)")) == "j"
    assert kinds(in_check("assert candidate(helper(1)) == 2")) == "s"
    assert kinds(in_check("assert candidate(helper(1)) == 2", setup="def helper(x): return x")) == "S"


def test_asserts_without_any_call_are_no_tests() -> None:
    assert kinds(in_check("assert True", "assert 1 == 1")) == ""
    assert kinds(in_check("pass")) == ""


def test_names_that_a_list_of_asserts_does_not_define_are_the_code() -> None:
    splitting = split(
        AssertTests("assert close(f(1), math.pi)", setup="def close(a, b): return abs(a - b) < 0.1")
    )
    assert splitting.frame.code == {"f": "f"}
    assert splitting.frame.setup.startswith("import math\n")


def test_code_may_have_the_name_of_a_builtin_function() -> None:
    assert split(AssertTests("assert sum(1, 2) == 3\nassert sum(3, 4) == 7")).frame.code == {"sum": "sum"}


def test_code_may_have_the_name_of_a_module() -> None:
    assert split(AssertTests("assert calendar(1) == 3")).frame.code == {"calendar": "calendar"}


@pytest.mark.parametrize(
    "tests",
    [
        AssertTests("print(f(1))"),
        AssertTests("def check(candidate):\n    candidate(1)", "f"),
        AssertTests("def check(candidate):\n    for n in range(3):\n        candidate(n)", "f"),
    ],
)
def test_a_call_without_anything_that_can_fail_is_no_test(tests: AssertTests) -> None:
    assert split(tests).parts == ()
