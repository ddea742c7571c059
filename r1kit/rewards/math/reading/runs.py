"""What several tokens in a row say: a time of day, the fraction of a mixed number, the words of a unit."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.reading.spelling import CONNECTORS
from r1kit.rewards.math.reading.tokens import WORDLIKE, Kind, Token
from r1kit.rewards.math.tree import Time

_HOURS: Final = 24
_FIELDS: Final = 3


def time_at(tokens: Sequence[Token], start: int) -> tuple[Time, int] | None:
    """The time such as `2:30`, `2:30:15 pm` or `2 pm` at `start` and its length in tokens; None without one."""
    fields = [_text(tokens, start)]
    while len(fields) < _FIELDS and _text(tokens, start + 2 * len(fields) - 1) == ":":
        following = _text(tokens, start + 2 * len(fields))
        if not _is_sixtieth(following):
            return None
        fields.append(following)
    length = 2 * len(fields) - 1
    meridiem = _meridiem(tokens, start + length)
    is_time = len(fields) > 1 or meridiem
    if (
        not is_time
        or not fields[0].isdigit()
        or int(fields[0]) > _HOURS
        or _text(tokens, start + length) == ":"
    ):
        return None
    hours, minutes, seconds = (int(field) for field in (*fields, "0", "0")[:_FIELDS])
    return Time(hours, minutes, seconds, meridiem), length + bool(meridiem)


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if index < len(tokens) else ""


def _meridiem(tokens: Sequence[Token], index: int) -> str:
    is_word = index < len(tokens) and tokens[index].kind in WORDLIKE
    word = tokens[index].text.lower() if is_word else ""
    return word if word in ("am", "pm") else ""


def _is_sixtieth(text: str) -> bool:
    return len(text) == 2 and text.isdigit() and int(text) < 60


def fraction_at(tokens: Sequence[Token], start: int) -> tuple[Fraction, int] | None:
    r"""The fraction of whole numbers below 1 at `start`, `\frac{1}{2}` or `1/2`, and its length in tokens."""
    texts = [token.text for token in tokens[start : start + 7]]
    match texts:
        case ["frac", "{", above, "}", "{", below, "}"]:
            length = 7
        case [above, "/", below, *_]:
            length = 3
        case _:
            return None
    if not (above.isdigit() and below.isdigit() and 0 < int(above) < int(below)):
        return None
    return Fraction(int(above), int(below)), length


def argument_at(tokens: Sequence[Token], start: int) -> tuple[str, int] | None:
    """The bracket with one number or variable that makes f a function, as in f(2), f(-1) and f(x), and its length."""
    texts = [token.text for token in tokens[start : start + 4]]
    match texts:
        case ["(", value, ")", *_]:
            length = 3
        case ["(", "-", value, ")"]:
            length = 4
        case _:
            return None
    is_argument = value.isdigit() or (len(value) == 1 and value.isalpha())
    return ("".join(texts[:length]), length) if is_argument else None


def unit_at(tokens: Sequence[Token], start: int) -> tuple[list[str], int]:
    """The words and signs of the unit that begins at `start`, and its length in tokens."""
    end = start
    while end < len(tokens) and _continues_unit(tokens, end):
        end += 1
    return [token.text for token in tokens[start:end] if token.text not in ("{", "}")], end - start


def _continues_unit(tokens: Sequence[Token], index: int) -> bool:
    token, previous = tokens[index], tokens[index - 1].text
    if token.kind in WORDLIKE:
        return token.key not in CONNECTORS
    if token.text in ("/", "*"):
        return index + 1 < len(tokens) and tokens[index + 1].kind in (*WORDLIKE, Kind.LETTER)
    if token.kind is Kind.LETTER:
        return previous in ("/", "*", "of")
    if token.kind is Kind.NUMBER or token.text == "-":
        return previous in ("^", "-") or (previous == "{" and tokens[index - 2].text == "^")
    if token.text == "}":
        return any(
            tokens[start].text == "{" and tokens[start - 1].text == "^"
            for start in range(max(index - 3, 1), index)
        )
    return token.text == "^" or (token.text == "{" and previous == "^")
