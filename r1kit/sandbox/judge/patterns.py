"""One assert about one call: what is called, and what has to hold of its value.

Recognised, with `f` a function of the code under test and `e` an expression without it: `f(...) == e` and `e == f(...)`,
`!=`, `is` with None, True or False, `in e`; `f(...)` and `not f(...)`; `abs(f(...) - e) < t` and `<=`;
`math.isclose(f(...), e, ...)`; and all of them with `set`, `frozenset`, `sorted`, `list`, `tuple` or `len` around the call.
"""

from __future__ import annotations

import ast
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from r1kit.sandbox.judge.compare import VIEWS, Comparison, Relation
from r1kit.sandbox.judge.names import used

_EQUALITIES: Final = {ast.Eq: Relation.EQUAL, ast.NotEq: Relation.NOT_EQUAL}
_ZERO: Final = ast.Constant(0.0)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A call (or another expression, see `objects`), the views of its value, and what this is compared with.

    `expected` and the tolerances are expressions that are still to be evaluated, None where there is no such thing.
    """

    call: ast.expr
    views: tuple[str, ...] = ()
    relation: Relation = Relation.TRUE
    expected: ast.expr = _ZERO
    rel_tol: ast.expr = _ZERO
    abs_tol: ast.expr = _ZERO
    is_strict: bool = False

    def comparison(self, rel_tol: float, abs_tol: float) -> Comparison:
        """The comparison, once the tolerances are known."""
        return Comparison(self.relation, self.views, rel_tol, abs_tol, self.is_strict)


def match(test: ast.expr, code: AbstractSet[str], shadowed: AbstractSet[str] = frozenset()) -> Pattern | None:
    """What an assert's condition says of a call of one of the names in `code`, or None where it is something else.

    Views among the `shadowed` names are the test's own functions.
    """
    return read(test, Reader(code, shadowed))


def read(test: ast.expr, reader: Reader) -> Pattern | None:
    """What a condition says of the values that the reader knows."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        value = reader.value(test.operand)
        return value and replace(value, relation=Relation.FALSE)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return reader.compare(test.left, test.ops[0], test.comparators[0])
    if isinstance(test, ast.Call) and ast.unparse(test.func) in {"math.isclose", "isclose"}:
        return reader.isclose(test)
    return reader.value(test)


class Reader:
    """Knows what comes from the code under test."""

    def __init__(self, code: AbstractSet[str], shadowed: AbstractSet[str]) -> None:
        self.code = code
        self._views = VIEWS.keys() - shadowed

    def value(self, node: ast.expr) -> Pattern | None:
        """A call of the code under test, with views around it."""
        if not isinstance(node, ast.Call):
            return None
        if self._is_code(node.func):
            return Pattern(node)
        if not isinstance(node.func, ast.Name) or node.func.id not in self._views:
            return None
        if len(node.args) != 1 or node.keywords:
            return None
        inner = self.value(node.args[0])
        return inner and replace(inner, views=(node.func.id, *inner.views))

    def compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Pattern | None:
        """`f(...) == e` and the like, either way round."""
        if isinstance(operator, ast.Lt | ast.LtE):
            return self._within(left, right, is_strict=isinstance(operator, ast.Lt))
        if isinstance(operator, ast.Gt | ast.GtE):
            return self._within(right, left, is_strict=isinstance(operator, ast.Gt))
        if isinstance(operator, ast.In):
            return self._related(left, right, Relation.ONE_OF)
        if isinstance(operator, ast.Is):
            is_plain = isinstance(right, ast.Constant) and (
                right.value is None or isinstance(right.value, bool)
            )
            return self._related(left, right, Relation.IDENTICAL) if is_plain else None
        relation = _EQUALITIES.get(type(operator))
        if relation is None:
            return None
        return self._related(left, right, relation) or self._related(right, left, relation)

    def isclose(self, node: ast.Call) -> Pattern | None:
        """`math.isclose(f(...), e, rel_tol=..., abs_tol=...)`, either way round."""
        tolerances = {keyword.arg: keyword.value for keyword in node.keywords}
        if (
            len(node.args) != 2
            or not tolerances.keys() <= {"rel_tol", "abs_tol"}
            or self._uses(*tolerances.values())
        ):
            return None
        left, right = node.args
        pattern = self._related(left, right, Relation.CLOSE) or self._related(right, left, Relation.CLOSE)
        rel_tol, abs_tol = tolerances.get("rel_tol", ast.Constant(1e-9)), tolerances.get("abs_tol", _ZERO)
        return pattern and replace(pattern, rel_tol=rel_tol, abs_tol=abs_tol)

    def _within(self, distance: ast.expr, limit: ast.expr, *, is_strict: bool) -> Pattern | None:
        """`abs(f(...) - e) < t`."""
        if not isinstance(distance, ast.Call) or ast.unparse(distance.func) not in {"abs", "math.fabs"}:
            return None
        if len(distance.args) != 1 or self._uses(limit):
            return None
        (inner,) = distance.args
        if not isinstance(inner, ast.BinOp) or not isinstance(inner.op, ast.Sub):
            return None
        left, right = inner.left, inner.right
        pattern = self._related(left, right, Relation.WITHIN) or self._related(right, left, Relation.WITHIN)
        return pattern and replace(pattern, abs_tol=limit, is_strict=is_strict)

    def _related(self, ours: ast.expr, theirs: ast.expr, relation: Relation) -> Pattern | None:
        pattern = None if self._uses(theirs) else self.value(ours)
        return pattern and replace(pattern, relation=relation, expected=theirs)

    def _is_code(self, node: ast.expr) -> bool:
        """A name of the code, or a method of an object that it makes without arguments."""
        if isinstance(node, ast.Name):
            return node.id in self.code
        if isinstance(node, ast.Call):
            return not node.args and not node.keywords and self._is_code(node.func)
        return isinstance(node, ast.Attribute) and self._is_code(node.value)

    def _uses(self, *nodes: ast.expr) -> bool:
        return bool(used(nodes) & self.code)
