r"""Finds what names a value and is no part of it: `f(2) =`, `AB =`, `\angle ABC =`, `\text{Area} =`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.reading.spelling import CALLS, FUNCTIONS
from r1kit.rewards.math.reading.tokens import WORDLIKE, Kind, Token
from r1kit.rewards.math.reading.units import changes_number
from r1kit.rewards.math.reading.wording import splits_into_letters

MAX_LABEL_TOKENS: Final = 24
_DENYING: Final = frozenset(
    (
        "not",
        "wrong",
        "incorrect",
        "but",
        "never",
        "isn't",
        "no",
        "unless",
        "false",
        "except",
        "neither",
        "nor",
    )
)
_NEUTRAL_WORDS: Final = """
the a an of in for on at to and by so thus hence therefore we have our final answer result value values solution solutions
maximum minimum smallest largest greatest least possible required desired positive integer integers real area perimeter
circumference surface length width height volume total sum product number numbers probability distance radius diameter
angle measure cost price profit average mean median mode range ratio slope equation degree remainder quotient digit
digits ways age speed time rate triangle circle rectangle side sides term sequence constant coefficient expected exact
"""
_NEUTRAL: Final = frozenset(_NEUTRAL_WORDS.split())
_SAYING: Final = frozenset(("is", "are", "equals"))
FUNCTION_LETTERS: Final = frozenset("fghpqFGHPQ")
_LETTERS_BEFORE_EQUALS: Final = FUNCTION_LETTERS | frozenset("ruvyRSTVEALN")
_PROBABILITIES: Final = frozenset(("P", "E", "Pr", "Var", "Cov"))
_MARKS: Final = frozenset(("angle", "triangle", "measuredangle", "overline", "{", "}", "m", "|", "(", ")"))
_DEPTH: Final = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def fold_label(tokens: Sequence[Token], start: int) -> tuple[str, int] | None:
    """The label that starts at `start` and the position behind its "=", None when none does.

    A single letter is no label here, but the left side of an equation.
    """
    end = _end_of_sentence(tokens, start)
    if end is not None:
        return "".join(token.text for token in tokens[start:end]), end
    end = _first_equals(tokens, start)
    if end is None or end - start < 1:
        return None
    label = tokens[start:end]
    of_matrix = tokens[end + 1 : end + 2] and tokens[end + 1].text.startswith("begin{")
    if _is_worded(label) or _is_call(label) or _is_segment(label) or (of_matrix and _is_inverse(label)):
        return "".join(token.text for token in label), end + 1
    return None


def _end_of_sentence(tokens: Sequence[Token], start: int) -> int | None:
    r"""Where the value begins in `\text{The least value of } a \text{ is } 3` and in `\text{Maximum: } 3`."""
    words = tokens[start : start + MAX_LABEL_TOKENS]
    if not words or words[0].kind not in WORDLIKE or len(words[0].text) < 3:
        return None
    for index, token in enumerate(words):
        if (token.kind in WORDLIKE and token.text.lower() in _SAYING) or (
            token.text == ":" and words[0].kind is Kind.TEXT
        ):
            return start + index + 1
        if token.kind not in (*WORDLIKE, Kind.LETTER) or (
            len(token.text) > 1 and token.text.lower() not in _NEUTRAL
        ):
            return None
    return None


def _first_equals(tokens: Sequence[Token], start: int) -> int | None:
    depth = 0
    for index in range(start, min(start + MAX_LABEL_TOKENS, len(tokens))):
        text = tokens[index].text
        depth += _DEPTH.get(text, 0)
        if depth == 0 and text == "=":
            return index
        if depth < 0 or (depth == 0 and text == ","):
            return None
    return None


def _is_inverse(label: Sequence[Token]) -> bool:
    """`A^{-1}`, `A^T`: what a matrix is called."""
    name = "".join(token.text for token in label if token.text not in ("{", "}"))
    return label[0].kind is Kind.LETTER and name[1:] in ("^-1", "^T")


def _is_worded(label: Sequence[Token]) -> bool:
    r"""Words such as "Area" or "total cost", and `\deg f`."""
    if label[0].kind is Kind.COMMAND and label[0].text in ("deg", "dim", "det", "rank"):
        return len(label) == 2 and label[1].kind is Kind.LETTER
    if label[0].text in (*FUNCTIONS, *CALLS, "log") or any(token.kind not in WORDLIKE for token in label):
        return False
    words = [token.text.lower() for token in label]
    if label[0].kind is Kind.WORD and splits_into_letters(label[0].text):
        return False
    is_name = (
        len(words) == 1 and len(words[0]) > 2 and words[0] not in _DENYING and not changes_number(words[0])
    )
    return is_name or all(word in _NEUTRAL for word in words)


def _is_call(label: Sequence[Token]) -> bool:
    """`f(3)`, `f'(x)`, `f^{-1}(2)`, `P(A)`: a letter for a function and one bracket."""
    name, texts = label[0].text, [token.text for token in label[1:]]
    if label[0].kind not in (Kind.LETTER, *WORDLIKE) or "(" not in texts or texts[-1] != ")":
        return False
    start = texts.index("(")
    raised, inside = texts[:start], texts[start + 1 : -1]
    if "(" in inside or not _is_raised(raised):
        return False
    return name in _PROBABILITIES or (name in _LETTERS_BEFORE_EQUALS and 0 < len(inside) <= 3)


def _is_raised(texts: Sequence[str]) -> bool:
    """Whether nothing, or a prime, a subscript or an exponent, stands between a function and its bracket."""
    plain = "".join(text for text in texts if text not in ("{", "}"))
    return not plain or plain.strip("'") in ("", "^prime", "^-1") or (plain[0] == "_" and plain[1:].isalnum())


def _is_segment(label: Sequence[Token]) -> bool:
    r"""Names of points: `AB`, `|AB|`, `\angle ABC`, `[ABC]`, `m\angle A`."""
    marks = [token for token in label if token.text in _MARKS or token.text in ("[", "]")]
    names = [token for token in label if token not in marks]
    letters = "".join(token.text for token in names)
    if not letters.isalpha() or not letters.isupper() or not letters.isascii():
        return False
    return len(letters) > 1 or any(token.text in ("angle", "measuredangle") for token in label)
