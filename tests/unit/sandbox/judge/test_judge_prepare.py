"""Tests made ready: data is evaluated once, outside the jail of the code."""

from __future__ import annotations

import pytest

from r1kit.core.errors import SandboxError
from r1kit.sandbox import Limits, Sandbox, Session
from r1kit.sandbox.judge.compare import Comparison, Relation
from r1kit.sandbox.judge.prepare import InsideTest, JudgedTest, Prepared, prepare
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest


class Counting:
    """A sandbox that knows how many sessions it started; without one it refuses."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self._sandbox = sandbox
        self.num_started = 0

    def start(self, limits: Limits = Limits()) -> Session:  # noqa: B008
        self.num_started += 1
        if self._sandbox is None:
            raise SandboxError("no jail")
        return self._sandbox.start(limits)


def test_literals_need_no_jail() -> None:
    prepared = prepare(
        Counting(), AssertTests("assert f((1, -2), k='a') == {1: [None]}\nassert abs(f(1) - 2.5) < 1e-6")
    )
    assert prepared == Prepared(
        (
            FunctionTest("f", ((1, -2),), {"k": "a"}, {1: [None]}),
            FunctionTest("f", (1,), {}, 2.5, Comparison(Relation.WITHIN, (), 0.0, 1e-6, is_strict=True)),
        )
    )


def test_what_is_no_literal_is_evaluated_once(sandbox: Sandbox) -> None:
    tests = AssertTests(
        "assert f('ab' * 2, *range(2), **dict(k=1)) == twice(21)\n"
        "size = sys.maxsize > 0 and 4\n"
        "assert f(list(range(size))) == {1} | {2}\n"
        "size += 1\n"
        "assert f(0) == size",
        setup="def twice(x): return 2 * x",
    )
    counting = Counting(sandbox)
    prepared = prepare(counting, tests)
    assert prepared == Prepared(
        (
            FunctionTest("f", ("abab", 0, 1), {"k": 1}, 42),
            FunctionTest("f", ([0, 1, 2, 3],), {}, {1, 2}),
            FunctionTest("f", (0,), {}, 5),
        )
    )
    assert prepare(counting, tests) is prepared
    assert counting.num_started == 1


def test_the_names_of_a_check_function_are_its_own(sandbox: Sandbox) -> None:
    source = "SIZE = 2\ndef check(candidate):\n    import math\n    x = [SIZE]\n    assert candidate(x * 2) == math.floor(3.5)\n"
    assert prepare(sandbox, AssertTests(source, "f")).tests == (FunctionTest("f", ([2, 2],), {}, 3),)


def test_arguments_of_the_codes_own_classes_are_made_inside_and_are_weak(sandbox: Sandbox) -> None:
    setup = "root = Node(1)\nroot.next = Node(2)\nwanted = 3"
    prepared = prepare(
        sandbox, AssertTests("assert total(root) == wanted\nassert total(None) == 1 - 1", setup=setup)
    )
    inside, split = prepared.tests
    assert isinstance(inside, InsideTest)
    assert (inside.setup.strip(), inside.expression) == (setup, "total(root)")
    assert inside.expected == 3
    assert split == FunctionTest("total", (None,), {}, 0)
    assert prepared.num_weak == 1


def test_an_argument_that_is_a_function_is_made_inside(sandbox: Sandbox) -> None:
    prepared = prepare(
        sandbox, AssertTests("def check(candidate):\n    assert candidate(lambda x: x + 1, 1) == 2", "apply")
    )
    (inside,) = prepared.tests
    assert isinstance(inside, InsideTest)
    assert inside.expression == "candidate(lambda x: x + 1, 1)"
    assert "candidate = apply" in inside.setup
    assert prepared.num_weak == 1


def test_an_expected_value_that_is_no_plain_data_stays_with_the_source(sandbox: Sandbox) -> None:
    prepared = prepare(sandbox, AssertTests("from fractions import Fraction\nassert f(1) == Fraction(1, 2)"))
    (judged,) = prepared.tests
    assert isinstance(judged, JudgedTest)
    assert judged.names == {"f": "f"}


def test_source_nested_too_deep_is_a_value_error(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"deep|recursion"):
        prepare(sandbox, AssertTests("assert f(1) == " + "+".join(["1"] * 20_000)))


def test_a_sandbox_that_fails_leaves_nothing_prepared(sandbox: Sandbox) -> None:
    tests = AssertTests("assert f(1) == 1 + 1 + 1")
    with pytest.raises(SandboxError, match="no jail"):
        prepare(Counting(), tests)
    assert prepare(sandbox, tests).tests == (FunctionTest("f", (1,), {}, 3),)
