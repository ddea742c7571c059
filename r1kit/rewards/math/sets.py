"""Parts of the real line: do two answers, as intervals, relations, unions or lists, hold the same numbers?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from r1kit.rewards.math.tree import (
    INFINITY,
    MINUS_INFINITY,
    Answer,
    AnswerError,
    Interval,
    Items,
    Labelled,
    NamedSet,
    Node,
    Op,
    Relation,
    Scalar,
    SetBuilder,
    SetOperation,
    Var,
    walk,
)
from r1kit.rewards.math.values.equality import same_expression, sign_of_difference, variables

_LESS = ("<", "<=")
_PLAIN = frozenset(("add", "mul", "neg", "div", "abs"))


def is_set(answer: Answer) -> bool:
    """Whether an answer can only be meant as a set of numbers."""
    match answer:
        case Interval() | SetOperation() | NamedSet() | SetBuilder():
            return True
        case Relation(_, operators):
            return any(operator != "=" for operator in operators)
        case Labelled(_, value):
            return is_set(value)
        case Items(brackets, items):
            return brackets == "" and any(map(is_set, items))
    return False


def is_solved(answer: Answer) -> bool:
    """Whether an answer says which numbers it holds: 2x < 3 and |x - 1| < 3 do, x^2 > 4 leaves it to the reader."""
    match answer:
        case Relation(sides):
            return any(_stands_alone(side) for side in sides) and sum(map(bool, map(variables, sides))) == 1
        case Items(_, items):
            return all(map(is_solved, items))
        case SetBuilder(_, condition):
            return is_solved(condition)
        case SetOperation(_, parts):
            return all(map(is_solved, parts))
    return True


def _stands_alone(side: Node) -> bool:
    """Whether the variable stands once in a side, and only sums, constant factors and bars are around it."""
    parts = [part for part in walk(side) if variables(part)]
    is_plain = all(isinstance(part, Var) or (isinstance(part, Op) and part.name in _PLAIN) for part in parts)
    divides = any(isinstance(part, Op) and part.name == "div" and variables(part.args[1]) for part in parts)
    return sum(isinstance(part, Var) for part in parts) == 1 and is_plain and not divides


def same_set(gold: Answer, answer: Answer) -> bool:
    """Whether two sets of real numbers are the same; AnswerError where one cannot be worked out.

    Between two neighbouring ends, membership cannot change: it is compared at each end and in each gap.
    """
    if isinstance(gold, NamedSet) and isinstance(answer, NamedSet):
        return gold == answer
    names = _variable(gold), _variable(answer)
    if None not in names and names[0] != names[1]:
        return False
    one, two = as_set(gold), as_set(answer)
    if variables(*_ends(one), *_ends(two)):
        return _same_symbolic(one, two)
    line = _Line.of([*_ends(one), *_ends(two)])
    return all(line.holds(one, place) == line.holds(two, place) for place in line.places)


def as_set(answer: Answer) -> Answer:
    """The answer with relations, set builders and lists as intervals, points and unions of them."""
    match answer:
        case Interval():
            return _closed_where_finite(answer)
        case NamedSet():
            return _real_line(answer)
        case Scalar(node, None):
            return Interval(node, node, low_closed=True, high_closed=True)
        case Labelled(_, value):
            return as_set(value)
        case SetOperation(name, parts):
            return SetOperation(name, tuple(map(as_set, parts)))
        case SetBuilder(variable, condition):
            return _as_solutions(condition, variable)
        case Relation():
            return _as_solutions(answer, _variable(answer) or _bounded_variable(answer))
        case Items(("()" | "[]") as brackets, (Scalar(low, None), Scalar(high, None))):
            closed = brackets == "[]"
            return _closed_where_finite(Interval(low, high, low_closed=closed, high_closed=closed))
        case Items("" | "{}"):
            return _list_as_set(answer)
    raise AnswerError("no set of numbers")


def _real_line(named: NamedSet) -> NamedSet:
    if named.name != "R":
        raise AnswerError(f"the set {named.name} is not a part of the line made of intervals")
    return named


def _closed_where_finite(interval: Interval) -> Interval:
    if (interval.low == MINUS_INFINITY and interval.low_closed) or (
        interval.high == INFINITY and interval.high_closed
    ):
        raise AnswerError("an interval that is closed at infinity")
    return interval


def _list_as_set(answer: Items) -> Answer:
    """Relations side by side hold together, unless "or" stands between them; anything else is a union."""
    relations = [isinstance(item, Relation) for item in answer.items]
    together = any(relations) if answer.joiner == "and" else all(relations) and answer.joiner == ","
    is_intersection = answer.brackets == "" and together and len(relations) > 1
    return SetOperation("intersection" if is_intersection else "union", tuple(map(as_set, answer.items)))


def _as_solutions(condition: Answer, variable: str | None) -> Answer:
    if variable is None:
        raise AnswerError("a relation in several variables, or in none")
    if isinstance(condition, Items):
        name = "union" if condition.joiner == "or" else "intersection"
        return SetOperation(name, tuple(_as_solutions(item, variable) for item in condition.items))
    if isinstance(condition, Labelled) and condition.label == variable:
        return as_set(condition.value)
    if not isinstance(condition, Relation):
        return as_set(condition)
    return _bounds(condition, variable) or _solved(condition, variable)


def _bounds(relation: Relation, variable: str) -> Answer | None:
    """The interval of `x < a` or `a <= x < b`, read off; None for any other relation."""
    sides, operators = relation.sides, relation.operators
    if all(operator in (">", ">=") for operator in operators):
        sides, operators = sides[::-1], tuple("<" + operator[1:] for operator in operators[::-1])
    places = [index for index, side in enumerate(sides) if side == Var(variable)]
    if len(places) != 1 or variable in variables(*(side for side in sides if side != Var(variable))):
        return None
    if operators == ("!=",):
        point = sides[1 - places[0]]
        return SetOperation(
            "difference", (NamedSet("R"), Interval(point, point, low_closed=True, high_closed=True))
        )
    if len(sides) > 3 or not all(operator in _LESS for operator in operators):
        return None
    at = places[0]
    if len(sides) == 3 and at != 1:
        return None
    low, high = (
        (sides[at - 1] if at else MINUS_INFINITY),
        (sides[at + 1] if at + 1 < len(sides) else INFINITY),
    )
    return Interval(
        low, high, at > 0 and operators[at - 1] == "<=", at < len(operators) and operators[at] == "<="
    )


def _solved(relation: Relation, variable: str) -> Answer:
    from r1kit.rewards.math.values.solve import solution_set

    return as_set(solution_set(relation, variable))


def _variable(answer: Answer) -> str | None:
    """The one variable that an answer is about, None without one or with several."""
    match answer:
        case Relation(sides):
            names = variables(*sides)
            return names[0] if len(names) == 1 else None
        case Labelled(label):
            return label
        case Items("", items):
            names = sorted({name for item in items if (name := _variable(item))})
            return names[0] if len(names) == 1 else None
    return None


def _bounded_variable(relation: Relation) -> str | None:
    """The x of `a <= x <= b` and of `x > a`, where the ends have variables of their own."""
    alone = [side.name for side in relation.sides[:2] if isinstance(side, Var)]
    if len(relation.sides) == 3:
        middle = relation.sides[1]
        return middle.name if isinstance(middle, Var) else None
    usual = [name for name in alone if name in ("x", "y", "z", "t")]
    return next(iter(usual or alone), None)


def _ends(answer: Answer) -> Iterator[Node]:
    match answer:
        case Interval(low, high):
            yield from (end for end in (low, high) if end not in (INFINITY, MINUS_INFINITY))
        case SetOperation(_, parts):
            for part in parts:
                yield from _ends(part)


def _same_symbolic(gold: Answer, answer: Answer) -> bool:
    """Intervals with variables in their ends: end by end."""
    if not (isinstance(gold, Interval) and isinstance(answer, Interval)):
        raise AnswerError("variables in a set that is no interval")
    same_ends = (gold.low_closed, gold.high_closed) == (answer.low_closed, answer.high_closed)
    return same_ends and same_expression(gold.low, answer.low) and same_expression(gold.high, answer.high)


@dataclass(frozen=True, slots=True)
class _Line:
    """The ends of some intervals in order. Place 2k + 1 is the k-th end, the even places are the gaps around them."""

    ends: list[Node]

    @classmethod
    def of(cls, ends: Sequence[Node]) -> _Line:
        kept: list[Node] = []
        for end in sorted(dict.fromkeys(ends), key=cmp_to_key(sign_of_difference)):
            if not kept or sign_of_difference(kept[-1], end):
                kept.append(end)
        return cls(kept)

    @property
    def places(self) -> range:
        return range(2 * len(self.ends) + 1)

    def place_of(self, end: Node) -> int:
        if end in (INFINITY, MINUS_INFINITY):
            return len(self.places) if end == INFINITY else -1
        return next(
            2 * k + 1
            for k, known in enumerate(self.ends)
            if known == end or not sign_of_difference(known, end)
        )

    def holds(self, answer: Answer, place: int) -> bool:
        match answer:
            case Interval(low, high, low_closed, high_closed):
                first, last = self.place_of(low), self.place_of(high)
                return (
                    first < place < last
                    or (place == first and low_closed and (place < last or high_closed))
                    or (place == last and high_closed and (place > first or low_closed))
                )
            case NamedSet():
                return True
            case SetOperation("union", parts):
                return any(self.holds(part, place) for part in parts)
            case SetOperation("intersection", parts):
                return all(self.holds(part, place) for part in parts)
            case SetOperation("difference", (first_part, *rest)):
                return self.holds(first_part, place) and not any(self.holds(part, place) for part in rest)
        raise AnswerError("no set of numbers")
