"""Programs that want a reward they have not earned: none passes, where an honest one does."""

from __future__ import annotations

import hashlib
import resource
import time

import pytest
from attack_programs.canary import around, wait_until_left
from attack_programs.forgeries import FORGERIES, SABOTAGE, STDIO_HACKS
from attack_programs.hacks import HACKS, HONEST, HONEST_PROGRAM, MEMORY, SEARCHES, Hack

from r1kit.sandbox import Limits, Sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.results import Judgement, Result
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest, StdioTest, Tests

TEXTS = ("a", "bc")
# Enough on a busy machine, and what is waited for where a program is to run out of time.
ENOUGH, SHORT = 5.0, 0.4


def expected(text: str) -> str:
    return "EXPECTED-" + hashlib.sha256(text.encode()).hexdigest()[:16]


ASSERTS = [f"assert {{}}({text!r}) == {expected(text)!r}" for text in TEXTS]
SHAPES: dict[str, Tests] = {
    "calls": tuple(FunctionTest("f", (text,), {}, expected(text)) for text in TEXTS),
    "asserts in a check": AssertTests(
        "def check(candidate):\n" + "".join(f"    {line.format('candidate')}\n" for line in ASSERTS), "f"
    ),
    "a list of asserts": AssertTests("\n".join(line.format("f") for line in ASSERTS)),
    "a check with a loop": AssertTests(
        f"def check(candidate):\n    for text, value in {[(text, expected(text)) for text in TEXTS]!r}:\n"
        "        assert candidate(text) == value\n",
        "f",
    ),
}
STDIO: Tests = tuple(StdioTest(f"{text}\n", f"{expected(text)}\n") for text in TEXTS)


def judged(sandbox: Sandbox, source: str, tests: Tests, seconds: float = ENOUGH) -> Judgement:
    """The judgement on a program that leaves nothing behind."""
    before = around()
    judgement = judge(sandbox, source, tests, Limits(wall_seconds=20.0), test_seconds=seconds)
    wait_until_left(before)
    return judgement


def time_for(hack: Hack) -> float:
    """Seconds for a test."""
    return SHORT if Result.TIMED_OUT in hack.result else ENOUGH


@pytest.fixture(scope="module", autouse=True)
def spawner(sandbox: Sandbox) -> None:
    assert judge(sandbox, HONEST, SHAPES["calls"]).has_passed


@pytest.mark.parametrize("shape", SHAPES)
def test_an_honest_function_passes(shape: str, sandbox: Sandbox) -> None:
    judgement = judged(sandbox, HONEST, SHAPES[shape])
    assert judgement.result is Result.PASSED
    assert judgement.num_passed == judgement.num_tests > 0


# These two go different ways: compared by the parent, and by the test's own code in a second jail.
@pytest.mark.parametrize("shape", ["calls", "a check with a loop"])
@pytest.mark.parametrize("hack", [*HACKS, *FORGERIES], ids=lambda hack: hack.name)
def test_this_is_no_pass(hack: Hack, shape: str, sandbox: Sandbox) -> None:
    judgement = judged(sandbox, hack.source, SHAPES[shape], time_for(hack))
    assert judgement.num_passed == 0
    assert judgement.result in hack.result, judgement.detail


@pytest.mark.parametrize("shape", ["asserts in a check", "a list of asserts"])
@pytest.mark.parametrize("hack", SEARCHES, ids=lambda hack: hack.name)
def test_the_answer_is_not_found_in_the_shapes_of_the_benchmarks_either(
    hack: Hack, shape: str, sandbox: Sandbox
) -> None:
    assert judged(sandbox, hack.source, SHAPES[shape]).num_passed == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answer_is_nowhere_in_the_memory(shape: str, sandbox: Sandbox) -> None:
    source = (
        MEMORY + 'def f(text):\n    return next(iter(memory(b"EXPECTED" + b"-[0-9a-f]{16}")), b"").decode()'
    )
    judgement = judged(sandbox, source, SHAPES[shape])
    assert (judgement.result, judgement.num_passed) == (Result.FAILED, 0)


def test_what_is_in_the_memory_is_found_there(sandbox: Sandbox) -> None:
    # Else the test before would show nothing.
    source = (
        MEMORY
        + 'def f(text):\n    return sorted(one.decode() for one in memory(b"ARGUMENT" + b"-[0-9a-f]{16}"))'
    )
    hidden = "ARGUMENT-" + hashlib.sha256(b"hidden").hexdigest()[:16]
    tests = (FunctionTest("f", (hidden,), {}, [hidden]),)
    assert judged(sandbox, source, tests).has_passed


def test_an_honest_program_passes(sandbox: Sandbox) -> None:
    assert judged(sandbox, HONEST_PROGRAM, STDIO).has_passed


@pytest.mark.parametrize("hack", STDIO_HACKS, ids=lambda hack: hack.name)
def test_this_program_does_not_pass(hack: Hack, sandbox: Sandbox) -> None:
    judgement = judged(sandbox, hack.source, STDIO, time_for(hack))
    assert judgement.num_passed == 0
    assert judgement.result in hack.result, judgement.detail


def lie(base: str) -> str:
    """A class whose objects pass for anything when they are asked."""
    methods = "__eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__"
    numbers = "__sub__ = __rsub__ = __abs__ = __round__"
    return (
        f"class Right({base}):\n    def yes(self, *a): return True\n    {methods} = yes\n"
        f"    def me(self, *a): return self\n    {numbers} = me\n    def __hash__(self): return 0\n"
        "    def __float__(self): return 3.5\n    def __int__(self): return 3\n    def __len__(self): return 3\n"
        "def f(*x): return Right()"
    )


