"""Expression -> its value: an exact fraction while it is rational, else a number of chosen precision.

Sizes are checked before each operation, so that no tower of powers, factorial or huge integer is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from operator import add, mul
from typing import TYPE_CHECKING, Final, TypeAlias

from r1kit.rewards.math.tree import AnswerError, Based, Binder, Const, Node, Num, Op, TooLarge, Var
from r1kit.rewards.math.values.shortcuts import power_of_i, shortcut

if TYPE_CHECKING:
    from r1kit.rewards.math.values.irrational import Number, Reals

Value: TypeAlias = "Fraction | Number"

MAX_BITS: Final = 200_000
MAX_WORK: Final = MAX_BITS**2
MAX_FACTORIAL: Final = 1_000
MAX_LOGARITHM_BITS: Final = 20_000


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
            case Binder():
                raise AnswerError("a sum, integral, limit or derivative without a closed form")
            case Const(name):
                return self.reals and self.reals.constant(name)
            case Op(name, args):
                quick = self.quickly(name, args)
                return self.operate(name, [self.value(arg) for arg in args]) if quick is None else quick
            case Var(name):
                raise AnswerError(f"variable {name} has no value")

    def quickly(self, name: str, args: tuple[Node, ...]) -> Value | None:
        if name == "pow" and args[0] == Const("i"):
            turns = power_of_i(self.value(args[1]))
            if turns is not None and turns % 2 == 0:
                return Fraction(1 - turns)
            return None if turns is None else self.reals and self.reals.constant("i") * (2 - turns)
        return shortcut(name, args, self.value)

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
        if name in _OF_SEVERAL:
            return _OF_SEVERAL[name](args)
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
        case "approx":
            return approximated(x, y)  # type: ignore[no-any-return]
        case "pow":
            return _power(x, y)
        case "root":
            return _root(x, y)
        case "binom":
            return _choose(x, y)
        case "perm":
            return _choose(x, y) * math.factorial(y.numerator)
        case "mod":
            return _remainder(x, y)
        case "log":
            return _logarithm(x, y)
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
        case "floor" | "ceil":
            return Fraction(math.floor(x) if name == "floor" else math.ceil(x))
        case "re" | "conj" | "radian":
            return x
        case "im":
            return Fraction(0)
    return None


def approximated(x: Number, y: Number) -> Number:
    """x, which y was rounded from; AnswerError when they are more than 5 % apart."""
    if abs(x - y) * 20 > max(abs(x), abs(y)):
        raise AnswerError("an approximation of another number")
    return x


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


def _root(x: Fraction, index: Fraction) -> Fraction | None:
    if index == 2:
        return _square_root(x)
    if index.denominator != 1 or not 2 < index <= MAX_BITS or x < 0:
        return None
    above, below = (_integer_root(part, index.numerator) for part in (x.numerator, x.denominator))
    return None if above is None or below is None else Fraction(above, below)


def _integer_root(x: int, index: int) -> int | None:
    """The whole number whose power is x; None without one."""
    low, high = 0, 1 << (x.bit_length() // index + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**index < x:
            low = middle + 1
        else:
            high = middle
    return low if low**index == x else None


def _choose(n: Fraction, k: Fraction) -> Fraction:
    if k.denominator != 1 or k < 0:
        raise AnswerError("a binomial that takes something else than a natural number")
    is_natural = n.denominator == 1 and n >= k
    few = min(k, n - k) if is_natural else k
    if few * _bits(n) > MAX_BITS // 8:
        raise TooLarge("a binomial too large to compute")
    if is_natural:
        return Fraction(math.comb(n.numerator, k.numerator))
    return math.prod((n - j for j in range(k.numerator)), start=Fraction(1)) / math.factorial(k.numerator)


def _remainder(x: Fraction, y: Fraction) -> Fraction:
    if not y:
        raise AnswerError("division by zero")
    return x % y


def _logarithm(x: Fraction, base: Fraction) -> Fraction | None:
    """The logarithm where it is a whole number of a whole base."""
    if base.denominator != 1 or base < 2 or x <= 0 or (x.numerator != 1 and x.denominator != 1):
        return None
    power, large = 0, max(x.numerator, x.denominator)
    if large.bit_length() > MAX_LOGARITHM_BITS:
        return None
    while large % base.numerator == 0:
        large, power = large // base.numerator, power + 1
    return Fraction(power if x >= 1 else -power) if large == 1 else None


def _integers(function: Callable[..., int]) -> Callable[[list[Fraction]], Fraction]:
    def of_several(args: list[Fraction]) -> Fraction:
        if any(arg.denominator != 1 for arg in args):
            raise AnswerError("a common divisor of something else than integers")
        return Fraction(function(*(arg.numerator for arg in args)))

    return of_several


_OF_SEVERAL: Final[dict[str, Callable[[list[Fraction]], Fraction]]] = {
    "gcd": _integers(math.gcd),
    "lcm": _integers(math.lcm),
    "min": min,
    "max": max,
}


def _square_root(x: Fraction) -> Fraction | None:
    if x < 0:
        return None
    above, below = math.isqrt(x.numerator), math.isqrt(x.denominator)
    return Fraction(above, below) if (above * above, below * below) == (x.numerator, x.denominator) else None


def _factorial(x: Fraction) -> Fraction | None:
    if x.denominator != 1:
        return None
    if x < 0:
        raise AnswerError("a factorial of a negative number")
    if x > MAX_FACTORIAL:
        raise TooLarge("a factorial too large to compute")
    return Fraction(math.factorial(x.numerator))


def _bits(x: Fraction) -> int:
    return x.numerator.bit_length() + x.denominator.bit_length()
