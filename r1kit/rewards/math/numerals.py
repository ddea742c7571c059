"""Digits -> exact numbers: decimals, scientific notation, repeating decimals, other bases."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.tree import AnswerError, Based

MAX_EXPONENT: Final = 1_000
_PLAIN: Final = re.compile(
    r"(?P<integer>-?[0-9]{1,18})"
    r"|(?P<decimal>-?[0-9]{1,18}\.[0-9]{1,18})"
    r"|(?P<above>-?[0-9]{1,18})/(?P<below>[0-9]{1,18})"
    r"|(?P<minus>-?)\\d?frac\{(?P<top>[0-9]{1,18})\}\{(?P<bottom>[0-9]{1,18})\}"
)
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read_plain(text: str) -> int | Fraction | None:
    """The value of an integer, decimal or fraction in its plainest spelling, None for anything else.

    The common answers take this path, which needs no tokens.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    if match["integer"]:
        return int(text)
    if match["decimal"]:
        return Fraction(text)
    above, below = match["above"] or match["minus"] + match["top"], match["below"] or match["bottom"]
    return Fraction(int(above), int(below)) if int(below) else None


def read_number(text: str) -> Fraction:
    r"""The exact value of "12", "3.50", "1.5e-3" or "0.1\overline{6}"; AnswerError over the exponent bound."""
    if "overline" in text:
        return _repeating(text)
    mantissa, _, exponent = text.lower().partition("e")
    if len(exponent) > len(str(MAX_EXPONENT)) + 1 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise AnswerError(f"an exponent over {MAX_EXPONENT}")
    whole, _, decimals = mantissa.partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)


def read_based(text: str) -> Based:
    """The digits and base of "1011_2"; AnswerError for a base out of 2..36 or a digit the base does not have."""
    digits, _, base_text = text.partition("_")
    base = int(base_text) if len(base_text) < 3 else 0
    if not 2 <= base <= len(_DIGITS) or any(digit not in _DIGITS[:base] for digit in digits):
        raise AnswerError(f"{text!r} is no number in its base")
    return Based(digits, base)


def _repeating(text: str) -> Fraction:
    fixed, _, rest = text.partition("\\overline{")
    cycle = rest.removesuffix("}")
    decimals = fixed.partition(".")[2]
    tail = Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(decimals))
    return read_number(fixed.rstrip(".") or "0") + tail