RELATIONS = """
assert f(1) == 3
assert 3 == f(2)
assert abs(f(3) - 3.5) < 1e-6
assert math.isclose(f(4), 3.5)
assert f(5) is True
assert f(6) is None
assert f(7) in (3, 3.5, "abc")
assert sorted(f(8)) == [1, 2, 3]
assert set(f(9)) == {1, 2, 3}
assert len(f(10)) == 3
assert f(11) == [1, 2, 3] and f(12) == [3, 2, 1]
assert all(f(x) == (1, 2, 3) for x in range(13, 16))
assert f(16) == {"a": 1}
assert not f(17) != "abc"
"""


@pytest.mark.parametrize("base", ["object", "int", "float", "str", "list", "tuple", "dict", "set", "bytes"])
def test_objects_that_lie_hold_no_relation(base: str, sandbox: Sandbox) -> None:
    judgement = judged(sandbox, lie(base), AssertTests(RELATIONS.strip()))
    assert (judgement.num_tests, judgement.num_passed) == (14, 0)


@pytest.mark.parametrize(
    "tests",
    [
        (),
        AssertTests(""),
        AssertTests("assert True"),
        AssertTests("def check(candidate): pass", "f"),
        AssertTests("def check(candidate):\n    for x in []:\n        assert candidate(x) == 1", "f"),
        AssertTests("def check(candidate):\n    if False:\n        assert candidate(1) == 1", "f"),
        AssertTests("METADATA = {}", "f"),
    ],
)
def test_without_a_test_nothing_passes(tests: Tests, sandbox: Sandbox) -> None:
    judgement = judged(sandbox, "def f(x): return 1", tests)
    assert not judgement.has_passed
    assert judgement.num_passed == 0


@pytest.mark.parametrize("hack", SABOTAGE, ids=lambda hack: hack.name)
def test_nobody_escapes_judgement_by_harming_the_jail(hack: Hack, sandbox: Sandbox) -> None:
    """The first call tries to; what is left out of a group is no punishment. The second one is honest, and passes."""
    source = (
        f"{HONEST}honest = f\nimport os, sys\ndef f(text):\n    if text == 'bc': return honest(text)\n"
        + "".join(f"    {line}\n" for line in hack.source.splitlines())
    )
    judgement = judged(sandbox, source, SHAPES["calls"], time_for(hack))
    results = [test.result for test in judgement.tests]
    assert results[0] in hack.result, judgement.detail
    assert results[1] is Result.PASSED, judgement.tests[1].detail


def cost(sandbox: Sandbox, source: str, tests: Tests) -> tuple[Judgement, float, int]:
    """The judgement, and what it cost this process: seconds of the processor, and KiB of its memory's peak."""
    started, peak = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    judgement = judged(sandbox, source, tests)
    return judgement, time.thread_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak


@pytest.mark.parametrize("number", [2 * 10**9, 10**12, 10**30, -1])
def test_a_number_in_place_of_an_output_takes_no_memory_of_the_parent(number: int, sandbox: Sandbox) -> None:
    encoded = number if abs(number) < 2**53 else {"int": hex(number)}
    line = f'{{"stdout": {encoded}, "is_cut": false, "exit_code": 0}}'.replace("'", '"')
    source = f"import os\nos.write(6, {line!r}.encode() + b'\\n')\nos._exit(0)"
    judgement, _, kibibytes = cost(sandbox, source, STDIO[:1])
    assert judgement.result is Result.KILLED
    assert kibibytes < 100_000


@pytest.mark.parametrize("view", ["set", "frozenset", "sorted", "list", "tuple"])
def test_numbers_of_one_hash_do_not_hold_up_the_parent(view: str, sandbox: Sandbox) -> None:
    # A set of so many takes the square of their number to build.
    source = "def f(x): return [one * (2**61 - 1) for one in range(20_000)]"
    judgement, seconds, _ = cost(sandbox, source, AssertTests(f"assert {view}(f(1)) == {view}([1, 2, 3])"))
    assert not judgement.has_passed
    assert seconds < 1.5


def test_a_whole_answer_of_small_parts_does_not_hold_up_the_parent(sandbox: Sandbox) -> None:
    judgement, seconds, _ = cost(
        sandbox, "def f(x): return [[]] * 200_000", AssertTests("assert f(1) == [1]")
    )
    assert judgement.result is Result.FAILED
    assert seconds < 1.5


@pytest.mark.parametrize(
    "tests",
    [
        AssertTests("for one in ([3, 1, 2], [2, 1]):\n    assert f(one) == sorted(one)"),
        AssertTests("def check(candidate):\n    one = [3, 1]\n    assert candidate(one) == sorted(one)", "f"),
        AssertTests(
            "def check(candidate):\n    one = [3, 1]\n    assert candidate(one) == sorted(one) and len(one) == len(candidate(one))",
            "f",
        ),
    ],
)
def test_emptying_the_argument_does_not_empty_what_is_expected(tests: Tests, sandbox: Sandbox) -> None:
    assert judged(sandbox, "def f(one): return sorted(one)", tests).has_passed
    assert not judged(sandbox, "def f(one):\n    one.clear()\n    return []", tests).has_passed


def test_objects_put_into_the_arguments_are_not_unequal_to_what_was_there(sandbox: Sandbox) -> None:
    lines = "    one = [3, 1]\n    candidate(one)\n    assert one != [3, 1]\n"
    tests = AssertTests(f"def check(candidate):\n{lines}", "f")
    assert judged(sandbox, "def f(one): one.sort()", tests).has_passed
    assert not judged(sandbox, "def f(one): one[:] = [object()]", tests).has_passed
