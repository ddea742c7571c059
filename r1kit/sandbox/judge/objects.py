"""Tests of objects that the code makes: `s = Stack()`, `s.push(1)`, `assert s.pop() == 1`.

An object does not cross, so what is done with it is done beside the code, and only the value that an assert looks at
comes out; what is expected of it stays outside. Such tests are weak: they run where the code can reach them.
"""

from __future__ import annotations

import ast
from collections.abc import Set as AbstractSet
from typing import Final

from r1kit.sandbox.judge.names import made, used
from r1kit.sandbox.judge.patterns import Pattern, Reader, read

_LEAPS: Final = (ast.Return, ast.Raise, ast.Assert, ast.Yield)

Step = tuple[ast.stmt, tuple[ast.stmt, ...], Pattern]
"""An assert, the statements before it, and what it says."""


def steps(body: list[ast.stmt], code: AbstractSet[str], shadowed: AbstractSet[str]) -> list[Step] | None:
    """The asserts of a source that looks into objects of the code, or None for every other source.

    Asserts before another one are done again for what they change, and cannot fail there.
    """
    ours = _names_of_ours(body, code)
    if not any(_looks_inside(node, ours) for statement in body for node in ast.walk(statement)):
        return None
    found: list[Step] = []
    before: list[ast.stmt] = []
    for statement in body:
        if not isinstance(statement, ast.Assert):
            if any(isinstance(node, _LEAPS) for node in ast.walk(statement)):
                return None
            before.append(statement)
        elif used(statement) & ours:
            pattern = read(statement.test, _ObjectReader(ours, shadowed))
            if pattern is None:
                return None
            found.append((statement, tuple(before), pattern))
            before.append(ast.Expr(pattern.call))
    return found or None


def _names_of_ours(body: list[ast.stmt], code: AbstractSet[str]) -> set[str]:
    """The names of the code under test, and those that the tests give to what comes from it."""
    ours = set(code)
    for statement in body:
        if used(statement) & ours:
            ours |= made(statement)
    return ours


def _looks_inside(node: ast.AST, ours: AbstractSet[str]) -> bool:
    """Whether it is an attribute of something of ours, other than of an object made without arguments to call it."""
    if not isinstance(node, ast.Attribute):
        return False
    owner = node.value
    if (
        isinstance(owner, ast.Call)
        and isinstance(owner.func, ast.Name)
        and not (owner.args or owner.keywords)
    ):
        return False
    return bool(used(owner) & ours)


class _ObjectReader(Reader):
    """Takes any expression with a name of ours for what is called."""

    def value(self, node: ast.expr) -> Pattern | None:
        """The expression, with views around it."""
        within = super().value(node)
        if within is not None:
            return within
        return Pattern(node) if used(node) & self.code else None
