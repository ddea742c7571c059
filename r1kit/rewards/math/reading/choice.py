"""The letter of a multiple choice, alone or before what is printed beside it: (C), C., "C) 12", "option C"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.reading.tokens import WORDLIKE, Kind, Token
from r1kit.rewards.math.tree import Choice

LETTERS: Final = frozenset("ABCDEFGHIJ")
_SPOILING_WORDS: Final = """
or and not is are no nor unless but both wrong incorrect maybe if either false cannot can't ruled impossible never
excluded except eliminated isn't unlikely rejected perhaps possibly nope doubtful
"""
_SPOILING: Final = frozenset(_SPOILING_WORDS.split())
_INTRODUCTIONS: Final = frozenset(("option", "choice", "answer", "is", "the", "correct"))


def is_choice(tokens: Sequence[Token]) -> bool:
    """Whether a gold can only be meant as a choice: one capital letter from A to J, perhaps in brackets."""
    return _letter_alone(tokens) is not None or _letter_before_content(tokens) is not None


def read_choice(tokens: Sequence[Token]) -> Choice | None:
    """The choice that the tokens begin with, None when they do not begin with one."""
    while len(tokens) > 1 and tokens[0].kind in WORDLIKE and tokens[0].text.lower() in _INTRODUCTIONS:
        tokens = tokens[1:]
    letter = _letter_alone(tokens) or _letter_before_content(tokens)
    return None if letter is None else Choice(letter)


def _letter_alone(tokens: Sequence[Token]) -> str | None:
    inner = [token for token in tokens if token.text not in ("(", ")", "[", "]", "{", "}")]
    if len(inner) != 1 or len(tokens) > 5:
        return None
    return _as_letter(inner[0])


def _letter_before_content(tokens: Sequence[Token]) -> str | None:
    """The letter in `(C) 12`, `C) 12`, `C: 12`; what follows must not be another letter of a choice."""
    texts = [token.text for token in tokens if token.text not in ("{", "}")]
    plain = [token for token in tokens if token.text not in ("{", "}")]
    start = 1 if texts[:1] == ["("] else 0
    if len(plain) < start + 3 or plain[start + 1].text not in (")", ":"):
        return None
    if start == 0 and plain[1].text == ")" and texts.count("(") >= texts.count(")"):
        return None
    content = plain[start + 2 :]
    if content[0].kind is Kind.SYMBOL and content[0].text not in ("(", "[", "-", "\\{"):
        return None
    if any(_as_letter(token) or _spoils(token) for token in content):
        return None
    return _as_letter(plain[start])


def _spoils(token: Token) -> bool:
    """Whether a word takes the letter before it back, or puts another beside it; so do letters side by side."""
    return token.kind in WORDLIKE and (token.text.lower() in _SPOILING or set(token.text) <= LETTERS)


def _as_letter(token: Token) -> str | None:
    return token.text if token.text in LETTERS and token.kind in (Kind.LETTER, Kind.TEXT) else None
