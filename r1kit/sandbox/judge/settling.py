"""Where a test's own source gets to see what the code did to its arguments: after the statement that calls it.

In `assert f(xs) == sorted(xs)` Python calls f first. Code that empties xs and returns an empty list would pass, so
within a statement the source keeps the lists that it had; after it, they are as the call left them.
"""

from __future__ import annotations

import ast
from typing import Final

from r1kit.sandbox.judge.tests import parse

SETTLE: Final = "__settle__"
_BODIES: Final = ("body", "orelse", "finalbody", "handlers", "cases")


def settled(source: str) -> str:
    """`source` with a call of `__settle__` after each statement that calls something, and first in what it heads.

    Raises:
        ValueError: it is not Python.
    """
    tree = _Settling().visit(parse(source))
    return ast.unparse(ast.fix_missing_locations(tree))


class _Settling(ast.NodeTransformer):
    """Every list of statements in the tree, however deep."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """The node with its lists of statements settled."""
        calls = isinstance(node, ast.stmt) and _head_calls(node)
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements:
                setattr(node, name, [*([_settle()] if calls else []), *_with_settling(statements)])
        return node


def _with_settling(statements: list[ast.stmt]) -> list[ast.stmt]:
    settled_: list[ast.stmt] = []
    for statement in statements:
        settled_.append(statement)
        if _head_calls(statement) and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            settled_.append(_settle())
    return settled_


def _head_calls(node: ast.AST) -> bool:
    """Whether a statement calls something by itself, outside of the statements that it holds."""
    heads = (value for name, value in ast.iter_fields(node) if name not in _BODIES)
    parts = (part for head in heads for part in (head if isinstance(head, list) else [head]))
    return any(
        isinstance(inner, ast.Call) for part in parts if isinstance(part, ast.AST) for inner in ast.walk(part)
    )


def _settle() -> ast.stmt:
    return ast.Expr(ast.Call(ast.Name(SETTLE, ast.Load()), [], []))
