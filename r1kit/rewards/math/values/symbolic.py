"""What sympy is used for: sums, products, integrals, limits, derivatives and hidden zeros.

Sums of few terms are added up here without it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import mpmath
import sympy

from r1kit.rewards.math.tree import (
    INFINITY,
    AnswerError,
    Binder,
    Node,
    Num,
    Op,
    Var,
    mentioned,
    replace,
    walk,
)
from r1kit.rewards.math.values.build import Expr, from_sympy, refusals, symbol, to_sympy
from r1kit.rewards.math.values.equality import number
from r1kit.rewards.math.values.evaluate import evaluate_exactly
from r1kit.rewards.math.values.solve import sign

MAX_TERMS: Final = 2_000
MAX_TERMS_WITH_VARIABLES: Final = 50
_LAST: Final = "last term"


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


def _fold(node: Binder) -> Node:
    """The value of a sum or product: term by term when there are few, else by sympy."""
    first, last = map(_integer, node.bounds)
    if first is None or last is None or last - first >= MAX_TERMS:
        return _fold_by_rule(node)
    terms = range(first, last + 1)
    if len(terms) > MAX_TERMS_WITH_VARIABLES and mentioned(node.body) - {node.variable}:
        return _fold_by_rule(node)
    inner = sum(isinstance(part, Binder) for part in walk(node.body))
    if inner > 1 or (inner and len(terms) > MAX_TERMS_WITH_VARIABLES):
        return _fold_by_rule(node)
    return _fold_terms(node, terms)


def _integer(node: Node) -> int | None:
    """The value of a bound when it is a plain number; AnswerError when that is no integer."""
    if mentioned(node) or INFINITY in walk(node):
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
    value = None if mentioned(folded) else evaluate_exactly(folded)
    return folded if value is None else Num(value)


def _fold_by_rule(node: Binder) -> Node:
    """The closed form by sympy; up to a number it is that for any last term: sympy would walk to 10^9."""
    lower, upper = node.bounds
    body = closed_form(node.body)
    if INFINITY in walk(upper) or mentioned(upper):
        return _summed(node.name, node.variable, body, (lower, upper))
    to_sympy(replace(body, node.variable, upper))
    result = _summed(node.name, node.variable, body, (lower, Var(_LAST)))
    return replace(result, _LAST, upper)


def _summed(name: str, variable: str, body: Node, bounds: tuple[Node, Node]) -> Node:
    counted = mentioned(*bounds) | {_LAST}
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
    if not node.bounds or mentioned(value, *node.bounds) or INFINITY in (value, *node.bounds):
        return
    lower, upper, claimed = (float(number(end).real) for end in (*node.bounds, value))
    try:
        area, error = mpmath.fp.quad(
            lambda x: float(number(replace(body, node.variable, Num(Fraction(x)))).real),
            [lower, upper],
            error=True,
        )
    except (AnswerError, ArithmeticError):
        return
    if error < 1e-6 and abs(area - claimed) > 1e-3 * (1 + abs(area)):
        raise AnswerError("the integral found is not the area")


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
    return False if not expr.free_symbols and sign(closed) else None


def _without_signs(expr: Expr) -> Expr:
    return sympy.expand(expr.replace(sympy.sign, lambda u: u / sympy.Abs(u)))
