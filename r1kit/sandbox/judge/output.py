"""When the output of a program is the one that was expected.

Lines are compared one by one; blank lines at the end do not count. A line is its words: how much space stands around
and between them does not count. Two words that differ are still equal when both are decimal numbers and

- the expected one has a decimal point or an exponent, and they differ by at most 1e-6 of the larger of it and 1; or
- only the printed one has (3.0 for 3), and their values are exactly the same.

So whole numbers are exact, and so is everything that is no number, nan and inf included.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

TOLERANCE: Final = 1e-6
MOST_DIGITS: Final = 400
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)


def is_same_output(printed: str, expected: str) -> bool:
    """Whether the printed text counts as the expected one."""
    ours, theirs = _lines(printed), _lines(expected)
    return len(ours) == len(theirs) and all(map(_is_same_line, ours, theirs))


def _lines(text: str) -> list[list[str]]:
    # Not splitlines: that would also cut at form feeds and other separators.
    lines = [line.split() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _is_same_line(ours: list[str], theirs: list[str]) -> bool:
    return len(ours) == len(theirs) and all(map(_is_same_word, ours, theirs))


def _is_same_word(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if not (_is_number(ours) and _is_number(theirs)) or (_is_whole(ours) and _is_whole(theirs)):
        return False
    if _is_whole(theirs):
        return Decimal(ours) == Decimal(theirs)
    expected = float(theirs)
    return abs(float(ours) - expected) <= TOLERANCE * max(1.0, abs(expected)) < float("inf")


def _is_number(word: str) -> bool:
    return len(word) <= MOST_DIGITS and _NUMBER.fullmatch(word) is not None


def _is_whole(word: str) -> bool:
    return word.lstrip("+-").isdecimal()
