"""Values that are small although something on the way to them is not: 2^100000 mod 1000, 1000000!/999999!, i^(10^9)."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from r1kit.rewards.math.tree import INFINITY, Node, Num, Op, walk

MAX_FACTORS: Final = 1_000
MAX_MODULUS_BITS: Final = 2_000
MAX_EXPONENT_BITS: Final = 2_000


def shortcut(name: str, args: tuple[Node, ...], value: Callable[[Node], Any]) -> Fraction | None:
    """The exact value of an operation without its large parts, None where no rule applies.

    `value` gives the value of a part, and raises AnswerError as usual where that is undefined or too large.
    """
    match name, args:
        case "pow", (Num(base), exponent) if base == 1 and INFINITY not in walk(exponent):
            return base
        case "mod", (Op("pow", (base, exponent)), modulus):
            return _power_modulo(value(base), value(exponent), value(modulus))
        case "div", (Op("factorial", (above,)), Op("factorial", (below,))):
            return _quotient_of_factorials(value(above), value(below))
        case "log", (Op("pow", (base, exponent)), same) if base == same:
            return _power_of_base(value(base), value(exponent))
    return None


def _power_modulo(base: Any, exponent: Any, modulus: Any) -> Fraction | None:
    if not (_is_whole(base) and _is_whole(exponent) and _is_whole(modulus)) or exponent < 0 or modulus < 1:
        return None
    if (
        modulus.numerator.bit_length() > MAX_MODULUS_BITS
        or exponent.numerator.bit_length() > MAX_EXPONENT_BITS
    ):
        return None
    return Fraction(pow(base.numerator, exponent.numerator, modulus.numerator))


def _quotient_of_factorials(above: Any, below: Any) -> Fraction | None:
    if (
        not (_is_whole(above) and _is_whole(below))
        or min(above, below) < 0
        or abs(above - below) > MAX_FACTORS
    ):
        return None
    low, high = sorted((above.numerator, below.numerator))
    if high.bit_length() > 64:
        return None
    product = math.prod(range(low + 1, high + 1))
    return Fraction(product) if above >= below else Fraction(1, product)


def _power_of_base(base: Any, exponent: Any) -> Fraction | None:
    is_base = isinstance(base, Fraction) and base > 0 and base != 1
    return exponent if is_base and isinstance(exponent, Fraction) else None


def power_of_i(exponent: Any) -> int | None:
    """Which of 1, i, -1 and -i a power of i is, as 0 to 3; None for an exponent that is not whole."""
    return exponent.numerator % 4 if _is_whole(exponent) else None


def _is_whole(value: Any) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1
