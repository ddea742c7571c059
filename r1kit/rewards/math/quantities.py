"""Numbers with their signs and units: percent, degrees, bases, measures, money, ratios and times."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.reading.numerals import read_based
from r1kit.rewards.math.reading.units import conversion_factor, parse_unit
from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Based,
    Const,
    Node,
    Num,
    Op,
    Ratio,
    Residue,
    Scalar,
    Time,
    Unit,
    Var,
    walk,
)
from r1kit.rewards.math.values.equality import same_expression

_NOON: Final = 12
_ZERO: Final = Num(Fraction(0))
_SIGNS: Final = frozenset(("percent", "degree", "radian"))


def same_quantity(gold: Scalar, answer: Scalar) -> bool:
    """Whether two numbers are the same, with their units converted.

    A unit, a percent or degree sign and a base may be missing on one side, but not contradict. A bare letter
    behind a number is a unit where the gold has one: "5 m" for 5 metres.
    """
    factor = conversion_factor(gold.unit, answer.unit)
    if factor is None or _sign_faces_unit(gold, answer) or _sign_faces_unit(answer, gold):
        return False
    if answer.unit is None and gold.unit is not None:
        as_unit = _with_letter_as_unit(answer.node)
        if as_unit is not None:
            return same_quantity(gold, as_unit)
    node = answer.node if factor == 1 else Op("mul", (answer.node, Num(factor)))
    return any(same_expression(one, two) for one, two in _readings(gold.node, node))


def _sign_faces_unit(one: Scalar, two: Scalar) -> bool:
    """Whether the one has a sign such as % and the other a unit: 5 % is not 5 cm."""
    return two.unit is not None and _has_sign(one.node)


def _readings(gold: Node, answer: Node) -> Iterator[tuple[Node, Node]]:
    """Both expressions, and then without a sign or base that only one of them has."""
    yield gold, answer
    for one in _bared(gold, answer):
        yield one, answer
    for two in _bared(answer, gold):
        yield gold, two


def _bared(node: Node, other: Node) -> Iterator[Node]:
    """What is left of an expression without a sign %, degree or base that the other lacks."""
    match node:
        case Op("neg", (inner,)):
            yield from (Op("neg", (bare,)) for bare in _bared(inner, other))
        case Op("percent", (inner,)) if not _has_sign(other):
            yield inner
        case Op("degree", (inner,)) if not _has_sign(other) and Const("pi") not in walk(inner):
            yield inner
        case Based(digits) if not _has_base(other) and digits.isdecimal():
            yield Num(Fraction(digits))
        case Var(name) if _has_base(other) and name[1:2] == "_" and name[2:].isdecimal():
            # D_{16} is a variable, but for a gold in another base.
            yield read_based(name)


def _has_sign(node: Node) -> bool:
    return any(isinstance(part, Op) and part.name in _SIGNS for part in walk(node))


def _has_base(node: Node) -> bool:
    return any(isinstance(part, Based) for part in walk(node))


def _with_letter_as_unit(node: Node) -> Scalar | None:
    match node:
        case Op("mul", (*factors, Var(letter))) if len(letter) == 1:
            unit = _unit_of(letter)
            value = factors[0] if len(factors) == 1 else Op("mul", tuple(factors))
            return None if unit is None else Scalar(value, unit)
    return None


def _unit_of(letter: str) -> Unit | None:
    try:
        return parse_unit([letter])
    except AnswerError:
        return None


def same_residue(gold: Residue, answer: Residue | Scalar) -> bool:
    """Whether two residue classes are the same; a number alone is its class for the gold's modulus."""
    if isinstance(answer, Scalar):
        return answer.unit is None and same_expression(gold.value, answer.node)
    if not same_expression(gold.modulus, answer.modulus):
        return False
    difference = Op("add", (gold.value, Op("neg", (answer.value,))))
    return same_expression(Num(Fraction(0)), Op("mod", (difference, gold.modulus)))


def same_time(gold: Time, answer: Time) -> bool:
    """Whether two times of day are the same; am or pm may be missing, but not differ."""
    if _on_the_clock(gold) == _on_the_clock(answer):
        return True
    if gold.meridiem and answer.meridiem:
        return False
    bare = [(time.hours, time.minutes, time.seconds) for time in (gold, answer)]
    return bare[0] == bare[1]


def _on_the_clock(time: Time) -> tuple[int, int, int]:
    """The time on a clock with 24 hours."""
    hours = time.hours
    if time.meridiem:
        hours = hours % _NOON + (_NOON if time.meridiem == "pm" else 0)
    return hours, time.minutes, time.seconds


def same_ratio(gold: Ratio | Time, answer: Answer) -> bool:
    """Whether two ratios are the same up to scaling; a ratio of two numbers is also their quotient."""
    one = _parts(gold)
    if isinstance(answer, Ratio | Time):
        two = _parts(answer)
        if len(one) != len(two) or _is_time_gone_wrong(gold, two) or _is_time_gone_wrong(answer, one):
            return False
        if any(same_expression(part, _ZERO) for part in (*one, *two)):
            # A ratio with a zero in it is proportional to too much.
            return all(map(same_expression, one, two))
        crossed = ((a, b, c, d) for a, b in zip(one, two, strict=True) for c, d in zip(one, two, strict=True))
        return all(same_expression(Op("mul", (a, d)), Op("mul", (c, b))) for a, b, c, d in crossed)
    if isinstance(gold, Time) and gold.seconds:
        return False
    if (
        not isinstance(answer, Scalar)
        or answer.unit is not None
        or len(one) != 2
        or INFINITY in walk(answer.node)
    ):
        return False
    return same_expression(Op("div", one), answer.node)


def _is_time_gone_wrong(side: Ratio | Time, other: tuple[Node, ...]) -> bool:
    """Whether a time faces something like 4:60, which is not the ratio that it might be."""
    minutes = other[1]
    return isinstance(side, Time) and isinstance(minutes, Num) and 60 <= minutes.value < 100


def _parts(ratio: Ratio | Time) -> tuple[Node, ...]:
    """The terms of a ratio; those of "3:20", which could be a time as well, are 3 and 20."""
    if isinstance(ratio, Ratio):
        return ratio.parts
    if ratio.meridiem:
        raise AnswerError("a time of day beside a ratio")
    fields = (ratio.hours, ratio.minutes, ratio.seconds) if ratio.seconds else (ratio.hours, ratio.minutes)
    return tuple(Num(Fraction(part)) for part in fields)
