"""Expression -> its value: an exact fraction while it is rational, else a number of chosen precision.

Sizes are checked before each operation, so that no tower of powers, factorial or huge integer is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from operator import add, mul
from typing import TYPE_CHECKING, Final, TypeAlias

from r1kit.rewards.math.tree import AnswerError, Based, Const, Node, Num, Op, TooLarge, Var

if TYPE_CHECKING:
    from r1kit.rewards.math.irrational import Number, Reals

Value: TypeAlias = "Fraction | Number"

MAX_BITS: Final = 200_000
MAX_WORK: Final = MAX_BITS**2
MAX_FACTORIAL: Final = 1_000


def evaluate_exactly(node: Node) -> Fraction | None:
    """The value of an expression without variables, None when it is irrational or complex.

    Raises AnswerError when it is undefined (1/0, a factorial of a fraction), infinite, or over a bound.
    """
    value = _Evaluator(None).value(node)
    return value if isinstance(value, Fraction) else None


def evaluate_in(node: Node, reals: Reals) -> Number:
    """The value to the precision of `reals`; what is rational on the way is computed exactly."""
    return reals.lift(_Evaluator(reals).value(node))


class _Evaluator:
    def __init__(self, reals: Reals | None) -> None:
        self.reals = reals
        self.work = 0

    def value(self, node: Node) -> Value | None:
        match node:
            case Num(value):
                return value
            case Based(digits, base):
                return Fraction(int(digits, base))
            case Const("inf"):
                raise AnswerError("infinite")
            case Const(name):
                return self.reals and self.reals.constant(name)
            case Op(name, args):
                return self.operate(name, [self.value(arg) for arg in args])
            case Var(name):
                raise AnswerError(f"variable {name} has no value")

    def operate(self, name: str, args: list[Value | None]) -> Value | None:
        exact = [arg for arg in args if isinstance(arg, Fraction)]
        if len(exact) == len(args):
            value = self.operate_exactly(name, exact)
            if value is not None:
                return value
        return self.reals and self.reals.operate(name, args)

    def operate_exactly(self, name: str, args: list[Fraction]) -> Fraction | None:
        """One operation on fractions; None when the result is irrational or not settled here."""
        if name in _FOLDS:
            return self.fold(_FOLDS[name], args)
        self.spend(*args)
        return _operate_on_one(name, args[0]) if len(args) == 1 else _operate_on_two(name, *args)

    def fold(self, function: Callable[[Fraction, Fraction], Fraction], args: list[Fraction]) -> Fraction:
        result = args[0]
        for arg in args[1:]:
            self.spend(result, arg)
            result = function(result, arg)
        return result

    def spend(self, *numbers: Fraction) -> None:
        # Reducing a fraction takes time in the square of its length.
        self.work += sum(map(_bits, numbers)) ** 2
        if self.work > MAX_WORK:
            raise TooLarge("too much to compute")


_FOLDS: Final[dict[str, Callable[[Fraction, Fraction], Fraction]]] = {"add": add, "mul": mul}


def _operate_on_two(name: str, x: Fraction, y: Fraction) -> Fraction | None:
    match name:
        case "div":
            return _divide(x, y)
        case "pow":
            return _power(x, y)
        case "root":
            return _square_root(x) if y == 2 else None
    return None


def _operate_on_one(name: str, x: Fraction) -> Fraction | None:
    match name:
        case "neg":
            return -x
        case "abs":
            return abs(x)
        case "percent":
            return x / 100
        case "factorial":
            return _factorial(x)
    return None


def _divide(x: Fraction, y: Fraction) -> Fraction:
    if not y:
        raise AnswerError("division by zero")
    return x / y


def _power(x: Fraction, y: Fraction) -> Fraction | None:
    if y.denominator != 1:
        return _square_root(x) if y == Fraction(1, 2) else None
    if not x and y < 0:
        raise AnswerError("division by zero")
    if abs(x) == 1:
        return x if y.numerator % 2 else Fraction(1)
    if x and _bits(x) * abs(y.numerator) > MAX_BITS:
        raise TooLarge("a power too large to compute")
    return x**y.numerator if x else Fraction(not y)


def _square_root(x: Fraction) -> Fraction | None:
    if x < 0:
        return None
    above, below = math.isqrt(x.numerator), math.isqrt(x.denominator)
    return Fraction(above, below) if (above * above, below * below) == (x.numerator, x.denominator) else None


def _factorial(x: Fraction) -> Fraction:
    if x.denominator != 1 or not 0 <= x <= MAX_FACTORIAL:
        raise AnswerError(f"a factorial of something else than 0..{MAX_FACTORIAL}")
    return Fraction(math.factorial(x.numerator))


def _bits(x: Fraction) -> int:
    return x.numerator.bit_length() + x.denominator.bit_length()
