"""Completions under their tests: what passes, what does not, and why."""

from __future__ import annotations

import pytest

from r1kit.core.errors import SandboxError
from r1kit.sandbox import Limits, Sandbox, Session
from r1kit.sandbox.judge.compare import Comparison, is_as_expected
from r1kit.sandbox.judge.grade import judge, shown
from r1kit.sandbox.judge.results import Judgement, Result, TestResult, sum_up
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest, StdioTest, Tests, read_tests

DOUBLE: Tests = (
    FunctionTest("f", (1,), {}, 2),
    FunctionTest("f", (2,), {}, 4),
    FunctionTest("f", ("a",), {}, "aa"),
)


def check(*lines: str, setup: str = "") -> AssertTests:
    return AssertTests("def check(candidate):\n    " + "\n    ".join(lines) + "\n", "f", setup)


def results(judgement: Judgement) -> list[str]:
    return [str(test.result) for test in judgement.tests]


def test_a_right_function_passes(sandbox: Sandbox) -> None:
    judgement = judge(sandbox, "def f(x): return 2 * x", DOUBLE)
    assert (judgement.result, judgement.num_passed, judgement.num_tests) == (Result.PASSED, 3, 3)
    assert judgement.has_passed
    assert judgement.runs
    assert judgement.num_weak == 0


def test_a_wrong_function_fails_and_runs(sandbox: Sandbox) -> None:
    judgement = judge(sandbox, "def f(x): return x + x if x == 1 else 4", DOUBLE)
    assert (judgement.result, judgement.num_passed, judgement.runs) == (Result.FAILED, 2, True)
    assert judgement.detail == "gave 4; wanted: == 'aa'"


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("def f(x): return y", "NameError: name 'y' is not defined"),
        ("def f(x", "SyntaxError: '(' was never closed (<completion>, line 1)"),
        ("def g(x): return 2 * x", "NameError: name 'f' is not defined"),
        ("def f(): return 2", "TypeError: f() takes 0 positional arguments but 1 was given"),
        ("def f(x): return 2 * x\nraise KeyError(7)", "KeyError: 7"),
        ("def f(x): return 2 * x\nexit()", "SystemExit"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("def f(x): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(x): import sys; sys.exit()", "SystemExit"),
        ("def f(x): return f(x)", "RecursionError: maximum recursion depth exceeded"),
        ("def f(x):\n    yield x\n    1 / 0", "ZeroDivisionError: division by zero"),
        ("import os\ndef f(x): os._exit(0)", "it ended by itself, with exit code 0"),
        ("class E(Exception):\n    def __str__(self): raise self\ndef f(x): raise E", "E"),
        ("f = 'a\0b'", None),
        ("f = '\ud800'", None),
        ("assert False", "AssertionError"),
    ],
)
def test_what_does_not_run_is_an_error(sandbox: Sandbox, source: str, detail: str | None) -> None:
    judgement = judge(sandbox, source, DOUBLE)
    assert (judgement.result, judgement.num_passed, judgement.runs) == (Result.ERROR, 0, False)
    assert detail is None or judgement.detail == detail


def test_an_error_in_one_call_leaves_the_other_tests(sandbox: Sandbox) -> None:
    judgement = judge(sandbox, "def f(x): return {1: 2, 'a': 'aa'}[x]", DOUBLE)
    assert results(judgement) == ["passed", "error", "passed"]
    assert (judgement.result, judgement.num_passed, judgement.runs) == (Result.ERROR, 2, False)


def test_a_call_that_hangs_costs_its_own_time_and_no_other_test(sandbox: Sandbox) -> None:
    judgement = judge(
        sandbox, "def f(x):\n    while x == 2: pass\n    return 2 * x", DOUBLE, test_seconds=0.4
    )
    assert results(judgement) == ["passed", "timed_out", "passed"]
    assert judgement.result is Result.TIMED_OUT
    assert not judgement.runs


def test_when_the_time_is_up_the_tests_left_are_timed_out(sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=0.6)
    judgement = judge(sandbox, "def f(x):\n    while True: pass", DOUBLE, limits, test_seconds=0.4)
    assert results(judgement) == ["timed_out"] * 3


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("def f(x): return bytearray(1 << 40)", Result.OUT_OF_MEMORY),
        ("def f(x): print('x' * 3_000_000)", Result.OUTPUT_LIMIT),
        ("def f(x): return 'x' * 3_000_000", Result.OUTPUT_LIMIT),
        ("import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGSEGV)", Result.KILLED),
        ("import os\ndef f(x): os.write(6, b'?')", Result.KILLED),
    ],
)
def test_each_limit_has_its_own_result(sandbox: Sandbox, source: str, result: Result) -> None:
    judgement = judge(sandbox, source, DOUBLE[:1])
    assert (judgement.result, judgement.runs) == (result, False)


