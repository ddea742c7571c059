"""Splits a trailing unit from a number and brings units to one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.spelling import BARE_UNITS, NOT_UNITS, UNIT_ALIASES
from r1kit.rewards.math.tokens import Kind, Token
from r1kit.rewards.math.tree import AnswerError

MAX_UNIT_WORDS: Final = 4
_ANGLE_AND_SHARE: Final = {"degree": "degree", "percent": "%"}
_PREFIX_POWERS: Final = {"square": "^2", "sq": "^2", "cubic": "^3"}


def split_unit(tokens: Sequence[Token]) -> tuple[Sequence[Token], str]:
    r"""The tokens of the number and its unit ("" without one).

    "\$18" has the unit "$", "5 \text{ cm}^2" has "cm^2", "270 degrees" becomes the number token of 270 degrees.
    Raises AnswerError where words follow a number that are no unit: "5 hundred", "5 at most".
    """
    if tokens[0].text in ("\\$", "$"):
        rest, unit = split_unit(tokens[1:]) if len(tokens) > 1 else (tokens[1:], "")
        return rest, _dollar(unit)
    start = next((index for index, token in enumerate(tokens) if index and _is_unit_word(token)), None)
    if start is None:
        return tokens, ""
    number, unit = tokens[:start], _unit_name(tokens[start:])
    if unit in _ANGLE_AND_SHARE:
        return [*number, Token(Kind.COMMAND, _ANGLE_AND_SHARE[unit])], ""
    return number, unit


def _dollar(unit: str) -> str:
    if unit not in ("", "$"):
        raise AnswerError(f"two units: $ and {unit}")
    return "$"


def _is_unit_word(token: Token) -> bool:
    if token.kind is Kind.WORD:
        return token.key in BARE_UNITS or (len(token.text) > 3 and token.text.isalpha())
    return token.kind is Kind.TEXT


def _unit_name(tokens: Sequence[Token]) -> str:
    words: list[str] = []
    for previous, token in zip((None, *tokens), tokens, strict=False):
        if _is_unit_word(token):
            words.append(_unit_word(token.key))
        elif token.text in ("/", "^") or (
            token.kind is Kind.NUMBER and previous and previous.text in ("^", "{")
        ):
            words.append(token.text)
        elif token.text not in ("{", "}"):
            raise AnswerError(f"unexpected {token.text!r} after a unit")
    if sum(word.isalpha() for word in words) > MAX_UNIT_WORDS:
        raise AnswerError("too many words after a number")
    power = _PREFIX_POWERS.get(words[0], "")
    return "".join([*words[1:], power] if power else words)


def _unit_word(word: str) -> str:
    if word in NOT_UNITS:
        raise AnswerError(f"{word!r} after a number is no unit")
    if word == "per":
        return "/"
    singular = word.removesuffix("s") if len(word) > 1 else word
    return UNIT_ALIASES.get(singular, singular) if singular else word
