r"""Finds what names a value and is no part of it: `f(2) =`, `AB =`, `\angle ABC =`, `\text{Area} =`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.reading.spelling import FUNCTIONS
from r1kit.rewards.math.reading.tokens import WORDLIKE, Kind, Token

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
    if any(token.text.lower() in _DENYING for token in words):
        return None
    if not words or words[0].kind not in WORDLIKE or len(words[0].text) < 3:
        return None
    for index, token in enumerate(words):
        if (token.kind in WORDLIKE and token.text.lower() in _SAYING) or (
            token.text == ":" and words[0].kind is Kind.TEXT
        ):
            return start + index + 1
        if token.kind not in (*WORDLIKE, Kind.LETTER):
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
    return label[0].kind is Kind.LETTER and len(label) > 1 and label[1].text == "^"


def _is_worded(label: Sequence[Token]) -> bool:
    r"""Words such as "Area" or "total cost", and `\deg f`."""
    if label[0].kind is Kind.COMMAND and label[0].text in ("deg", "dim", "det", "rank"):
        return True
    if any(token.text.lower() in _DENYING for token in label) or label[0].text in FUNCTIONS:
        return False
    return (
        label[0].kind in WORDLIKE
        and len(label[0].text) > 2
        and all(token.kind in WORDLIKE for token in label)
    )


def _is_call(label: Sequence[Token]) -> bool:
    """`f(3)`, `f'(x)`, `P(A)`: a letter for a function and one bracket."""
    name, rest = label[0].text, [token for token in label[1:] if token.text not in ("'", "prime", "^", "_")]
    if label[0].kind not in (Kind.LETTER, *WORDLIKE) or len(rest) < 3:
        return False
    while rest and rest[0].text != "(":
        # The subscript or the power in f^{-1}(x) and f_n(x).
        rest = rest[1:]
    if not rest or rest[-1].text != ")" or any(token.text in "()" for token in rest[1:-1]):
        return False
    return name in _PROBABILITIES or (name in _LETTERS_BEFORE_EQUALS and len(rest) <= 5)


def _is_segment(label: Sequence[Token]) -> bool:
    r"""Names of points: `AB`, `|AB|`, `\angle ABC`, `[ABC]`, `m\angle A`."""
    marks = [token for token in label if token.text in _MARKS or token.text in ("[", "]")]
    names = [token for token in label if token not in marks]
    letters = "".join(token.text for token in names)
    if not letters.isalpha() or not letters.isupper() or not letters.isascii():
        return False
    return len(letters) > 1 or any(token.text in ("angle", "measuredangle") for token in label)
