"""For which real values of a variable a chain of relations holds; sympy finds the roots that are not plain to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Final

import sympy

from r1kit.rewards.math.tree import (
    INFINITY,
    MINUS_INFINITY,
    Answer,
    AnswerError,
    Interval,
    Items,
    NamedSet,
    Node,
    Num,
    Op,
    Relation,
    Scalar,
    SetOperation,
    TooLarge,
    Var,
    mentioned,
    replace,
    walk,
)
from r1kit.rewards.math.values.build import Expr, expanded_size, from_sympy, refusals, symbol, to_sympy
from r1kit.rewards.math.values.equality import number
from r1kit.rewards.math.values.evaluate import evaluate_exactly

MAX_DEGREE: Final = 12
MAX_ABSOLUTE_VALUES: Final = 3
FINENESS: Final = 64
STEP: Final = Fraction(1361, 1024)
SHARE: Final = Fraction(433, 1024)
_SMOOTH: Final = frozenset(
    ("add", "mul", "neg", "percent", "degree", "sin", "cos", "exp", "sinh", "cosh", "arctan", "tanh")
)
_HOLDS: Final[dict[str, Callable[[int], bool]]] = {
    "=": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def solution_set(relation: Relation, variable: str) -> Answer:
    """The real values of the variable for which each relation of the chain holds.

    An Interval, the Items of a set of points (empty when there is none), a SetOperation("union") of these, or
    NamedSet("R"). Between two neighbouring points where a side may jump, vanish or end, truth cannot change, so
    each of these points and one value between each two are tried. Raises AnswerError when the points cannot be
    found, and TooLarge.
    """
    if mentioned(*relation.sides) - {variable}:
        raise AnswerError("another variable")
    steps = list(zip(relation.sides, relation.operators, relation.sides[1:], strict=False))
    ends = _sorted(end for left, _, right in steps for end in _turning_points(left, right, variable))
    truths = [
        _holds([(replace(a, variable, x), op, replace(b, variable, x)) for a, op, b in steps])
        for x in _samples(ends)
    ]
    if all(truth is None for truth in truths):
        raise AnswerError("defined nowhere")
    return _as_answer(list(_runs(truths, ends)))


def _turning_points(left: Node, right: Node, variable: str) -> Iterator[Node]:
    """Where left - right may vanish, jump, or begin to be defined."""
    for side, other in ((left, right), (right, left)):
        if side == Var(variable) and not mentioned(other):
            yield from () if _infinite(other) else (other,)
            return
    difference = Op("add", (left, Op("neg", (right,))))
    if line := _line(difference):
        yield from [Num(-line[1] / line[0])] if line[0] else []
        return
    for part in (*walk(left), *walk(right)):
        for edge in _edges(part) if mentioned(part) else ():
            yield from _zeros(edge, variable)
    if not (_infinite(left) or _infinite(right)):
        yield from _zeros(difference, variable)


def _infinite(node: Node) -> int:
    return {INFINITY: 1, MINUS_INFINITY: -1}.get(node, 0)


def _line(node: Node) -> tuple[Fraction, Fraction] | None:
    """Slope and offset of a rational linear expression in one variable, None for any other."""
    match node:
        case Var():
            return Fraction(1), Fraction(0)
        case Op("add" | "neg", args) if all(lines := [_line(arg) for arg in args]):
            sign = -1 if node.name == "neg" else 1
            slopes, offsets = zip(*lines, strict=True)
            return sign * sum(slopes, Fraction(0)), sign * sum(offsets, Fraction(0))
        case Op("mul" | "div", (x, y)) if not (mentioned(x) and mentioned(y)):
            return _scaled_line(node.name, x, y)
    if mentioned(node) or _infinite(node):
        return None
    value = evaluate_exactly(node)
    return None if value is None else (Fraction(0), value)


def _scaled_line(name: str, x: Node, y: Node) -> tuple[Fraction, Fraction] | None:
    x, y = (y, x) if name == "mul" and mentioned(y) else (x, y)
    line, factor = _line(x), None if mentioned(y) or _infinite(y) else evaluate_exactly(y)
    if line is None or not factor:
        return None
    factor = 1 / factor if name == "div" else factor
    return line[0] * factor, line[1] * factor


def _edges(part: Node) -> Sequence[Node]:
    """What is zero where this operation jumps or ends; AnswerError when that may happen without end."""
    match part:
        case Op("pow", (_, Num(exponent))) if exponent.denominator == 1 and exponent >= 0:
            return ()
        case Op("pow", (base, _)):
            return (base,) if mentioned(base) else ()
        case Op("div", (_, below)):
            return (below,) if mentioned(below) else ()
        case Op("root" | "abs" | "ln" | "log", args):
            return [arg for arg in args if mentioned(arg)]
        case Op("arcsin" | "arccos", (x,)):
            return [Op("add", (x, Num(Fraction(end)))) for end in (1, -1)]
        case Op(name) if name not in _SMOOTH:
            raise AnswerError(f"cannot solve for what is inside {name}")
    return ()


def _zeros(node: Node, variable: str) -> Iterator[Node]:
    """At least all real zeros of an expression, where it has only isolated ones."""
    if sum(isinstance(part, Op) and part.name == "abs" for part in walk(node)) > MAX_ABSOLUTE_VALUES:
        raise TooLarge("too many absolute values")
    x = symbol(variable)
    for smooth in _without_abs(node):
        expr = to_sympy(smooth)
        if expr.is_Add and expanded_size(expr)[1] > MAX_DEGREE:
            raise TooLarge("a polynomial of too high a degree")
        with refusals():
            numerator = sympy.together(expr).as_numer_denom()[0]
            for factor in sympy.Mul.make_args(numerator):
                base = factor.as_base_exp()[0]
                yield from map(from_sympy, _real_roots(base, x) if base.has(x) else ())


def _without_abs(node: Node) -> list[Node]:
    """The expressions that result when each |u| is u or -u."""
    outer = next((part for part in walk(node) if isinstance(part, Op) and part.name == "abs"), None)
    if outer is None:
        return [node]
    inner = outer.args[0]
    return [case for sign in (inner, Op("neg", (inner,))) for case in _without_abs(_swap(node, outer, sign))]


def _swap(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    return Op(node.name, tuple(_swap(arg, old, new) for arg in node.args)) if isinstance(node, Op) else node


def _real_roots(expr: Expr, x: Expr) -> list[Expr]:
    if expr.is_polynomial(x):
        poly = sympy.Poly(expr, x)
        if poly.degree() > MAX_DEGREE:
            raise TooLarge("a polynomial of too high a degree")
        factors = [factor for factor, _ in poly.factor_list()[1]] if _is_rational(poly) else [poly]
        return [root for factor in factors for root in _real_roots_of_factor(factor)]
    found = sympy.solveset(expr, x, sympy.S.Reals)
    if not (found.is_empty or isinstance(found, sympy.FiniteSet)):
        raise AnswerError("zeros not found")
    return list(found.args)


def _is_rational(poly: Expr) -> bool:
    return poly.domain in (sympy.ZZ, sympy.QQ)


def _real_roots_of_factor(poly: Expr) -> list[Expr]:
    roots = sympy.roots(poly, trig=True)
    real = [root for root in roots if abs(complex(root.evalf(30)).imag) < 1e-20]
    has_all = sum(roots.values()) == poly.degree() or (_is_rational(poly) and len(real) == poly.count_roots())
    if not has_all:
        raise AnswerError("roots not found")
    return real


def _sorted(ends: Iterator[Node]) -> list[Node]:
    """The distinct points in ascending order; AnswerError when one is not real."""
    valued = [(number(end), end) for end in ends]
    if any(value.imag for value, _ in valued):
        raise AnswerError("not real")
    ordered = [
        end for _, end in sorted(valued, key=lambda pair: (pair[0].real, not isinstance(pair[1], Num)))
    ]
    return ordered[:1] + [end for before, end in pairwise(ordered) if _compare(before, end)]


def _samples(ends: list[Node]) -> list[Node]:
    """A value below all ends, the first end, a value between it and the next, and so on."""
    near = [Fraction(int(number(end).real * 2**FINENESS), 2**FINENESS) for end in ends] or [Fraction(0)]
    if any(after - before < Fraction(16, 2**FINENESS) for before, after in pairwise(near)):
        raise TooLarge("ends too close to each other")
    # Not in the middle and not one away, where a factor may happen to vanish.
    gaps = [near[0] - STEP, *(a + (b - a) * SHARE for a, b in pairwise(near)), near[-1] + STEP][
        : len(ends) + 1
    ]
    samples: list[Node] = [Num(gaps[0])]
    for end, gap in zip(ends, gaps[1:], strict=True):
        samples += [end, Num(gap)]
    return samples


def _holds(steps: list[tuple[Node, str, Node]]) -> bool | None:
    """Whether each relation between numbers holds; None when a side is undefined or not real."""
    holds = True
    for left, operator, right in steps:
        sign = _compare(left, right)
        if sign is None:
            return None
        holds &= _HOLDS[operator](sign)
    return holds


def _compare(left: Node, right: Node) -> int | None:
    """The sign of left - right; None when it is undefined or not real."""
    heights = _infinite(left), _infinite(right)
    if heights != (0, 0):
        others = [side for side, height in zip((left, right), heights, strict=True) if not height]
        return None if any(sign(side) is None for side in others) else heights[0] - heights[1]
    return sign(Op("add", (left, Op("neg", (right,)))))


def sign(node: Node) -> int | None:
    """-1, 0 or 1 for a real value; None where it is undefined or not real."""
    try:
        value = number(node)
    except TooLarge:
        raise
    except AnswerError:
        return None
    return None if value.imag else (value.real > 0) - (value.real < 0)


def _runs(truths: list[bool | None], ends: list[Node]) -> Iterator[Interval | Scalar]:
    """The maximal runs of samples that hold: even positions are gaps, odd ones ends."""
    for holds, run in groupby(range(len(truths)), key=lambda position: bool(truths[position])):
        if not holds:
            continue
        positions = list(run)
        first, last = positions[0], positions[-1]
        if first == last and first % 2:
            yield Scalar(ends[first // 2])
        else:
            low = ends[(first - 1) // 2] if first else MINUS_INFINITY
            high = ends[last // 2] if last // 2 < len(ends) else INFINITY
            yield Interval(low, high, bool(first % 2), bool(last % 2))


def _as_answer(runs: list[Interval | Scalar]) -> Answer:
    intervals = [run for run in runs if isinstance(run, Interval)]
    points = Items("{}", tuple(run for run in runs if isinstance(run, Scalar)))
    if not intervals:
        return points
    if len(runs) > 1:
        return SetOperation("union", (*intervals, points) if points.items else tuple(intervals))
    whole = (intervals[0].low, intervals[0].high) == (MINUS_INFINITY, INFINITY)
    return NamedSet("R") if whole else intervals[0]
