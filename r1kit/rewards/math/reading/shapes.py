"""Puts together what stands side by side: lists, relations, quantities, brackets, matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final, TypeGuard

from r1kit.rewards.math.reading.signs import MAX_ITEMS
from r1kit.rewards.math.tree import (
    Answer,
    AnswerError,
    Based,
    Binder,
    Const,
    Interval,
    Items,
    Labelled,
    Matrix,
    NamedSet,
    Node,
    Num,
    Op,
    Relation,
    Residue,
    Scalar,
    SetBuilder,
    SetOperation,
    Unit,
    Var,
)

_MATRICES: Final = frozenset(("pmatrix", "bmatrix", "matrix", "array", "smallmatrix", "Bmatrix"))
_CALLS_OF_ONE: Final = frozenset(("floor", "ceil", "abs"))


def is_node(value: Any) -> TypeGuard[Node]:
    """Whether a value is an expression and not another kind of answer."""
    return isinstance(value, Num | Based | Const | Var | Op | Binder)


def are_variables(items: Sequence[Answer]) -> bool:
    """Whether all items are plain variables, as on the left of `(a, b) = (1, 2)`."""
    return all(isinstance(item, Scalar) and isinstance(item.node, Var) for item in items)


def bare_list(items: Sequence[Answer], joiners: Sequence[str]) -> Answer:
    """Several answers with COMMA, AND or OR between them; "1 hour and 30 minutes" is one."""
    joiner = "or" if "OR" in joiners else "and" if "AND" in joiners else ","
    if joiner == "or" and len(set(joiners)) > 1 and all(isinstance(item, Labelled) for item in items):
        return Items("", tuple(_solutions(items, joiners)), joiner)
    items = _with_repeated_relation(items)
    measured = [item for item in items if isinstance(item, Scalar) and item.unit]
    if (
        joiner == "and"
        and len(measured) == len(items)
        and _descends([item.unit for item in measured if item.unit])
    ):
        return _added(measured)
    return Items("", tuple(items), joiner)


def _solutions(items: Sequence[Answer], joiners: Sequence[str]) -> Iterator[Answer]:
    """`x = 1, y = 2 or x = 2, y = 1` as one tuple a solution."""
    solution: list[Answer] = []
    for item, joiner in zip(items, [*joiners, "OR"], strict=True):
        solution.append(item)
        if joiner == "OR":
            yield Items("()", tuple(solution)) if len(solution) > 1 else solution[0]
            solution = []


def _with_repeated_relation(items: Sequence[Answer]) -> Sequence[Answer]:
    """`x != 1, 2` as x != 1, x != 2."""
    first = items[0]
    if not (isinstance(first, Relation) and first.operators == ("!=",)):
        return items
    return [
        Relation((first.sides[0], item.node), first.operators) if isinstance(item, Scalar) else item
        for item in items
    ]


def mentions(answers: Sequence[Any], variable: str) -> bool:
    """Whether a variable occurs anywhere in some answers."""
    return any(f"Var(name={variable!r})" in repr(answer) for answer in answers)


def residue(value: Answer, modulus: Node) -> Residue:
    r"""`x \equiv 3` or `3` with its modulus; AnswerError for anything else before one."""
    match value:
        case Scalar(node, None):
            return Residue(node, modulus)
        case Relation((Var(), node), ("equiv",)):
            return Residue(node, modulus)
    raise AnswerError("a modulus behind something else than a congruence")


def _descends(units: Sequence[Unit]) -> bool:
    """Whether units of one kind get smaller, as in feet and inches."""
    return all(large.powers == small.powers and large.scale > small.scale for large, small in pairwise(units))


def measured(values: Sequence[Node], units: Sequence[Unit | None]) -> Scalar:
    """A number with its unit, or several that add up ("5 feet 3 inches")."""
    scalars = [Scalar(value, unit) for value, unit in zip(values, units, strict=True)]
    if len(scalars) == 1:
        return scalars[0]
    if None in units or not _descends([unit for unit in units if unit]):
        raise AnswerError("several quantities side by side")
    return _added(scalars)


def _added(scalars: Sequence[Scalar]) -> Scalar:
    smallest = scalars[-1].unit
    terms = [
        Op("mul", (scalar.node, Num(scalar.unit.scale / smallest.scale)))
        for scalar in scalars
        if scalar.unit and smallest
    ]
    return Scalar(Op("add", tuple(terms)), smallest)


def approximated(exact: Answer, remark: Answer) -> Answer:
    """An exact value with its rounded one behind it, which must be close to it."""
    match exact, remark:
        case Scalar(node, unit), Scalar(rounded, other) if other in (None, unit):
            return Scalar(Op("approx", (node, rounded)), unit)
    raise AnswerError("an approximation of something that is no number")


def relation(sides: Sequence[Answer], operators: Sequence[str]) -> Answer:
    """What a chain of sides says: `x = value`, a tuple of variables and their values, an equation, inequalities."""
    if "equiv" in operators and len(operators) > 1:
        raise AnswerError("a chain of congruences")
    if operators[0] == "=":
        first, rest = sides[0], sides[1:]
        right = rest[0] if len(rest) == 1 else None
        if (
            isinstance(first, Items)
            and first.items
            and are_variables(first.items)
            and isinstance(right, Items)
        ):
            return _named_values(first, right)
        if right is not None and _is_variable(right) and not _is_variable(first):
            first, right = right, first
        if all(isinstance(side, Matrix) for side in sides):
            if "Var(" not in repr(sides[0]):
                raise AnswerError("an equation between matrices of numbers")
            return sides[-1]
        if isinstance(first, Scalar) and first.node in (Const("e"), Const("i")) and right is not None:
            return Labelled(first.node.name, right)
        values = rest if right is None else [right]
        if (
            isinstance(first, Scalar)
            and isinstance(first.node, Var)
            and not mentions(values, first.node.name)
        ):
            value = relation(rest, operators[1:]) if right is None else right
            return Labelled(first.node.name, value)
    nodes = tuple(side.node for side in sides if isinstance(side, Scalar) and side.unit is None)
    if len(nodes) < len(sides):
        raise AnswerError("a relation between things that are no plain numbers")
    return Relation(nodes, tuple(operators))


def _named_values(names: Items, values: Items) -> Items:
    """`(x, y) = (1, 2)` as the tuple of x = 1 and y = 2."""
    if len(names.items) != len(values.items):
        raise AnswerError("as many names as values are needed")
    labels = [
        item.node.name for item in names.items if isinstance(item, Scalar) and isinstance(item.node, Var)
    ]
    return replace(values, items=tuple(map(Labelled, labels, values.items)))


def _is_variable(side: Answer | None) -> bool:
    return isinstance(side, Scalar) and isinstance(side.node, Var)


def bracketed(brackets: str, value: Any) -> Any:
    """What stands in brackets: an expression, a tuple, an interval, or what the brackets only enclose."""
    if isinstance(value, Items) and value.brackets == "" and value.joiner == ",":
        return _tuple_or_interval(brackets, value.items)
    if brackets not in ("()", "[]"):
        raise AnswerError(f"a single value between {brackets[0]} and {brackets[1]}")
    if isinstance(value, Scalar) and value.unit is None:
        return value.node
    if brackets == "[]" and not isinstance(value, Items):
        raise AnswerError("square brackets around something that is no number")
    return value if brackets == "()" else Items("[]", (value,))


def _tuple_or_interval(brackets: str, items: Sequence[Answer]) -> Answer:
    if brackets in ("()", "[]"):
        return Items(brackets, tuple(items))
    ends = [item.node for item in items if isinstance(item, Scalar) and item.unit is None]
    if len(ends) != 2 or len(items) != 2:
        raise AnswerError("an interval without two ends")
    return Interval(ends[0], ends[1], brackets[0] == "[", brackets[1] == "]")


def unwrapped(value: Any) -> Any:
    """What stands in a TeX group: an expression as such, anything else as it is."""
    return value.node if isinstance(value, Scalar) and value.unit is None else value


def call(name: str, args: tuple[Node, ...]) -> Node:
    """A function written with its arguments in brackets; AnswerError for a wrong number of them."""
    if name == "binom" and len(args) != 2:
        raise AnswerError("a binomial of something else than two numbers")
    if name in _CALLS_OF_ONE and len(args) != 1:
        raise AnswerError(f"{name} of several numbers")
    return Op(name, args)


def restricted(builder: SetBuilder, members: Answer) -> Answer:
    """The values that a set builder lets pass, out of a set of its own."""
    return builder if members == NamedSet("R") else SetOperation("intersection", (members, builder))


def matrix(begin: str, rows: Sequence[Sequence[Answer]], end: str) -> Answer:
    """A matrix, or the list that a system of `cases` is; AnswerError for an environment that is none, and for rows of different lengths."""
    name = begin.removeprefix("begin{").removesuffix("}")
    if name == "cases" == end.removeprefix("end{").removesuffix("}") and all(len(row) == 1 for row in rows):
        return bare_list([row[0] for row in rows], ["AND"] * (len(rows) - 1))
    if name not in _MATRICES or end != f"end{{{name}}}":
        raise AnswerError(f"environment {name!r} is not supported")
    if len({len(row) for row in rows}) != 1 or sum(map(len, rows)) > MAX_ITEMS:
        raise AnswerError(f"not a matrix of at most {MAX_ITEMS} entries")
    return Matrix(tuple(map(tuple, rows)))


def scaled(factor: Node, value: Matrix) -> Matrix:
    """A number times a matrix."""
    return Matrix(tuple(tuple(_times(factor, entry) for entry in row) for row in value.rows))


def _times(factor: Node, entry: Answer) -> Scalar:
    if not isinstance(entry, Scalar):
        raise AnswerError("a number times something that is no number")
    return Scalar(Op("mul", (factor, entry.node)), entry.unit)
