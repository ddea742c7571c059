"""What an answer is once it is read: expressions, and the shapes built of them (lists, tuples, matrices ...)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


class AnswerError(ValueError):
    """An answer cannot be read or valued: not in the grammar, over a bound, or undefined (1/0)."""


class TooLarge(AnswerError):  # noqa: N818  # reads as what it says
    """A value would be too large, too fine or too long to compute; trying elsewhere would not help."""


@dataclass(frozen=True, slots=True)
class Num:
    """An exact rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Based:
    """An integer with its base written out, such as 1011_2."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Const:
    """pi, e, i or inf."""

    name: str


@dataclass(frozen=True, slots=True)
class Var:
    """A free variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operation on expressions; `name` is a key of `evaluate.EXACT` or `evaluate.SYMBOLIC`."""

    name: str
    args: tuple[Node, ...]


Node: TypeAlias = Num | Based | Const | Var | Op

INFINITY = Const("inf")


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    if isinstance(node, Op):
        for arg in node.args:
            yield from walk(arg)


def substitute(node: Node, point: Mapping[str, Fraction]) -> Node:
    """The expression with numbers in place of its variables."""
    match node:
        case Var(name):
            return Num(point[name])
        case Op(name, args):
            return Op(name, tuple(substitute(arg, point) for arg in args))
    return node


@dataclass(frozen=True, slots=True)
class Scalar:
    """An expression, with its unit in a normal form ("" without one)."""

    node: Node
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """`x = value`: counts as its value where only a value is asked for."""

    name: str
    value: Answer


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = right` in one or more variables."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Items:
    """Several answers. `brackets` is "" for a bare list, "{}" for a set, else as written: "()", "[)", ..."""

    brackets: str
    items: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Union:
    """Intervals or sets joined by a cup; their order does not matter."""

    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A word or name; compared letter by letter in lower case."""

    words: tuple[str, ...]


Answer: TypeAlias = Scalar | Named | Equation | Items | Union | Matrix | Words