ALWAYS_EQUAL = """
class Right:
    def __eq__(self, other): return True
    def __ne__(self, other): return True
    __hash__ = None
    def __lt__(self, other): return True
    def __sub__(self, other): return self
    __rsub__ = __le__ = __gt__ = __ge__ = __sub__
    def __abs__(self): return self
    def __bool__(self): return True
    def __len__(self): return 2
    def __iter__(self): return iter([2, 4, "aa"])
    def __float__(self): return 2.0
    __class__ = int
def f(*x): return Right()
"""
EQUAL_SUBCLASSES = """
class Number(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
class Text(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def f(*x): return Number(7) if x != ("a",) else Text("b")
"""
PATCHED = """
import builtins, json, sys, operator
class Yes:
    def __call__(self, *a, **k): return True
    def __getattr__(self, name): return self
for name in ("print", "isinstance", "len", "all", "any", "sorted", "type", "abs", "repr", "AssertionError"):
    setattr(builtins, name, Yes())
json.dumps = json.loads = operator.eq = Yes()
sys.modules["json"] = sys.modules["r1kit"] = Yes()
def f(*x): return 0
"""
FRAME_WALK = """
import sys, gc
seen = []
def f(*x):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            if name in ("expected", "tests", "check", "test", "wanted", "stdout"):
                seen.append(value)
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict) and ("expected" in thing or "wanted" in thing):
            seen.append(thing)
    return seen and seen[0]
"""
FORGED = """
import gc, os, json
def f(*x):
    for word in ({"result": "passed"}, {"judged": True}, {"loaded": True}, {"value": True}, {"passed": 3}):
        for fd in range(3, 12):
            try: os.write(fd, (json.dumps(word) + "\\n").encode())
            except OSError: pass
    os._exit(0)
"""
QUIET_EXIT = """
import os, atexit
atexit.register(lambda: print("passed"))
def f(*x):
    print("all tests passed")
    os._exit(0)
"""
STOPS_ITERATORS = "def f(*x): raise StopIteration"
ASSERTION_OFF = "import sys\nsys.flags = None\n__debug__1 = False\ndef f(*x): raise AssertionError"
HACKS = {
    "always equal": ALWAYS_EQUAL,
    "equal subclasses": EQUAL_SUBCLASSES,
    "patched": PATCHED,
    "frame walk": FRAME_WALK,
    "forged": FORGED,
    "quiet exit": QUIET_EXIT,
    "stops iterators": STOPS_ITERATORS,
    "assertion": ASSERTION_OFF,
    "exit on load": "import os\nos._exit(0)",
    "none": "def f(*x): return None",
    "redefined check": "def check(candidate): pass\ndef f(*x): return 0\n__name__ = '__main__'",
}
SPLIT = check("assert candidate(1) == 2", "assert candidate('a') == 'aa'")
JUDGED = check("for x, y in [(1, 2), (2, 4), ('a', 'aa')]:", "    assert candidate(x) == y")
IN_ONE = check("assert candidate(1) == 2 and candidate(2) == 4 and candidate('a') == 'aa'")
BY_MAP = check("assert all(map(lambda p: candidate(p[0]) == p[1], [(1, 2), (2, 4), ('a', 'aa')]))")
AS_LIST = check(
    "wanted = [2, 4, 'aa']", "for got, want in zip(map(candidate, [1, 2, 'a']), wanted): assert got == want"
)
CLOSE = check("assert abs(candidate(1) - 2) < 1e-6", "assert candidate(2) is not None and candidate(2) == 4")
UNEQUAL = check("for x in (1, 2): assert candidate(x) != 3")
TRUE = check("for x in (1, 2): assert candidate(x)")
OTHER = check("assert candidate(1) != 3 and candidate(1) == 2")


