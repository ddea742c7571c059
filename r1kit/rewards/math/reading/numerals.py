"""Digits -> exact numbers: decimals, scientific notation, repeating decimals, other bases."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.reading.spelling import NUMERALS
from r1kit.rewards.math.tree import AnswerError, Based

MAX_EXPONENT: Final = 1_000
_PLAIN: Final = re.compile(
    r"(?P<integer>-?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,5}))"
    r"|(?P<decimal>-?[0-9]{1,18}\.[0-9]{1,18})"
    r"|(?P<above>-?[0-9]{1,18})/(?P<below>[0-9]{1,18})"
    r"|(?P<minus>-?)\\d?frac\{(?P<top>[0-9]{1,18})\}\{(?P<bottom>[0-9]{1,18})\}"
)
_PREFIXES: Final = {"0x": 16, "0b": 2, "0o": 8}
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read_plain(text: str) -> int | Fraction | None:
    """The value of an integer, decimal or fraction in its plainest spelling, None for anything else.

    The common answers take this path, which needs no tokens.
    """
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    if match["integer"]:
        return int(text.replace(",", ""))
    if match["decimal"]:
        return Fraction(text)
    above, below = match["above"] or match["minus"] + match["top"], match["below"] or match["bottom"]
    return Fraction(int(above), int(below)) if int(below) else None


def read_number(text: str) -> Fraction:
    r"""The exact value of "12", "3.50", "1.5e-3", "0.1\\overline{6}", "0.1(6)" or "0.333..."; AnswerError over a bound."""
    if not text.isascii() or re.search(r"[\\(]|\.\.\.", text):
        return _repeating(text)
    mantissa, _, exponent = text.lower().partition("e")
    if len(exponent) > len(str(MAX_EXPONENT)) + 1 or abs(int(exponent or 0)) > MAX_EXPONENT:
        raise AnswerError(f"an exponent over {MAX_EXPONENT}")
    whole, _, decimals = mantissa.partition(".")
    return Fraction(int(whole + decimals), 10 ** len(decimals)) * Fraction(10) ** int(exponent or 0)


def read_based(text: str) -> Based:
    """The digits and base of "1011_2", "11_two" or "0x1F"; AnswerError for a base out of 2..36 or a digit it lacks."""
    prefix = _PREFIXES.get(text[:2].lower())
    digits, _, base_text = (text[2:], "", str(prefix)) if prefix else text.partition("_")
    base = NUMERALS.get(base_text, 0) or (
        int(base_text) if base_text.isdecimal() and len(base_text) < 3 else 0
    )
    digits = digits.upper()
    if not 2 <= base <= len(_DIGITS) or any(digit not in _DIGITS[:base] for digit in digits):
        raise AnswerError(f"{text!r} is no number in its base")
    return Based(digits, base)


def _repeating(text: str) -> Fraction:
    whole, _, decimals = text.partition(".")
    marked = re.fullmatch(r"(\d*)(?:\\[a-z]+\{?|\()(\d+)[})]?", decimals)
    fixed, cycle = marked.groups() if marked else _repeated_last_digit(decimals)
    tail = Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(fixed))
    return Fraction(int(whole + fixed or "0"), 10 ** len(fixed)) + tail


def _repeated_last_digit(decimals: str) -> tuple[str, str]:
    digits = re.match(r"\d*", decimals)[0]  # type: ignore[index]  # matches always
    return digits.rstrip(digits[-1]), digits[-1]
