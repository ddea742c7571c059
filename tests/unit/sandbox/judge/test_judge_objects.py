"""Tests of objects that the code makes: weak, run beside the code, and compared outside all the same."""

from __future__ import annotations

import pytest

from r1kit.sandbox import Sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.judge.splitting import split
from r1kit.sandbox.judge.tests import AssertTests

POINT = "class P:\n    def __init__(s, x): s.x = x\n    def get(s): return s.x"
STACK = (
    "class Stack:\n    def __init__(s): s.v = []\n    def push(s, x): s.v.append(x)\n"
    "    def pop(s): return s.v.pop()\n    def __len__(s): return len(s.v)"
)
QUEUE = STACK.replace("s.v.pop()", "s.v.pop(0)")
LIAR = (
    "class P:\n    def __init__(s, *a): pass\n    def __eq__(s, o): return True\n"
    "    def __getattr__(s, name): return s\n    def __call__(s, *a): return s\nStack = P"
)
OF_POINT = "assert P(3).get() == 3\nassert P(4).x != 3\nassert P(2).get() == len('ab')"
OF_STACK = "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2\nassert len(s.v) == 1\nassert s.pop() == 1\nassert not s.v"
IN_CHECK = "def check(candidate):\n    s = candidate()\n    for n in (1, 2):\n        s.push(n)\n    assert s.pop() == 2"


@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        (AssertTests(OF_POINT), POINT, POINT.replace("s.x = x", "s.x = 3")),
        (AssertTests(OF_STACK), STACK, QUEUE),
        (AssertTests(IN_CHECK, "Stack"), STACK, QUEUE),
    ],
)
def test_objects_are_tested_where_they_are(
    sandbox: Sandbox, tests: AssertTests, right: str, wrong: str
) -> None:
    judgement = judge(sandbox, right, tests)
    assert judgement.result is Result.PASSED
    assert judgement.num_weak == judgement.num_tests > 0
    assert judge(sandbox, wrong, tests).result is Result.FAILED
    assert judge(sandbox, LIAR, tests).result is Result.FAILED


def test_a_method_of_an_object_made_without_arguments_is_an_ordinary_call() -> None:
    (part,) = split(AssertTests("assert Solution().f(3) == 3")).parts
    assert not part.is_weak
    assert not part.is_beside


def test_what_is_expected_is_not_where_the_code_is(sandbox: Sandbox) -> None:
    search = (
        "class P:\n    def __init__(s, x): pass\n    def get(s):\n        import gc\n"
        "        needle = 'secret-' + str(4711)\n"
        "        return next((o for o in gc.get_objects() if needle in repr(o)[:9999]), None) is None"
    )
    tests = AssertTests("assert P(3).get() == 'secret-4711'")
    judgement = judge(sandbox, search, tests)
    assert judgement.result is Result.FAILED
    assert "gave True" in judgement.detail
