"""When a value or an output is the expected one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from r1kit.sandbox.inside.values import Iterated, Opaque
from r1kit.sandbox.judge.compare import EQUAL, Comparison, Relation, is_as_expected
from r1kit.sandbox.judge.output import is_same_output

AS_JSON = Comparison(as_json=True)
SET, SORTED, LEN = (Comparison(views=(view,)) for view in ("set", "sorted", "len"))
TENTH = Comparison(rel_tol=0.1, abs_tol=0.1)
OBJECT = Opaque("Anything")
# Too large for a float.
HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "expected", "comparison", "passes"),
    [
        (1, 1, EQUAL, True),
        (1, 1.0, EQUAL, True),
        (True, 1, EQUAL, True),
        ("1", 1, EQUAL, False),
        (0.1 + 0.2, 0.3, EQUAL, False),
        ((1, 2), [1, 2], EQUAL, False),
        ((1, 2), [1, 2], AS_JSON, True),
        ({"a": [(1,)]}, {"a": [[1]]}, AS_JSON, True),
        ([1, 3], [1, 2], AS_JSON, False),
        ([3, 4, 4], {4, 3}, SET, True),
        ([3, 4, 5], {4, 3}, SET, False),
        ([[1]], {1}, SET, False),
        ([2, 1], [1, 2], SORTED, True),
        ([2, "a"], [1, 2], SORTED, False),
        (Iterated([2, 1], is_whole=True), [1, 2], SORTED, True),
        (Iterated([1, 2], is_whole=True), [1, 2], EQUAL, False),
        (Iterated([1, 2], is_whole=False), 2, LEN, False),
        ([4, 4, 2], [2, 4], Comparison(views=("sorted", "set")), True),
        (1.05, 1.0, TENTH, True),
        (1.3, 1.0, TENTH, False),
        ([1.05, ("a", 2)], [1.0, ("a", 2)], TENTH, True),
        ([1.05], [1.0, 1.0], TENTH, False),
        ({"a": 1.05}, {"a": 1}, TENTH, True),
        ({"b": 1.0}, {"a": 1.0}, TENTH, False),
        (True, 1.0, TENTH, True),
        (HUGE, HUGE, TENTH, True),
        (HUGE, 1.0, TENTH, False),
        (math.nan, math.nan, EQUAL, False),
        (math.nan, math.nan, TENTH, False),
        (2, 3, Comparison(Relation.NOT_EQUAL), True),
        (3, 3, Comparison(Relation.NOT_EQUAL), False),
        (True, True, Comparison(Relation.IDENTICAL), True),
        (1, True, Comparison(Relation.IDENTICAL), False),
        (None, None, Comparison(Relation.IDENTICAL), True),
        ([0], None, Comparison(Relation.TRUE), True),
        ([], None, Comparison(Relation.TRUE), False),
        ([], None, Comparison(Relation.FALSE), True),
        (3, 2, Comparison(Relation.WITHIN, abs_tol=1), True),
        (3, 2, Comparison(Relation.WITHIN, abs_tol=1, is_strict=True), False),
        (2, 2, Comparison(Relation.WITHIN, abs_tol=1, is_strict=True), True),
        ("3", 2, Comparison(Relation.WITHIN, abs_tol=1), False),
        (math.nan, 2, Comparison(Relation.WITHIN, abs_tol=1), False),
        (1001, 1000, Comparison(Relation.CLOSE, rel_tol=0.001), True),
        (1002, 1000, Comparison(Relation.CLOSE, rel_tol=0.001), False),
        (1j, 1000, Comparison(Relation.CLOSE, rel_tol=0.001), False),
        (2, (1, 2), Comparison(Relation.ONE_OF), True),
        (3, (1, 2), Comparison(Relation.ONE_OF), False),
    ],
)
def test_values_are_compared_as_documented(
    value: Any, expected: Any, comparison: Comparison, passes: bool
) -> None:
    assert is_as_expected(value, expected, comparison) is passes


@pytest.mark.parametrize("relation", Relation)
@pytest.mark.parametrize(
    "value", [OBJECT, [OBJECT], {1: OBJECT}, (1, (OBJECT,)), Iterated([1], is_whole=False)]
)
def test_what_did_not_cross_passes_no_test_whatsoever(relation: Relation, value: Any) -> None:
    for expected in (value, [value], 1, None, [1]):
        assert not is_as_expected(value, expected, Comparison(relation, abs_tol=1e9))
        assert not is_as_expected(value, expected, Comparison(relation, views=("len",), abs_tol=1e9))


@pytest.mark.parametrize(
    ("printed", "expected", "passes"),
    [
        ("7\n", "7", True),
        ("7", "7\n\n", True),
        ("7  \r\n8\n", "7\n8", True),
        (" 1  2\n", "1 2\n", True),
        ("1\n2\n", "1 2\n", False),
        ("1\n\n2\n", "1\n2\n", False),
        ("\n1\n", "1\n", False),
        ("", "\n", True),
        ("", "0\n", False),
        ("yes\n", "YES\n", False),
        ("0.3333333\n", "0.333333333\n", True),
        ("0.3333\n", "0.333333333\n", False),
        ("1000000.5\n", "1000000.0\n", True),
        ("1000002.5\n", "1000000.0\n", False),
        ("1e3\n", "1000.0\n", True),
        ("3.0\n", "3\n", True),
        ("3.0000001\n", "3\n", False),
        ("3\n", "3.0\n", True),
        ("1000000000.0\n", "1000000001\n", False),
        ("1000000000\n", "1000000001\n", False),
        ("007\n", "7\n", False),
        ("nan\n", "0.0\n", False),
        ("nan\n", "nan\n", True),
        ("inf\n", "1e400\n", False),
        ("1e400\n", "2e400\n", False),
        ("5.0\n", "1e400\n", False),
        ("-0.0\n", "0.0\n", True),
        ("x: 1.50\n", "x: 1.5\n", True),
        ("y: 1.50\n", "x: 1.5\n", False),
        ("1.5 2\n", "1.5\n", False),
        ("٣.٠\n", "3.0\n", False),
        ("1_0.0\n", "10.0\n", False),
        ("a\x0cb\n", "a\nb\n", False),
        ("9" * 500 + ".0\n", "9" * 500 + ".1\n", False),
    ],
)
def test_outputs_are_compared_as_documented(printed: str, expected: str, passes: bool) -> None:
    assert is_same_output(printed, expected) is passes
