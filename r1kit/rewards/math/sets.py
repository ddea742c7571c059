"""Parts of the real line: do two answers, as intervals, relations, unions or lists, hold the same numbers?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key

from r1kit.rewards.math.tree import (
    INFINITY,
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
)
from r1kit.rewards.math.values.equality import same_expression, sign_of_difference, variables

_LESS = ("<", "<=")
_UNBOUNDED = Op("neg", (INFINITY,))


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
        case Interval() | NamedSet("R"):
            return answer
        case NamedSet(name):
            raise AnswerError(f"the set {name} is not a part of the line made of intervals")
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
            return Interval(low, high, low_closed=brackets == "[]", high_closed=brackets == "[]")
        case Items(("" | "{}"), items, joiner):
            conditions = (
                joiner != "or" and answer.brackets == "" and all(map(is_set, items)) and len(items) > 1
            )
            return SetOperation(
                "intersection" if conditions and _are_relations(items) else "union", tuple(map(as_set, items))
            )
    raise AnswerError("no set of numbers")


def _are_relations(items: Sequence[Answer]) -> bool:
    return all(isinstance(item, Relation) for item in items)


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
    low, high = (sides[at - 1] if at else _UNBOUNDED), (sides[at + 1] if at + 1 < len(sides) else INFINITY)
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
            yield from (end for end in (low, high) if end not in (INFINITY, _UNBOUNDED))
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
        if end in (INFINITY, _UNBOUNDED):
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