@pytest.mark.parametrize("tests", [DOUBLE, SPLIT, JUDGED, IN_ONE, BY_MAP, AS_LIST, OTHER], ids=str)
def test_right_code_passes_whatever_shape_its_tests_have(sandbox: Sandbox, tests: Tests) -> None:
    judgement = judge(sandbox, "def f(x): return 2 * x", tests)
    assert judgement.result is Result.PASSED, judgement.detail
    assert judgement.num_weak == 0


@pytest.mark.parametrize("hack", HACKS)
@pytest.mark.parametrize("tests", [DOUBLE, JUDGED, AS_LIST], ids=["calls", "loop", "zip"])
def test_no_hack_passes_a_single_test(sandbox: Sandbox, hack: str, tests: Tests) -> None:
    judgement = judge(sandbox, HACKS[hack], tests, test_seconds=2)
    assert judgement.result not in {Result.PASSED, Result.SANDBOX_ERROR}
    assert judgement.num_passed == 0, judgement


@pytest.mark.parametrize("tests", [IN_ONE, BY_MAP, CLOSE, OTHER, SPLIT], ids=str)
@pytest.mark.parametrize("hack", ["always equal", "equal subclasses", "stops iterators"])
def test_no_equal_object_passes_in_any_shape(sandbox: Sandbox, hack: str, tests: Tests) -> None:
    assert judge(sandbox, HACKS[hack], tests).num_passed == 0


@pytest.mark.parametrize("tests", [UNEQUAL, TRUE, check("assert candidate(1) != 3")], ids=str)
def test_an_object_is_not_even_unequal_or_true(sandbox: Sandbox, tests: Tests) -> None:
    assert judge(sandbox, "def f(x): return object()", tests).result is Result.FAILED
    assert judge(sandbox, "def f(x): return 2", tests).has_passed


def test_an_exception_that_a_test_wants_passes_it(sandbox: Sandbox) -> None:
    tests = check("try:", "    candidate(-1)", "except ValueError:", "    pass", "else:", "    assert False")
    assert judge(sandbox, "def f(x): raise ValueError('negative')", tests).has_passed
    assert judge(sandbox, "def f(x): raise KeyError('negative')", tests).result is Result.ERROR
    assert judge(sandbox, "def f(x): return x", tests).result is Result.FAILED


def test_a_test_sees_what_the_code_did_to_its_arguments(sandbox: Sandbox) -> None:
    tests = check(
        "a, b, c = [2, 1], {1: 2}, {3}", "candidate(a, b, c=c)", "assert (a, b, c) == ([1, 2], {}, {3, 4})"
    )
    source = "def f(a, b, c): a.sort(); b.clear(); c.add(4)"
    assert judge(sandbox, source, tests).has_passed
    assert judge(sandbox, "def f(a, b, c): a.sort(); c.add(4)", tests).result is Result.FAILED


def test_arguments_are_fresh_in_each_call(sandbox: Sandbox) -> None:
    tests = check("a = [1]", "assert candidate(a) == 1", "assert candidate(a) == 1")
    assert judge(sandbox, "def f(a): return a.append(2) or len(a) - 1", tests).has_passed


@pytest.mark.parametrize(
    "lines",
    [("pass",), ("assert True",), ("for x in []: assert candidate(x)",), ("return", "assert candidate(1)")],
)
def test_without_a_test_nothing_passes(sandbox: Sandbox, lines: tuple[str, ...]) -> None:
    judgement = judge(sandbox, "def f(x): return 2 * x", check(*lines))
    assert judgement.result is Result.FAILED
    assert judgement.num_passed == 0


def test_without_a_test_code_may_still_be_found_to_run(sandbox: Sandbox) -> None:
    assert judge(sandbox, "x = 1", check("pass")).runs
    assert not judge(sandbox, "x = y", check("pass")).runs


def test_helpers_of_the_prompt_are_the_benchmarks_own(sandbox: Sandbox) -> None:
    tests = read_tests(
        {
            "problem": "def encode(s):\n    return s[::-1]\n\ndef f(s):\n    '''Undoes encode.'''\n",
            "test": "def check(candidate):\n    for s in ('ab', 'xyz'):\n        assert candidate(encode(s)) == s\n",
            "entry_point": "f",
        }
    )
    assert judge(sandbox, "def f(s): return s[::-1]", tests).has_passed
    assert not judge(sandbox, "def encode(s): return s\ndef f(s): return s", tests).has_passed


