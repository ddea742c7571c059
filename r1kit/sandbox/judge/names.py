"""Which names a piece of Python source uses, and which it makes."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable
from typing import Final

_BUILTINS: Final = frozenset(dir(builtins)) | {"__name__", "__file__"}


def used(nodes: ast.AST | Iterable[ast.AST]) -> set[str]:
    """The names that are read."""
    return {node.id for node in _walk(nodes) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def made(nodes: ast.AST | Iterable[ast.AST]) -> set[str]:
    """The names that are given a value, by whatever statement, in whatever scope."""
    found: set[str] = set()
    for node in _walk(nodes):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler):
            found.add(node.name or "")
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def called(nodes: ast.AST | Iterable[ast.AST]) -> set[str]:
    """The names that are called as functions."""
    functions = [node.func for node in _walk(nodes) if isinstance(node, ast.Call)]
    return {function.id for function in functions if isinstance(function, ast.Name)}


def unresolved(nodes: ast.AST | Iterable[ast.AST]) -> set[str]:
    """The names that are read, but are neither made nor Python's own."""
    nodes = list(_walk(nodes))
    return used(nodes) - made(nodes) - _BUILTINS


def modules_among(names: Iterable[str], nodes: ast.AST | Iterable[ast.AST]) -> set[str]:
    """Those of the names that are modules of the standard library, and of which only attributes are read."""
    names = {name for name in names if name in sys.stdlib_module_names}
    owners = {id(node.value) for node in _walk(nodes) if isinstance(node, ast.Attribute)}
    others = {node.id for node in _walk(nodes) if isinstance(node, ast.Name) and id(node) not in owners}
    return names - others


def needed_for(node: ast.AST, statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    """Those of the statements that have a part in what `node` reads, in their order."""
    names, found = used(node), []
    for statement in reversed(list(statements)):
        # A name that is read may be changed there as well: queue.append(3).
        if names & (made(statement) | used(statement)):
            names |= used(statement)
            found.append(statement)
    return found[::-1]


def _walk(nodes: ast.AST | Iterable[ast.AST]) -> Iterable[ast.AST]:
    for node in [nodes] if isinstance(nodes, ast.AST) else nodes:
        yield from ast.walk(node)
