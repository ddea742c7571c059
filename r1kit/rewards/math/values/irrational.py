"""Irrational and complex numbers to a chosen precision, with zeros made exact and every cost bounded.

Symbolic simplification is not used: on nested roots and logarithms its time has no bound, while here each
operation of the tree is carried out once, at one precision. mpmath, the arithmetic below sympy, does the work;
it is loaded when the first irrational number is compared. It gets numbers, never text.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final, TypeAlias

import mpmath

from r1kit.rewards.math.tree import AnswerError, TooLarge
from r1kit.rewards.math.values.evaluate import approximated

Number: TypeAlias = Any
"""An mpmath mpf or mpc; the package has no type hints."""

BASE_PRECISION: Final = 512
PRECISION_PER_BIT: Final = 8
MAX_GAMMA: Final = 20
MAX_MAGNITUDE: Final = 3_000
_MPMATH_NAMES: Final = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec", "arccsc": "acsc",
    "arsinh": "asinh", "arcosh": "acosh", "artanh": "atanh", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "coth": "coth", "sech": "sech", "csch": "csch", "exp": "exp", "sin": "sin", "cos": "cos", "ln": "ln",
}  # fmt: skip
_NEVER_ZERO: Final = frozenset(("exp", "sech", "csch"))
_HYPERBOLIC: Final = frozenset(("tanh", "coth"))
_QUOTIENTS: Final = {"tan": ("sin", "cos"), "cot": ("cos", "sin"), "sec": (None, "cos"), "csc": (None, "sin")}
_LOCAL: Final = threading.local()


class Reals:
    """Arithmetic at `precision` bits that remembers how much precision the numbers it saw would need.

    `magnitude` is the largest |log2| of a number seen. Sums and function values that vanish to half the
    precision are zero: with `needed_precision` bits at hand, no number of that magnitude hides below. Only the
    newest one in a thread may be used: they share a context.
    """

    def __init__(self, precision: int) -> None:
        self.precision = precision
        self.magnitude = 0
        self.context = _thread_context()
        self.context.prec = precision

    @property
    def needed_precision(self) -> int:
        """Bits with which zero can be told from every number built of what was seen."""
        return BASE_PRECISION + PRECISION_PER_BIT * self.magnitude

    def lift(self, value: Fraction | Number) -> Number:
        """A fraction as a number; AnswerError when it is too large or too fine."""
        if not isinstance(value, Fraction):
            return value
        self._note(max(value.numerator.bit_length(), value.denominator.bit_length()))
        return self.context.mpf(value.numerator) / value.denominator

    def constant(self, name: str) -> Number:
        """The value of pi, e or i."""
        context = self.context
        return {"pi": +context.pi, "e": +context.e, "i": context.mpc(0, 1)}[name]

    def operate(self, name: str, args: Sequence[Fraction | Number]) -> Number:
        """One operation of the tree; AnswerError when it is undefined or the result out of range."""
        try:
            result = self._operate(name, args)
        except AnswerError:
            raise
        except (ZeroDivisionError, ValueError, OverflowError) as error:
            raise AnswerError(f"{name} is undefined: {error}") from error
        return self._checked(result, abs(result))

    def difference(self, left: Number, right: Number) -> Number:
        """left - right, zero where they are equal to half the precision, relative to the larger one."""
        return self._sum([left, -right])

    def _operate(self, name: str, args: Sequence[Fraction | Number]) -> Number:
        if name in ("pow", "root"):
            base, exponent = args
            return self._power(self.lift(base), exponent if name == "pow" else 1 / exponent)
        numbers = [self.lift(arg) for arg in args]
        match name, numbers:
            case "add", _:
                return self._sum(numbers)
            case "mul", _:
                return self.context.fprod(numbers)
            case "div", [x, y]:
                return x / y
            case "approx", [x, y]:
                return approximated(x, y)
            case "log", [x, base]:
                return self._function("ln", x) / self._function("ln", base)
            case (("min" | "max"), _):
                return self._extreme(name, numbers)
            case _, [x]:
                return self._operate_on_one(name, x)
        raise AnswerError(f"{name} of an irrational number is not supported")

    def _operate_on_one(self, name: str, x: Number) -> Number:
        simple: dict[str, Callable[[], Number]] = {
            "neg": lambda: -x,
            "radian": lambda: x,
            "factorial": lambda: self._gamma(x),
            "abs": lambda: abs(x),
            "percent": lambda: x / 100,
            "degree": lambda: x * self.context.pi / 180,
            "floor": lambda: self._real_floor(x),
            "ceil": lambda: -self._real_floor(-x),
            "re": lambda: self.context.mpf(self.context.re(x)),
            "im": lambda: self.context.mpf(self.context.im(x)),
            "conj": lambda: self.context.conj(x),
        }
        if name in simple:
            return simple[name]()
        if name in _QUOTIENTS:
            above, below = _QUOTIENTS[name]
            return (self._function(above, x) if above else 1) / self._function(below, x)
        return self._function(name, x)

    def _function(self, name: str, x: Number) -> Number:
        if name not in _MPMATH_NAMES:
            raise AnswerError(f"{name} of an irrational number is not supported")
        if name == "ln" and not x:
            raise AnswerError("the logarithm of zero")
        # The time of a function grows with its argument, so the result is not the only thing to bound.
        self._checked(x, abs(x))
        if name in _HYPERBOLIC:
            # They differ from their limits by as little as exp(-2x), which nothing else in a number would show.
            self._note(3 * int(abs(x)) + 1)
        result = getattr(self.context, _MPMATH_NAMES[name])(x)
        # The sine of pi is zero, but exp(-500) is a small number.
        return self._checked(result, abs(result) if name in _NEVER_ZERO else max(abs(result), 1))

    def _real_floor(self, x: Number) -> Number:
        """The largest integer up to x; what is an integer to half the precision is that integer."""
        self._checked(x, abs(x))
        if self.context.im(x):
            raise AnswerError("the floor of a complex number")
        nearest = self.context.nint(x)
        return nearest if not self.difference(x, nearest) else self.context.floor(x)

    def _gamma(self, x: Number) -> Number:
        """x! for any number: the gamma function of x + 1."""
        if self.context.im(x) or abs(x) > MAX_GAMMA:
            raise AnswerError("a factorial of something too large or complex")
        return self._checked(self.context.gamma(x + 1), self.context.mpf(1))

    def _extreme(self, name: str, numbers: Sequence[Number]) -> Number:
        if any(self.context.im(number) for number in numbers):
            raise AnswerError("a complex number has no order")
        return (max if name == "max" else min)(numbers)

    def _sum(self, terms: Sequence[Number]) -> Number:
        return self._checked(self.context.fsum(terms), max(map(abs, terms)))

    def _power(self, x: Number, y: Fraction | Number) -> Number:
        """x ** y, the principal value, but the real one for odd roots of negative numbers."""
        if not x:
            return self._power_of_zero(y)
        if isinstance(y, Fraction) and y.denominator == 1:
            return self._whole_power(x, y.numerator)
        is_odd_root = isinstance(y, Fraction) and y.denominator % 2 and not self.context.im(x)
        if is_odd_root and self.context.re(x) < 0:
            magnitude = self._power(-x, y)
            return -magnitude if y.numerator % 2 else magnitude
        exponent = self.lift(y) * self.context.log(x)
        if self.context.mag(exponent) > MAX_MAGNITUDE.bit_length():
            raise TooLarge("a power too large to compute")
        return self.context.exp(exponent)

    def _whole_power(self, x: Number, exponent: int) -> Number:
        if abs(exponent) * max(abs(int(self.context.mag(x))), 1) > MAX_MAGNITUDE:
            raise TooLarge("a power too large to compute")
        return x**exponent

    def _power_of_zero(self, y: Fraction | Number) -> Number:
        if not self.context.re(self.lift(y)) > 0:
            raise AnswerError("zero to a power that is not positive")
        return self.context.mpf(0)

    def _checked(self, value: Number, scale: Number) -> Number:
        """The value with a part that vanishes beside `scale` made zero; AnswerError when out of range."""
        context = self.context
        if not context.isfinite(value):
            raise AnswerError("undefined")
        smallest = context.ldexp(scale, -self.precision // 2)
        real, imaginary = (
            0 if abs(part) <= smallest else part for part in (context.re(value), context.im(value))
        )
        value = context.mpc(real, imaginary) if imaginary else context.mpf(real)
        if value:
            self._note(abs(int(context.mag(value))))
        return value

    def _note(self, bits: int) -> None:
        if bits > MAX_MAGNITUDE:
            raise TooLarge("a number too large or too fine beside an irrational one")
        self.magnitude = max(self.magnitude, bits)


def _thread_context() -> Any:
    """This thread's own mpmath context: making one takes half a millisecond, and the global one is not ours."""
    if not hasattr(_LOCAL, "context"):
        _LOCAL.context = mpmath.MPContext()
    return _LOCAL.context