def test_helpers_that_only_the_code_defines_make_a_test_weak(sandbox: Sandbox) -> None:
    tests = check("for s in ('ab', 'xyz'): assert candidate(encode(s)) == s")
    judgement = judge(sandbox, "def encode(s): return s[::-1]\ndef f(s): return s[::-1]", tests)
    assert judgement.has_passed
    assert judgement.num_weak == 1


def test_objects_of_the_codes_own_classes_may_be_arguments(sandbox: Sandbox) -> None:
    tests = AssertTests(
        "assert total(root) == 3\nassert total(None) == 0", setup="root = Node(1)\nroot.next = Node(2)"
    )
    source = """
class Node:
    def __init__(self, value): self.value, self.next = value, None
def total(node): return node.value + total(node.next) if node else 0
"""
    judgement = judge(sandbox, source, tests)
    assert (judgement.result, judgement.num_tests, judgement.num_weak) == (Result.PASSED, 2, 1)
    assert judge(sandbox, source.replace("else 0", "else 1"), tests).result is Result.FAILED


def test_only_the_truth_of_a_value_counts_where_a_test_asks_for_no_more(sandbox: Sandbox) -> None:
    tests = check("assert candidate('abc')", "assert not candidate('xyz')")
    assert judge(sandbox, "import re\ndef f(s): return re.match('a', s)", tests).has_passed
    assert judge(sandbox, "import re\ndef f(s): return re.match('', s)", tests).num_passed == 1


def test_methods_are_called_on_a_new_object(sandbox: Sandbox) -> None:
    tests = (FunctionTest("Solution().add", (1,), {"b": 2}, [3], Comparison(as_json=True)),)
    assert judge(sandbox, "class Solution:\n    def add(self, a, b): return (a + b,)", tests).has_passed


def test_a_dataclass_and_postponed_annotations_load(sandbox: Sandbox) -> None:
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
    assert judge(sandbox, source + "def f(x: Unknown): return P(2 * x).x", DOUBLE[:2]).has_passed
    # What this file's own future statement would change: the annotation is evaluated.
    assert judge(sandbox, "def f(x: Unknown): return 2 * x", DOUBLE[:2]).result is Result.ERROR


SUM: Tests = (StdioTest("1 2\n", "3\n"), StdioTest("5 -5\n", "0\n"))


@pytest.mark.parametrize(
    "source",
    [
        "a, b = map(int, input().split())\nprint(a + b)",
        "import sys\nsys.stdout.write(str(sum(map(int, sys.stdin.read().split()))))",
        "import os\nos.write(1, b'%d' % sum(map(int, open(0).read().split())))\nos._exit(0)",
        "import sys\nfor line in sys.stdin.buffer: print(sum(map(int, line.split())))\nsys.exit()",
        "if __name__ == '__main__':\n    print(sum(map(int, input().split())), flush=True)",
        "import threading\nthreading.Thread(target=lambda: print(sum(map(int, input().split())))).start()",
        "import atexit\natexit.register(lambda: print(sum(map(int, input().split()))))",
        "import io, sys\nreal, sys.stdout = sys.stdout, io.StringIO()\nprint(1)\nprint(sum(map(int, input().split())), file=real)",
    ],
)
def test_a_program_may_read_and_print_in_whatever_way_it_likes(sandbox: Sandbox, source: str) -> None:
    judgement = judge(sandbox, source, SUM)
    assert judgement.result is Result.PASSED, judgement
    assert judgement.runs


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("print(4)", Result.FAILED),
        ("print(", Result.ERROR),
        ("print(3)\nraise ValueError", Result.ERROR),
        ("print(3)\nexit(1)", Result.ERROR),
        ("import sys\nprint(3)\nsys.exit('no')", Result.ERROR),
        ("import os\nprint(3, flush=True)\nos.abort()", Result.KILLED),
        ("while True: print('x' * 1000)", Result.OUTPUT_LIMIT),
        ("while True: pass", Result.TIMED_OUT),
        ("x = [0]\nwhile True: x += x", Result.OUT_OF_MEMORY),
        ("x = []\nwhile True: x.append(bytearray(100_000))", Result.OUT_OF_MEMORY),
    ],
)
def test_a_program_that_does_not_do_it_has_a_result_that_says_why(
    sandbox: Sandbox, source: str, result: Result
) -> None:
    seconds = 1 if result is Result.TIMED_OUT else 10
    judgement = judge(sandbox, source, SUM[:1], Limits(memory_bytes=2**26), test_seconds=seconds)
    assert (judgement.result, judgement.runs) == (result, result is Result.FAILED), judgement.detail


