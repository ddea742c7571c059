"""What sympy is used for: sums, products, integrals, limits, derivatives, inequalities and hidden zeros.

Sums of few terms and linear inequalities are done here without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Final

import mpmath
import sympy

from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Binder,
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
    walk,
)
from r1kit.rewards.math.values.build import Expr, expanded_size, from_sympy, refusals, symbol, to_sympy
from r1kit.rewards.math.values.evaluate import evaluate_exactly, evaluate_in
from r1kit.rewards.math.values.irrational import BASE_PRECISION, Number, Reals

MAX_TERMS: Final = 2_000
MAX_TERMS_WITH_VARIABLES: Final = 50
MAX_DEGREE: Final = 12
MAX_ABSOLUTE_VALUES: Final = 3
FINENESS: Final = 64
_LAST: Final = "last term"
_UNBOUNDED_BELOW: Final = Op("neg", (INFINITY,))
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


def closed_form(node: Node) -> Node:
    """The expression with each sum, product, integral, limit and derivative replaced by its value.

    An integral without bounds becomes one antiderivative. Raises AnswerError when there is no closed form,
    TooLarge when it would be too large to compute.
    """
    match node:
        case Op(name, args):
            return Op(name, tuple(map(closed_form, args)))
        case Binder(name, variable, bounds, body):
            closed = Binder(name, variable, tuple(map(closed_form, bounds)), body)
            return _fold(closed) if name in ("sum", "prod") else _analyse(closed)
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


def _variables(*nodes: Node) -> set[str]:
    return {part.name for node in nodes for part in walk(node) if isinstance(part, Var)}


def _fold(node: Binder) -> Node:
    """The value of a sum or product: term by term when there are few, else by sympy."""
    first, last = map(_integer, node.bounds)
    if first is None or last is None or last - first >= MAX_TERMS:
        return _fold_by_rule(node)
    terms = range(first, last + 1)
    if len(terms) > MAX_TERMS_WITH_VARIABLES and _variables(node.body) - {node.variable}:
        return _fold_by_rule(node)
    inner = sum(isinstance(part, Binder) for part in walk(node.body))
    if inner > 1 or (inner and len(terms) > MAX_TERMS_WITH_VARIABLES):
        return _fold_by_rule(node)
    return _fold_terms(node, terms)


def _integer(node: Node) -> int | None:
    """The value of a bound when it is a plain number; AnswerError when that is no integer."""
    if _variables(node) or INFINITY in walk(node):
        return None
    value = evaluate_exactly(node)
    if value is None or value.denominator != 1:
        raise AnswerError("a sum from or to something else than an integer")
    return value.numerator


def _fold_terms(node: Binder, indices: range) -> Node:
    if not indices:
        return Num(Fraction(node.name == "prod"))
    body = node.body
    terms = tuple(closed_form(replace(body, node.variable, Num(Fraction(index)))) for index in indices)
    folded = Op("add" if node.name == "sum" else "mul", terms)
    value = None if _variables(folded) else evaluate_exactly(folded)
    return folded if value is None else Num(value)


def _fold_by_rule(node: Binder) -> Node:
    """The closed form by sympy; up to a number it is that for any last term: sympy would walk to 10^9."""
    lower, upper = node.bounds
    body = closed_form(node.body)
    if INFINITY in walk(upper) or _variables(upper):
        return _summed(node.name, node.variable, body, (lower, upper))
    to_sympy(replace(body, node.variable, upper))
    result = _summed(node.name, node.variable, body, (lower, Var(_LAST)))
    return replace(result, _LAST, upper)


def _summed(name: str, variable: str, body: Node, bounds: tuple[Node, Node]) -> Node:
    counted = _variables(*bounds) | {_LAST}
    symbols = {name: symbol(name, integer=True, positive=True) for name in counted}
    symbols[variable] = symbol(variable, integer=True)
    term, index, last = to_sympy(body, symbols), symbols[variable], symbols[_LAST]
    first, end = (to_sympy(bound, symbols) for bound in bounds)
    with refusals():
        if name == "sum":
            return from_sympy(sympy.summation(term, (index, first, end)))
        to = last if end.is_infinite else end
        value = sympy.gammasimp(sympy.product(term, (index, first, to)))
        return from_sympy(sympy.limit(value, last, end) if end.is_infinite else value)


def _analyse(node: Binder) -> Node:
    """The value of an integral, limit or derivative."""
    body = closed_form(node.body)
    with refusals():
        match node.name:
            case "int":
                value = from_sympy(_integral(node.variable, node.bounds, body))
                _refuse_contradiction(node, body, value)
                return value
            case "diff":
                return from_sympy(_derivative(node.variable, body))
        return from_sympy(_limit(node.name, node.variable, node.bounds[0], body))


def _integral(variable: str, bounds: tuple[Node, ...], body: Node) -> Expr:
    if not bounds:
        return sympy.integrate(to_sympy(body, formal_roots=True), symbol(variable))
    lower, upper = map(to_sympy, bounds)
    is_positive = lower.is_nonnegative and upper.is_extended_nonnegative
    x = symbol(variable, positive=True) if is_positive else symbol(variable)
    return sympy.integrate(to_sympy(body, {variable: x}), (x, lower, upper))


def _derivative(variable: str, body: Node) -> Expr:
    return sympy.diff(to_sympy(body, formal_roots=True), symbol(variable))


def _limit(name: str, variable: str, point: Node, body: Node) -> Expr:
    """The limit; AnswerError when those from both sides differ."""
    to = to_sympy(point)
    sides = "+-" if name == "lim" and not to.is_infinite else name[3:] or "+"
    limits = [_one_sided_limit(variable, to, body, side) for side in sides]
    if len(limits) == 2 and limits[0] != limits[1] and sympy.simplify(limits[0] - limits[1]) != 0:
        raise AnswerError("the limits from both sides differ")
    return limits[0]


def _one_sided_limit(variable: str, to: Expr, body: Node, side: str) -> Expr:
    # Close to a point the sign of the variable is known, which settles roots and absolute values.
    if to.is_extended_positive or (to == 0 and side == "+"):
        x = symbol(variable, positive=True)
    elif to.is_extended_negative or to == 0:
        x = symbol(variable, negative=True)
    else:
        x = symbol(variable)
    try:
        return sympy.limit(to_sympy(body, {variable: x}), x, to, side)
    except NotImplementedError:
        if to != sympy.oo:
            raise
        n = symbol(variable, integer=True, positive=True)
        return sympy.limit_seq(to_sympy(body, {variable: n}), n)


def _refuse_contradiction(node: Binder, body: Node, value: Node) -> None:
    """AnswerError when an integral over a finite interval is not what quadrature says: sympy may skip a jump."""
    if not node.bounds or _variables(value, *node.bounds) or INFINITY in (value, *node.bounds):
        return
    lower, upper, claimed = (float(_number(end).real) for end in (*node.bounds, value))
    try:
        area, error = mpmath.fp.quad(
            lambda x: float(_number(replace(body, node.variable, Num(Fraction(x)))).real),
            [lower, upper],
            error=True,
        )
    except (AnswerError, ArithmeticError):
        return
    if error < 1e-6 and abs(area - claimed) > 1e-3 * (1 + abs(area)):
        raise AnswerError("the integral found is not the area")


def _number(node: Node) -> Number:
    """The value with a precision that tells zero from every number of its size."""
    precision = 0
    reals = Reals(BASE_PRECISION)
    while precision < reals.needed_precision:
        precision = reals.needed_precision
        reals = Reals(precision)
        value = evaluate_in(node, reals)
    return value


def is_identically_zero(node: Node) -> bool | None:
    """Whether an expression is zero wherever it is defined; None when sympy cannot tell.

    Raises AnswerError when the expression has no counterpart in sympy, TooLarge when it is over a bound.
    """
    closed = closed_form(node)
    expr = to_sympy(closed)
    for simplify in (_without_signs, sympy.expand, sympy.gammasimp, sympy.trigsimp, sympy.simplify):
        try:
            with refusals():
                simple = simplify(expr)
        except AnswerError:
            continue
        if simple.is_Rational:
            return simple.is_zero is True
    # sympy also tries complex values of real variables, so that its "not equal" holds for constants only.
    return False if not expr.free_symbols and _sign(closed) else None


def _without_signs(expr: Expr) -> Expr:
    return sympy.expand(expr.replace(sympy.sign, lambda u: u / sympy.Abs(u)))


def solution_set(relation: Relation, variable: str) -> Answer:
    """The real values of the variable for which each relation of the chain holds.

    An Interval, the Items of a set of points (empty when there is none), a SetOperation("union") of these, or
    NamedSet("R"). Between two neighbouring points where a side may jump, vanish or end, truth cannot change, so
    each of these points and one value between each two are tried. Raises AnswerError when the points cannot be
    found, and TooLarge.
    """
    if _variables(*relation.sides) - {variable}:
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
        if side == Var(variable) and not _variables(other):
            yield from () if _infinite(other) else (other,)
            return
    difference = Op("add", (left, Op("neg", (right,))))
    if line := _line(difference):
        yield from [Num(-line[1] / line[0])] if line[0] else []
        return
    for part in (*walk(left), *walk(right)):
        for edge in _edges(part) if _variables(part) else ():
            yield from _zeros(edge, variable)
    if not (_infinite(left) or _infinite(right)):
        yield from _zeros(difference, variable)


def _infinite(node: Node) -> int:
    return {INFINITY: 1, _UNBOUNDED_BELOW: -1}.get(node, 0)


def _line(node: Node) -> tuple[Fraction, Fraction] | None:
    """Slope and offset of a rational linear expression in one variable, None for any other."""
    match node:
        case Var():
            return Fraction(1), Fraction(0)
        case Op("add" | "neg", args) if all(lines := [_line(arg) for arg in args]):
            sign = -1 if node.name == "neg" else 1
            slopes, offsets = zip(*lines, strict=True)
            return sign * sum(slopes, Fraction(0)), sign * sum(offsets, Fraction(0))
        case Op("mul" | "div", (x, y)) if not (_variables(x) and _variables(y)):
            return _scaled_line(node.name, x, y)
    if _variables(node) or _infinite(node):
        return None
    value = evaluate_exactly(node)
    return None if value is None else (Fraction(0), value)


def _scaled_line(name: str, x: Node, y: Node) -> tuple[Fraction, Fraction] | None:
    x, y = (y, x) if name == "mul" and _variables(y) else (x, y)
    line, factor = _line(x), None if _variables(y) or _infinite(y) else evaluate_exactly(y)
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
            return (base,) if _variables(base) else ()
        case Op("div", (_, below)):
            return (below,) if _variables(below) else ()
        case Op("root" | "abs" | "ln" | "log", args):
            return [arg for arg in args if _variables(arg)]
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
    valued = [(_number(end), end) for end in ends]
    if any(value.imag for value, _ in valued):
        raise AnswerError("not real")
    ordered = [
        end for _, end in sorted(valued, key=lambda pair: (pair[0].real, not isinstance(pair[1], Num)))
    ]
    return ordered[:1] + [end for before, end in pairwise(ordered) if _compare(before, end)]


def _samples(ends: list[Node]) -> list[Node]:
    """A value below all ends, the first end, a value between it and the next, and so on."""
    near = [Fraction(int(_number(end).real * 2**FINENESS), 2**FINENESS) for end in ends] or [Fraction(0)]
    if any(after - before < Fraction(16, 2**FINENESS) for before, after in pairwise(near)):
        raise TooLarge("ends too close to each other")
    gaps = [near[0] - 1, *((a + b) / 2 for a, b in pairwise(near)), near[-1] + 1][: len(ends) + 1]
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
        return None if any(_sign(side) is None for side in others) else heights[0] - heights[1]
    return _sign(Op("add", (left, Op("neg", (right,)))))


def _sign(node: Node) -> int | None:
    try:
        value = _number(node)
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
            low = ends[(first - 1) // 2] if first else _UNBOUNDED_BELOW
            high = ends[last // 2] if last // 2 < len(ends) else INFINITY
            yield Interval(low, high, bool(first % 2), bool(last % 2))


def _as_answer(runs: list[Interval | Scalar]) -> Answer:
    intervals = [run for run in runs if isinstance(run, Interval)]
    points = Items("{}", tuple(run for run in runs if isinstance(run, Scalar)))
    if not intervals:
        return points
    if len(runs) > 1:
        return SetOperation("union", (*intervals, points) if points.items else tuple(intervals))
    whole = (intervals[0].low, intervals[0].high) == (_UNBOUNDED_BELOW, INFINITY)
    return NamedSet("R") if whole else intervals[0]
