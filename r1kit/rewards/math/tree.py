"""What an answer is once it is read: expressions, and the shapes built of them (lists, sets, relations ...).

A tree is plain data: building one computes nothing, and its size and depth are bounded by the parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeAlias

MAX_CHARS: Final = 20_000
"""The longest answer or gold that is read."""


class AnswerError(ValueError):
    """An answer cannot be read or valued: not in the grammar, over a bound, or undefined (1/0)."""


class TooLarge(AnswerError):  # noqa: N818  # reads as what it says
    """A value would be too large, too fine or too long to compute; trying elsewhere would not help."""


class SeveralCandidates(AnswerError):  # noqa: N818  # reads as what it says
    """Several answers stand where one was asked for ("7 or 8")."""


@dataclass(frozen=True, slots=True)
class Num:
    """An exact rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Based:
    """An integer with its base written out, such as 1011_2; `digits` in upper case."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Const:
    """pi, e, i or inf."""

    name: str


@dataclass(frozen=True, slots=True)
class Var:
    """A free variable; `name` may have a subscript, as in "x_1"."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An operation on expressions.

    `name`: add, mul (any number of arguments); div, pow, root (radicand, index), log (number, and base unless it
    has none), binom, perm, mod, approx (exact, rounded) (two); gcd, lcm, min, max (two or more); neg, abs, percent,
    degree, radian, factorial, floor, ceil, conj, and the functions of `spelling.FUNCTIONS` such as sin (one). re, im
    and arg come back from sympy only, pm and mp stand in a tree until `signs.checked` expands them.
    """

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Binder:
    r"""An operator that binds a variable in its body.

    `name` with `bounds`: "sum" and "prod" (first, last), "int" (lower, upper; none for an antiderivative),
    "lim", "lim+" and "lim-" (the point), "diff" (none).
    """

    name: str
    variable: str
    bounds: tuple[Node, ...]
    body: Node


Node: TypeAlias = Num | Based | Const | Var | Op | Binder

INFINITY = Const("inf")
MINUS_INFINITY = Op("neg", (INFINITY,))


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below a node."""
    match node:
        case Op(_, args):
            return args
        case Binder(_, _, bounds, body):
            return (*bounds, body)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def substitute(node: Node, point: Mapping[str, Fraction]) -> Node:
    """The expression with numbers in place of its variables; names that `point` lacks stay."""
    match node:
        case Var(name) if name in point:
            return Num(point[name])
        case Op(name, args):
            return Op(name, tuple(substitute(arg, point) for arg in args))
    return node


def replace(node: Node, name: str, value: Node) -> Node:
    """The expression with `value` in place of a variable, except where an operator binds that name anew."""
    match node:
        case Var() if node.name == name:
            return value
        case Op(operation, args):
            return Op(operation, tuple(replace(arg, name, value) for arg in args))
        case Binder(operator, variable, bounds, body):
            bounds = tuple(replace(bound, name, value) for bound in bounds)
            return Binder(
                operator, variable, bounds, body if variable == name else replace(body, name, value)
            )
    return node


def mentioned(*nodes: Node) -> set[str]:
    """The names of all variables in some expressions, bound ones too."""
    return {part.name for node in nodes for part in walk(node) if isinstance(part, Var)}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measurement as powers of base units and its size in them.

    `powers` are (base unit, exponent), sorted by name, without zeros: a km/h has (("m", 1), ("s", -1)) and the
    scale 5/18. A counted thing is a base unit of its own: "3 apples" has (("apple", 1),) and the scale 1.
    Temperatures that do not start at absolute zero are base units too ("celsius").
    """

    powers: tuple[tuple[str, int], ...]
    scale: Fraction


@dataclass(frozen=True, slots=True)
class Scalar:
    """An expression with its unit (None without one)."""

    node: Node
    unit: Unit | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """`x = value`, `f(2) = value`: counts as its value where only a value is asked for."""

    label: str
    value: Answer


@dataclass(frozen=True, slots=True)
class Relation:
    """A chain such as `0 < x <= 3`: one operator of = != < <= > >= between each two sides."""

    sides: tuple[Node, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Several answers. `brackets` is "" for a bare list, "{}" for a set, "<>" for a vector, else as written.

    `joiner` says what stands between the items: ",", "and" or "or".
    """

    brackets: str
    items: tuple[Answer, ...]
    joiner: str = ","


@dataclass(frozen=True, slots=True)
class Interval:
    """A part of the real line, or a single point of it where both ends are equal and closed."""

    low: Node
    high: Node
    low_closed: bool
    high_closed: bool


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Sets joined by "union", "intersection" or "difference"."""

    name: str
    parts: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set with a letter of its own: R, Q, Z, N or C."""

    name: str


@dataclass(frozen=True, slots=True)
class SetBuilder:
    r"""`{x | conditions}`: all values of the variable for which each condition holds."""

    variable: str
    condition: Answer


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of equal length."""

    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """`3:2`, `1:2:3`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Residue:
    r"""`x \equiv 3 \pmod 7`: the numbers that leave the same remainder."""

    value: Node
    modulus: Node


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day or a duration: `2:30 pm`, `1:05:09`. `meridiem` is "am", "pm" or "" without one."""

    hours: int
    minutes: int
    seconds: int
    meridiem: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The letter of a multiple choice, in upper case, with what is printed beside it (None: the letter alone)."""

    letter: str
    content: Answer | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """A word or name; compared letter by letter in lower case."""

    words: tuple[str, ...]


Answer: TypeAlias = (
    Scalar
    | Labelled
    | Relation
    | Items
    | Interval
    | SetOperation
    | NamedSet
    | SetBuilder
    | Matrix
    | Ratio
    | Residue
    | Time
    | Choice
    | Words
)
