"""From the parts of a source to tests that can be run: the data in it is evaluated, once, in a jail.

Literals are read here. Everything else (`"a" * 10`, `list(range(5))`, a helper of the setup) is the benchmark's code and
is run in a jail of its own, from which plain values come back. A part whose arguments are no plain data, such as
objects of the code's own classes, becomes an `InsideTest`, which is weak; a part whose expected value is none is
judged by the benchmark's own source.
"""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from r1kit.core.errors import SandboxError
from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.values import decode, has_opaque
from r1kit.sandbox.judge.code import Starter
from r1kit.sandbox.judge.compare import Comparison
from r1kit.sandbox.judge.names import needed_for
from r1kit.sandbox.judge.patterns import Pattern
from r1kit.sandbox.judge.settling import settled
from r1kit.sandbox.judge.splitting import Part, Splitting, split
from r1kit.sandbox.judge.tests import AssertTests, FunctionTest, StdioTest, Tests, parse
from r1kit.sandbox.outcome import Ending

MOST_CACHED: Final = 4096
_PACK: Final = ast.parse("lambda *args, **kwargs: (args, kwargs)", mode="eval").body


@dataclass(frozen=True, slots=True)
class InsideTest:
    """A call whose arguments are made beside the code, by `setup` and in `expression`; it does not say what is expected."""

    setup: str
    expression: str
    expected: Any
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class JudgedTest:
    """A benchmark's own source, to be run in a jail of its own; `names` are what it calls of the code under test."""

    setup: str
    source: str
    names: Mapping[str, str]


