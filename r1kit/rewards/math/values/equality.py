"""Do two expressions have the same value? Exactly, then to a precision that grows with the numbers, then by sympy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

from r1kit.core.seeds import derive_seed
from r1kit.rewards.math.tree import (
    INFINITY,
    AnswerError,
    Binder,
    Const,
    Node,
    Num,
    Op,
    TooLarge,
    Var,
    substitute,
    walk,
)
from r1kit.rewards.math.values.evaluate import evaluate_exactly, evaluate_in

MIN_POINTS: Final = 4
MAX_SCALE: Final = 10_000
# How far from zero the points lie, in turns: close for arcsin, far for what bends at the numbers in an expression.
RANGES: Final = (1, 1, 10, 1, 0, 10, 1, 0, 10, 1, 10, 0, 200, 10)
DENOMINATOR: Final = 128
NUM_POINTS: Final = 28
NUM_WHOLE_POINTS: Final = 12
ZERO: Final = Num(Fraction(0))
_TEN: Final = Num(Fraction(10))
_Point = dict[str, Fraction]


def variables(*nodes: Node) -> list[str]:
    """The free variables, in alphabetical order."""
    return sorted(set().union(*map(_free, nodes)))


def _free(node: Node) -> set[str]:
    match node:
        case Var(name):
            return {name}
        case Op(_, args):
            return set().union(*map(_free, args))
        case Binder(name, variable, bounds, body):
            # An antiderivative or a derivative is a function of the variable that it binds.
            is_bound = bool(bounds)
            inner = _free(body) - {variable} if is_bound else _free(body)
            return inner.union(*map(_free, bounds))
    return set()


def closed(node: Node) -> Node:
    """The expression without sums, integrals, limits and derivatives; AnswerError when they have no closed form."""
    if not any(isinstance(part, Binder) for part in walk(node)):
        return node
    from r1kit.rewards.math.values.symbolic import closed_form

    return closed_form(node)


def same_expression(left: Node, right: Node) -> bool:
    """Whether two expressions have the same value, with variables wherever the left one is real.

    With variables they are compared at some forty random points, fractions and whole numbers, close to zero and
    beyond the numbers that occur. The points depend on both expressions, so no answer can be written to vanish at
    them; unequal polynomials of degree d agree at all of them with a probability below (d / 128) ** 28 (Schwartz 1980).
    A logarithm without a base has the same base on both sides, whichever of e and 10
    that is; facing none, it may be either. Infinities equal themselves.

    AnswerError when a value is undefined, TooLarge when it is too large to compute.
    """
    if left == right:
        return True
    bare = _has_bare_log(left), _has_bare_log(right)
    if not any(bare):
        return _same(left, right)
    by_base = [_same(_with_log_base(left, base), _with_log_base(right, base)) for base in (Const("e"), _TEN)]
    return all(by_base) if all(bare) else any(by_base)


def same_constant(left: Node, right: Node) -> bool:
    """Whether two expressions without variables have the same value.

    Rational values are compared exactly. Others are compared with a precision that grows with the sizes of
    the numbers in them, so that 1 + pi**-300 is told from 1.
    """
    return bool(_same_at(left, right, is_complex=True))


def sign_of_difference(left: Node, right: Node) -> int:
    """-1, 0 or 1 for left < right, left = right, left > right; AnswerError when one is not real."""
    exact = evaluate_exactly(left), evaluate_exactly(right)
    if exact[0] is not None and exact[1] is not None:
        return (exact[0] > exact[1]) - (exact[0] < exact[1])
    one, two, difference = _numbers(left, right)
    if one.imag or two.imag:
        raise AnswerError("a complex number has no order")
    return int(difference.real > 0) - int(difference.real < 0)


def number(node: Node) -> Any:
    """The value of an expression without variables, precise enough to tell it from zero."""
    return _numbers(node, ZERO)[0]


def _numbers(left: Node, right: Node) -> tuple[Any, Any, Any]:
    """Both values and their difference, with the precision that tells zero from every number of their size."""
    from r1kit.rewards.math.values.irrational import BASE_PRECISION, Reals

    precision = BASE_PRECISION
    while True:
        reals = Reals(precision)
        try:
            one, two = evaluate_in(left, reals), evaluate_in(right, reals)
            difference = reals.difference(one, two)
        except TooLarge:
            raise
        except AnswerError:
            if reals.needed_precision <= precision:
                raise
        else:
            if reals.needed_precision <= precision:
                return one, two, difference
        precision = reals.needed_precision


def proportional(left: Node, right: Node) -> int | None:
    """The sign of c where left = c * right for one real number c and all values of the variables; None without one.

    Neither may be zero everywhere. f is a multiple of g when f(p) g(q) = g(p) f(q) at all points p and q.
    """
    left, right = closed(left), closed(right)
    names = variables(left, right)
    if not names or same_expression(left, ZERO) or same_expression(right, ZERO):
        return None
    points = _points(left, right, names)
    anchor = next((point for point in points if _is_defined(left, right, point)), None)
    if anchor is None:
        raise AnswerError("not defined at enough points")
    at_left, at_right = substitute(left, anchor), substitute(right, anchor)
    product = Op("mul", (left, at_right)), Op("mul", (right, at_left))
    if not _agree(*product, [point for point in points if point is not anchor]):
        return None
    return sign_of_difference(Op("mul", (at_left, at_right)), ZERO)


def _is_defined(left: Node, right: Node, point: _Point) -> bool:
    """Whether both are real and not zero at a point."""
    try:
        return all(sign_of_difference(substitute(node, point), ZERO) != 0 for node in (left, right))
    except TooLarge:
        raise
    except AnswerError:
        return False


def _same(left: Node, right: Node) -> bool:
    left, right = closed(left), closed(right)
    if INFINITY in walk(left) or INFINITY in walk(right):
        return _infinite_sign(left) == _infinite_sign(right)
    names = variables(left, right)
    if not names:
        return same_constant(left, right)
    if _is_about_complex(left) != _is_about_complex(right):
        # The points are real, where a number is its own conjugate.
        raise AnswerError("a conjugate, real or imaginary part of a variable")
    return _agree(left, right, _points(left, right, names))


def _is_about_complex(node: Node) -> bool:
    parts = (part for part in walk(node) if isinstance(part, Op) and part.name in ("conj", "re", "im", "arg"))
    return any(variables(part) for part in parts)


def _infinite_sign(node: Node) -> int:
    """1 and -1 for the infinities, 0 for what is finite; AnswerError for arithmetic with them."""
    match node:
        case Const("inf"):
            return 1
        case Op("neg", (Const("inf"),)):
            return -1
    if INFINITY in walk(node):
        raise AnswerError("arithmetic with infinity")
    return 0


def _agree(left: Node, right: Node, points: Sequence[_Point]) -> bool:
    """Whether two expressions agree at all points where both are defined and the left one is real.

    Where these are fewer than MIN_POINTS, sympy has the last word; AnswerError when it has none.
    """
    is_complex = Const("i") in walk(left)
    agreed, unanswered, problem = 0, 0, AnswerError("real nowhere")
    for point in points:
        one, two = substitute(left, point), substitute(right, point)
        try:
            same = _same_at(one, two, is_complex=is_complex)
        except AnswerError as error:
            problem = error
            unanswered += not isinstance(error, TooLarge) and _is_defined_at(one, is_complex=is_complex)
            continue
        if same is False:
            return False
        agreed += same is True
    if 3 * unanswered > agreed:
        raise AnswerError("undefined where the other expression is not")
    if agreed >= MIN_POINTS:
        return True
    if isinstance(problem, TooLarge):
        raise problem
    return _by_simplification(left, right, problem)


def _same_at(left: Node, right: Node, *, is_complex: bool) -> bool | None:
    """Whether two constants are the same; None where the left one should be real and is not."""
    exact = evaluate_exactly(left), evaluate_exactly(right)
    if exact[0] is not None and exact[1] is not None:
        return exact[0] == exact[1]
    one, _, difference = _numbers(left, right)
    return None if one.imag and not is_complex else not difference


def _is_defined_at(constant: Node, *, is_complex: bool) -> bool:
    try:
        return _same_at(constant, constant, is_complex=is_complex) is not None
    except AnswerError:
        return False


def _by_simplification(left: Node, right: Node, problem: AnswerError) -> bool:
    from r1kit.rewards.math.values.symbolic import is_identically_zero

    verdict = is_identically_zero(Op("add", (left, Op("neg", (right,)))))
    if verdict is None:
        raise AnswerError(f"not defined at enough points: {problem}")
    return verdict


def _points(left: Node, right: Node, names: Sequence[str]) -> list[_Point]:
    """Random fractions, then random whole numbers for functions that know no others."""
    rng = random.Random(derive_seed("math points", repr(left), repr(right)))
    numbers = [abs(part.value) for node in (left, right) for part in walk(node) if isinstance(part, Num)]
    scale = min(MAX_SCALE, 2 * int(max(numbers, default=Fraction(0))) + 20)
    ranges = [reach or scale for reach in RANGES] * 2
    rng.shuffle(ranges)

    def fraction(index: int) -> Fraction:
        # Even denominators: x ** (1/101) would be the real root of a negative x.
        half = ranges[index % len(ranges)] * DENOMINATOR // 2
        return Fraction(2 * rng.randint(-half, half - 1) + 1, DENOMINATOR)

    def whole(index: int) -> Fraction:
        return Fraction(rng.randint(*((-9, 9), (1, 40), (1, scale))[index % 3]))

    fractions = [
        {name: fraction(index + 3 * k) for k, name in enumerate(names)} for index in range(NUM_POINTS)
    ]
    return fractions + [{name: whole(index) for name in names} for index in range(NUM_WHOLE_POINTS)]


def _has_bare_log(node: Node) -> bool:
    return any(isinstance(part, Op) and part.name == "log" and len(part.args) == 1 for part in walk(node))


def _with_log_base(node: Node, base: Node) -> Node:
    match node:
        case Op("log", (argument,)):
            return Op("log", (_with_log_base(argument, base), base))
        case Op(name, args):
            return Op(name, tuple(_with_log_base(arg, base) for arg in args))
        case Binder(name, variable, bounds, body):
            return Binder(name, variable, bounds, _with_log_base(body, base))
    return node
