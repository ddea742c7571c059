"""What words are, where they are no unit: a name, a phrase with a meaning, or letters side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.reading.spelling import ARTICLES, PHRASES, SYNONYMS

MAX_GLUED_LETTERS: Final = 4
_SHORT_WORD_NAMES: Final = """
yes no odd even one two six ten red blue dne none zero true sum all not any max min east west
"""
_SHORT_WORDS: Final = frozenset(_SHORT_WORD_NAMES.split())


def splits_into_letters(word: str) -> bool:
    """Whether a word outside text is a product of one-letter variables, as xy is and "Tom" and "odd" are not."""
    if len(word) > MAX_GLUED_LETTERS or not word.isascii() or word.lower() in _SHORT_WORDS:
        return False
    return word.islower() or word.isupper() or not word.istitle()


def read_words(words: Sequence[str]) -> tuple[str, object]:
    """The terminal that words stand for and its value: a set of numbers, infinity, or the words themselves.

    Words come back in lower case, without articles and in one form for what has several.
    """
    plain = tuple(word.lower() for word in words)
    while len(plain) > 1 and plain[0] in ARTICLES:
        plain = plain[1:]
    match PHRASES.get(plain):
        case "reals":
            return "NAMEDSET", "R"
        case "nothing":
            return "EMPTYSET", ""
        case "infinity":
            return "CONST", "inf"
        case "minus infinity":
            return "CONST", "-inf"
    return "WORDS", SYNONYMS.get(plain, plain)