Test: TypeAlias = FunctionTest | StdioTest | InsideTest | JudgedTest


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tests that can be run, and how many of them are weak."""

    tests: tuple[Test, ...]
    num_weak: int = 0


def prepare(sandbox: Starter, tests: Tests) -> Prepared:
    """The tests of a problem, ready to run; the same `AssertTests` are prepared once in a process.

    Raises:
        ValueError: their source is not Python.
        SandboxError, OSError: the jail that their data needs did not start.
    """
    if not isinstance(tests, AssertTests):
        return Prepared(tests)
    with _lock:
        if tests in _prepared:
            return _prepared[tests]
    try:
        prepared = _prepare(sandbox, split(tests), tests.entry_point)
    except RecursionError as error:
        raise ValueError("the tests' source is nested too deep") from error
    with _lock:
        if len(_prepared) >= MOST_CACHED:
            _prepared.pop(next(iter(_prepared)))
        _prepared[tests] = prepared
    return prepared


def _prepare(sandbox: Starter, splitting: Splitting, entry_point: str) -> Prepared:
    data = _literals(splitting.parts)
    wanted = [index for index, part in enumerate(splitting.parts) if part.pattern and index not in data]
    if wanted:
        data |= _evaluated(sandbox, splitting, wanted)
    tests = [
        _test(splitting, part, data.get(index, _Data()), entry_point)
        for index, part in enumerate(splitting.parts)
    ]
    is_weak = (
        isinstance(one, InsideTest) or part.is_weak for one, part in zip(tests, splitting.parts, strict=True)
    )
    return Prepared(tuple(tests), sum(is_weak))


@dataclass(frozen=True, slots=True)
class _Data:
    """The values of one part: `call` is (args, kwargs), `others` (expected, rel_tol, abs_tol); None: not plain data."""

    call: Any = None
    others: Any = None


def _literals(parts: tuple[Part, ...]) -> dict[int, _Data]:
    found = {}
    for index, part in enumerate(parts):
        if part.pattern is not None:
            try:
                call = None if part.is_beside else _literal_call(part.pattern.call)
                others = _literal_others(part.pattern)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            # An Ellipsis is a literal, too.
            if not has_opaque(decode(encode([call, others]))):
                found[index] = _Data(call, others)
    return found


def _literal_call(call: ast.expr) -> Any:
    if not isinstance(call, ast.Call):
        raise TypeError("no call")
    args = [ast.literal_eval(node) for node in call.args]
    return args, {_keyword(keyword): ast.literal_eval(keyword.value) for keyword in call.keywords}


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        raise ValueError("**kwargs is no literal")
    return keyword.arg


def _literal_others(pattern: Pattern) -> Any:
    return tuple(ast.literal_eval(node) for node in (pattern.expected, pattern.rel_tol, pattern.abs_tol))


def _evaluated(sandbox: Starter, splitting: Splitting, wanted: list[int]) -> dict[int, _Data]:
    # The setup may make objects of classes that only the code has; what does not need them can do without.
    setup = ast.unparse(ast.Module([_attempt(one) for one in parse(splitting.frame.setup).body], []))
    source = setup + "\n" + splitting.frame.source(_emissions(splitting, wanted), "None")
    with sandbox.start() as session:
        reply = session.ask({"collect": source})
        outcome = session.close()
    if outcome.ending is Ending.SANDBOX_ERROR:
        raise SandboxError(
            f"the data of a problem's tests could not be evaluated in the sandbox: {outcome.detail}"
        )
    values = (reply or {}).get("values", {})
    return {
        index: _Data(_plain(values, f"call{index}"), _plain(values, f"others{index}")) for index in wanted
    }


def _plain(values: Mapping[str, Any], name: str) -> Any:
    """The value of that name, or None where there is none or it is not plain through and through."""
    try:
        value = decode(values[name])
    except (KeyError, ValueError):
        return None
    return None if has_opaque(value) else value


def _emissions(splitting: Splitting, wanted: list[int]) -> Iterator[ast.stmt]:
    """The statements of the source, with the data of each part emitted where its assert stands."""
    num_done = 0
    for index in wanted:
        part = splitting.parts[index]
        if part.pattern is None:
            continue
        # Each may fail alone: what follows may not need it, and says so itself where it does.
        yield from map(_attempt, part.before[num_done:])
        num_done = len(part.before)
        call = part.pattern.call
        if isinstance(call, ast.Call) and not part.is_beside:
            packed = ast.Call(_PACK, call.args, call.keywords)
            yield _attempt(_emission(f"call{index}", packed))
        others = ast.Tuple([part.pattern.expected, part.pattern.rel_tol, part.pattern.abs_tol], ast.Load())
        yield _attempt(_emission(f"others{index}", others))


def _emission(name: str, value: ast.expr) -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name("__emit__", ast.Load()), [ast.Constant(name), value], []))


def _attempt(statement: ast.stmt) -> ast.stmt:
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [ast.Pass()])
    return ast.Try([statement], [handler], [], [])


def _test(splitting: Splitting, part: Part, data: _Data, entry_point: str) -> Test:
    frame, pattern = splitting.frame, part.pattern
    if pattern is None or data.others is None:
        statements = part.statement if not isinstance(part.statement, ast.stmt) else [part.statement]
        source = frame.source([*part.before, *statements], entry_point)
        return JudgedTest(frame.setup, settled(source), frame.code)
    expected, rel_tol, abs_tol = data.others
    comparison = pattern.comparison(rel_tol, abs_tol)
    if data.call is not None and isinstance(pattern.call, ast.Call):
        args, kwargs = data.call
        return FunctionTest(
            _renamed(pattern.call.func, frame.code), tuple(args), kwargs, expected, comparison
        )
    needed = list(part.before) if part.is_beside else needed_for(pattern.call, part.before)
    top = needed_for(ast.Module([*needed, ast.Expr(pattern.call)], []), frame.top)
    aliases = "".join(f"{alias} = {name}\n" for alias, name in frame.code.items() if alias != name)
    setup = "\n".join([frame.setup, aliases, ast.unparse(ast.Module([*top, *needed], []))])
    return InsideTest(setup, ast.unparse(pattern.call), expected, comparison)


def _renamed(function: ast.expr, code: Mapping[str, str]) -> str:
    """The source of what is called, by the name that it has in the code under test."""
    source = ast.unparse(function)
    name = next(one for one in code if re.match(rf"{re.escape(one)}\b", source))
    return code[name] + source[len(name) :]


_prepared: dict[AssertTests, Prepared] = {}
_lock = threading.Lock()
