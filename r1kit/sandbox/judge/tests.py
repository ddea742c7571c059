"""The tests of a problem, as its row states them.

`read_tests` takes three shapes: a list `tests` of calls (`call`, `args`, `kwargs`, `expected`) or of programs' input
and output (`stdin`, `stdout`); a `test` with its `entry_point`, as in HumanEval; a `test_list` of asserts with
`test_setup_code` and `test_imports`, as in MBPP. The source of the latter two is split by `splitting`.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from r1kit.sandbox.judge.compare import EQUAL, Comparison

# A function, or a method of a class that is made without arguments: "f", "Solution().f".
CALL: Final = re.compile(r"[^\W\d]\w*(?:\(\))?(?:\.[^\W\d]\w*(?:\(\))?)*")


@dataclass(frozen=True, slots=True)
class FunctionTest:
    """A call of the code's function, and the value that it should return."""

    call: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    expected: Any
    comparison: Comparison = EQUAL


@dataclass(frozen=True, slots=True)
class StdioTest:
    """What the program reads, and what it should print."""

    stdin: str
    stdout: str


@dataclass(frozen=True, slots=True)
class AssertTests:
    """Python source with asserts about `entry_point`, or, when that is empty, about the names it does not define.

    With an entry point, the source may define `check(candidate)`. `setup` is source that comes before it; it is the
    benchmark's, not the code's.
    """

    source: str
    entry_point: str = ""
    setup: str = ""


Tests: TypeAlias = tuple[FunctionTest, ...] | tuple[StdioTest, ...] | AssertTests


def read_tests(row: Mapping[str, Any]) -> Tests:
    """The tests of a row.

    Raises:
        ValueError: the row has none, or they are not what they should be; the text names the field.
    """
    if row.get("tests") is not None:
        return _listed_tests(row["tests"])
    if row.get("test") is not None:
        return _check_tests(row)
    if row.get("test_list") is not None:
        return _assert_list(row)
    raise ValueError(
        'no tests: one of the fields "tests", "test" (with "entry_point") and "test_list" is needed'
    )


def _listed_tests(value: object) -> Tests:
    if not isinstance(value, list) or not value:
        raise _wrong("tests", value, "a list of at least one test")
    is_stdio = [isinstance(one, dict) and "stdin" in one for one in value]
    if all(is_stdio):
        return tuple(_stdio_test(one, f"tests[{index}]") for index, one in enumerate(value))
    if any(is_stdio):
        raise ValueError('"tests" mixes calls with "stdin"; a problem has tests of one sort')
    return tuple(_function_test(one, f"tests[{index}]") for index, one in enumerate(value))


def _stdio_test(test: Mapping[str, Any], place: str) -> StdioTest:
    return StdioTest(_text(test, "stdin", place), _text(test, "stdout", place))


def _function_test(test: object, place: str) -> FunctionTest:
    if not isinstance(test, dict):
        raise _wrong(place, test, "an object")
    call = _text(test, "call", place)
    if not CALL.fullmatch(call):
        raise _wrong(f"{place}.call", call, 'a function\'s name, or a method such as "Solution().f"')
    args, kwargs = test.get("args", []), test.get("kwargs") or {}
    if not isinstance(args, list):
        raise _wrong(f"{place}.args", args, "a list")
    if not isinstance(kwargs, dict):
        raise _wrong(f"{place}.kwargs", kwargs, "an object")
    if "expected" not in test:
        raise ValueError(f'field "{place}.expected" is missing')
    tolerance = _tolerance(test.get("tolerance"), place)
    comparison = Comparison(rel_tol=tolerance, abs_tol=tolerance, as_json=True)
    return FunctionTest(call, tuple(args), kwargs, test["expected"], comparison)


def _tolerance(value: object, place: str) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise _wrong(f"{place}.tolerance", value, "a number from 0 up to 1")
    return float(value)


def _check_tests(row: Mapping[str, Any]) -> AssertTests:
    source, entry_point = _source(row, "test"), _text(row, "entry_point", "")
    if not entry_point.isidentifier():
        raise _wrong("entry_point", entry_point, "a function's name")
    return AssertTests(source, entry_point, _prompt_setup(row, entry_point))


def _prompt_setup(row: Mapping[str, Any], entry_point: str) -> str:
    """What a prompt that is code defines beside the function that is asked for, such as a helper its tests call."""
    prompt = next((row[name] for name in ("prompt", "problem") if isinstance(row.get(name), str)), "")
    try:
        body = parse(prompt).body
    except ValueError:
        return ""
    others = [node for node in body if not (isinstance(node, ast.FunctionDef) and node.name == entry_point)]
    # A question in words may happen to be Python as well; it does not define the function.
    return ast.unparse(ast.Module(others, [])) if len(others) < len(body) else ""


def _assert_list(row: Mapping[str, Any]) -> AssertTests:
    asserts = _texts(row, "test_list")
    if not asserts:
        raise _wrong("test_list", asserts, "a list of at least one assert")
    setup = "\n".join([*_texts(row, "test_imports"), _source(row, "test_setup_code")])
    for index, source in enumerate(asserts):
        _parsed(source, f"test_list[{index}]")
    return AssertTests("\n".join(asserts), setup=setup.strip())


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    value = row.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, value, "a list of strings")
    return value


def _source(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name) or ""
    if not isinstance(value, str):
        raise _wrong(name, value, "a string")
    return _parsed(value, name)


def _parsed(source: str, name: str) -> str:
    try:
        parse(source)
    except ValueError as error:
        raise ValueError(f'field "{name}" is not Python: {error}') from error
    return source


def parse(source: str) -> ast.Module:
    """The tree of a source.

    Raises:
        ValueError: it is not Python, or too deep to be read.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(source)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _text(row: Mapping[str, Any], name: str, place: str) -> str:
    value = row.get(name)
    path = f"{place}.{name}" if place else name
    if value is None:
        raise ValueError(f'field "{path}" is missing')
    if not isinstance(value, str):
        raise _wrong(path, value, "a string")
    return value


def _wrong(name: str, value: object, wanted: str) -> ValueError:
    shown = repr(value)
    return ValueError(f'field "{name}" is {shown if len(shown) <= 60 else shown[:60] + "..."}, not {wanted}')