def test_each_program_starts_from_nothing(sandbox: Sandbox) -> None:
    source = (
        "import builtins, os\nprint(getattr(builtins, 'count', 0), len(os.listdir()))\nbuiltins.count = 1"
    )
    assert judge(sandbox, source, (StdioTest("", "0 0"), StdioTest("", "0 0"))).has_passed


def test_an_expected_output_of_megabytes_has_room(sandbox: Sandbox) -> None:
    assert judge(sandbox, "print('ab ' * 700_000)", (StdioTest("", "ab " * 700_000),)).has_passed


class Refusing:
    def start(self, limits: Limits = Limits()) -> Session:  # noqa: B008
        raise SandboxError("no more processes")


@pytest.mark.parametrize("tests", [DOUBLE, SUM, JUDGED, check("assert candidate(1) == 7 - 5")], ids=str)
def test_what_cannot_be_judged_is_no_wrong_answer(tests: Tests) -> None:
    judgement = judge(Refusing(), "def f(x): return 2 * x", tests)
    assert (judgement.result, judgement.detail) == (Result.SANDBOX_ERROR, "no more processes")


def test_one_test_that_could_not_be_judged_spoils_the_whole() -> None:
    tests = tuple(
        TestResult(result, result) for result in (Result.PASSED, Result.FAILED, Result.SANDBOX_ERROR)
    )
    assert sum_up(tests).result is Result.SANDBOX_ERROR
    assert sum_up(tests[:2]).result is Result.FAILED
    assert sum_up(tests[:1]).result is Result.PASSED
    assert sum_up(()).result is Result.FAILED


def test_any_value_can_be_shown_in_few_words() -> None:
    for value in (10**5000, [10**5000], "x" * 10**6, [[[[[[[1]]]]]]]):
        assert len(shown(value)) <= 100


def test_an_output_forged_as_a_number_makes_no_zeros(sandbox: Sandbox) -> None:
    forged = b'{"stdout": 1000000000000, "is_cut": false, "exit_code": 0}\n'
    source = f"import os\nos.write(6, {forged!r})\nwhile True: pass"
    assert judge(sandbox, source, (StdioTest("", "x"),)).result is Result.KILLED


def test_numbers_of_one_hash_are_not_put_into_a_set(sandbox: Sandbox) -> None:
    source = "def f(x): return [k * (2**61 - 1) for k in range(5000)]"
    judgement = judge(sandbox, source, AssertTests("assert set(f(1)) == set([1, 2, 3])"))
    assert judgement.result is Result.FAILED
    # Without the guard these would be equal, after a time that grows with the square of their number.
    values = [k * (2**61 - 1) for k in range(1500)]
    assert not is_as_expected(values, set(values), Comparison(views=("set",)))


def test_what_the_code_says_does_not_steer_a_terminal(sandbox: Sandbox) -> None:
    source = "def f(x): raise ValueError('\x1b]0;mine\x07 \u202e \u00e9')"
    assert judge(sandbox, source, DOUBLE).detail == "ValueError: \\x1b]0;mine\\x07 \\u202e \u00e9"


@pytest.mark.parametrize(
    "source",
    [
        "print(1)\nexit()",
        "print(1)\nquit(0)",
        "\ufeffprint(1)",
        "import sys\nprint(len(sys.argv))",
        "print(int(__file__.endswith('.py')))",
    ],
)
def test_a_program_finds_what_programs_find(sandbox: Sandbox, source: str) -> None:
    assert judge(sandbox, source, (StdioTest("", "1"),)).result is Result.PASSED


def test_after_a_test_that_takes_too_long_the_others_can_be_left_out(sandbox: Sandbox) -> None:
    source = "def f(x):\n    while x == 1: pass\n    return 2 * x"
    tests = (DOUBLE[1], *DOUBLE)
    whole = judge(sandbox, source, tests, test_seconds=0.3)
    short = judge(sandbox, source, tests, test_seconds=0.3, stop_at_timeout=True)
    assert results(whole) == ["passed", "timed_out", "passed", "passed"]
    assert results(short) == ["passed", "timed_out", "timed_out", "timed_out"]
    assert whole.result is short.result is Result.TIMED_OUT
