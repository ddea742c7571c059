"""Asserts taken apart into calls and expected values, so that only the calls go into the jail of the code.

An assert about one call becomes a `Part` with a pattern; the data around it is evaluated later, elsewhere (`prepare`).
What cannot be split (a loop, an assert about several calls, a helper function) becomes a part with a source, to be
run in a jail of its own. Statements that prepare data come along with the parts that follow them. What
speaks of no call is no test: `assert True` is left away.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from r1kit.sandbox.judge.names import called, made, modules_among, unresolved, used
from r1kit.sandbox.judge.objects import steps
from r1kit.sandbox.judge.patterns import Pattern, match
from r1kit.sandbox.judge.tests import AssertTests, parse


@dataclass(frozen=True, slots=True)
class Part:
    """One test of a source: `statement`, after the statements that prepare its data.

    `pattern` is None where it cannot be split. `is_weak` says that the code under test is asked for what it is
    compared with, `is_beside` that the statements have to run where the code is.
    """

    statement: ast.stmt | Sequence[ast.stmt]
    before: Sequence[ast.stmt]
    pattern: Pattern | None = None
    is_weak: bool = False
    is_beside: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around the asserts: the setup, the top of the source, and `check(candidate)` when it has one.

    `code` maps each name by which the tests call the code under test to the name it has there.
    """

    setup: str
    top: Sequence[ast.stmt]
    body: Sequence[ast.stmt]
    check: ast.FunctionDef | None
    code: Mapping[str, str]

    def source(self, statements: Iterable[ast.stmt], candidate: str) -> str:
        """The program that runs these statements in place of the asserts, with `candidate` to be checked."""
        body = list(statements) or [ast.Pass()]
        if self.check is None:
            return _unparse([*self.top, *body])
        check = ast.FunctionDef(self.check.name, self.check.args, body, [])
        return f"{_unparse([*self.top, check])}\n{check.name}({candidate})\n"


@dataclass(frozen=True, slots=True)
class Splitting:
    """A source, taken apart."""

    frame: Frame
    parts: tuple[Part, ...]


@functools.lru_cache(maxsize=4096)
def split(tests: AssertTests) -> Splitting:
    """The parts of a source's tests, in their order.

    Raises:
        ValueError: the source is not Python.
    """
    frame = _frame(tests)
    if not _checks(frame):
        return Splitting(frame, ())
    if used(frame.top) & frame.code.keys():
        return Splitting(frame, (_whole(frame),))
    return Splitting(frame, _parts(frame))


def _checks(frame: Frame) -> bool:
    """Whether anything in the source can fail for what the code returns: an assert, a raise, or a method like assertEqual."""
    trees = (*parse(frame.setup).body, *frame.top, *frame.body)
    return any(
        isinstance(node, ast.Assert | ast.Raise)
        or (isinstance(node, ast.Attribute) and node.attr.startswith("assert"))
        for tree in trees
        for node in ast.walk(tree)
    )


def _frame(tests: AssertTests) -> Frame:
    module, setup = parse(tests.source).body, parse(tests.setup).body
    missing = unresolved([*setup, *module])
    modules = modules_among(missing - {tests.entry_point}, [*setup, *module])
    code = {name: name for name in missing - modules}
    if not code and not tests.entry_point:
        # The function has the name of one of Python's own, such as sum.
        code = {name: name for name in called(module)}
    check = next((node for node in reversed(module) if _is_check(node)), None) if tests.entry_point else None
    imports = "".join(f"import {name}\n" for name in sorted(modules))
    if not isinstance(check, ast.FunctionDef):
        return Frame(imports + tests.setup, (), module, None, code)
    top = [node for node in module if node is not check and not _calls(node, check.name)]
    # The prompt may define it as well, without a body.
    code |= {tests.entry_point: tests.entry_point, check.args.args[0].arg: tests.entry_point}
    return Frame(imports + tests.setup, top, check.body, check, code)


def _is_check(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "check" and bool(node.args.args)


def _calls(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name in used(node.value.func)


def _parts(frame: Frame) -> tuple[Part, ...]:
    code = frame.code.keys()
    shadowed = made([*parse(frame.setup).body, *frame.top, *frame.body])
    if (of_objects := steps(list(frame.body), code, shadowed)) is not None:
        return tuple(
            Part(statement, before, pattern, is_weak=True, is_beside=True)
            for statement, before, pattern in of_objects
        )
    parts: list[Part] = []
    before: list[ast.stmt] = []
    touched: set[str] = set()
    for index, statement in enumerate(frame.body):
        if used(statement) & code:
            if not _stands_alone(statement, frame.body[index + 1 :]):
                return (_whole(frame),)
            touched |= used(statement) - code
            pattern = match(statement.test, code, shadowed) if isinstance(statement, ast.Assert) else None
            parts.append(Part(statement, tuple(before), pattern, _is_weak(statement, frame)))
        elif _may_end(statement):
            return (_whole(frame),)
        elif not isinstance(statement, ast.Assert):
            before.append(statement)
        elif used(statement) & touched:
            # It looks at what a call may have changed.
            return (_whole(frame),)
    return tuple(parts)


def _stands_alone(statement: ast.stmt, later: Sequence[ast.stmt]) -> bool:
    """Whether nothing that follows needs what this statement does."""
    if not isinstance(statement, ast.Assert | ast.For | ast.While | ast.If | ast.With | ast.Try):
        return False
    return not _may_end(statement) and not made(statement) & used(later)


def _may_end(statement: ast.stmt) -> bool:
    """Whether the tests may end here; a function that is defined here ends but itself."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return any(isinstance(node, ast.Return | ast.Raise | ast.Yield) for node in ast.walk(statement))


def _whole(frame: Frame) -> Part:
    is_weak = any(_is_weak(statement, frame) for statement in frame.body)
    return Part(tuple(frame.body), (), None, is_weak)


def _is_weak(statement: ast.stmt, frame: Frame) -> bool:
    """Whether the code is compared with its own word: with another function of it, or with itself."""
    code = frame.code.keys()
    if len({frame.code[name] for name in used(statement) & code}) > 1:
        return True
    return any(
        isinstance(node, ast.Compare) and all(used(side) & code for side in (node.left, *node.comparators))
        for node in ast.walk(statement)
    )


def _unparse(statements: Iterable[ast.stmt]) -> str:
    return ast.unparse(ast.fix_missing_locations(ast.Module(list(statements), [])))
