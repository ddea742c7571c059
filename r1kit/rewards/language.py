"""The language of a text by its scripts, and the language-consistency reward (DeepSeek-R1 2025, section 2.3.2).

A word is a run of two or more Latin letters, one Chinese character, or a run of letters of another script.
Numbers, operators, LaTeX commands, formulas, code, tags, single Latin letters (most are variables), Greek
letters and names with digits in them say nothing about the language and do not count. Characters that are others in
another dress (full-width letters, letters of mathematical alphabets, superscripts, circled numbers) count as those.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

LANGUAGES: Final = ("en", "zh")
HAN: Final = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Chinese characters, as part of a character class."""

_NOT_LANGUAGE: Final = re.compile(
    r"""
      ```.*?(?:```|\Z)                 # blocks of code
    | `[^`\n]*`                        # code in a line
    | \$\$[^$]*\$\$ | \$[^$\n]*\$      # formulas
    # None of these may hold its own beginning: a flood of beginnings would else be read to its end from each of them.
    | \\\((?:[^\n\\]|\\(?!\())*?\\\) | \\\[(?:[^\]\\]|\\(?!\[))*\\\]
    | </?[A-Za-z_]+>                   # tags
    | \\(?:begin|end)\{[^{}\n]*\} | \\[A-Za-z]+
    """,
    re.VERBOSE | re.DOTALL,
)
_RUN: Final = re.compile(r"\w+")
_HAN: Final = re.compile(f"[{HAN}]")
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_GREEK: Final = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")


def count_words(text: str) -> Counter[str]:
    """How many words of a text are in "en" (Latin script), "zh" (Chinese characters) and "other" scripts."""
    counts: Counter[str] = Counter()
    plain = unicodedata.normalize("NFKC", _NOT_LANGUAGE.sub(" ", text))
    for run in _RUN.findall(plain):
        without_han, num_han = _HAN.subn(" ", run)
        counts["zh"] += num_han
        for piece in without_han.split():
            language = _language_of_piece(piece)
            if language:
                counts[language] += 1
    return +counts


def language_share(text: str, language: str) -> float | None:
    """The share of a text's words that are in `language` ("en" or "zh"), in [0, 1]; None without any word."""
    counts = count_words(text)
    return counts[language] / counts.total() if counts else None


def detect_language(text: str) -> str | None:
    """Which kind all words of a text are, "en", "zh" or "other", else "mixed"; None without any word."""
    counts = count_words(text)
    if len(counts) > 1:
        return "mixed"
    return next(iter(counts), None)


def is_mixed(text: str) -> bool:
    """Whether a text has words of more than one script, a single one being enough."""
    return detect_language(text) == "mixed"


def main_language(text: str) -> str | None:
    """The one of `LANGUAGES` that most words of a text are in; None when there is none that leads."""
    ranked = count_words(text).most_common(2)
    if not ranked or ranked[0][0] not in LANGUAGES or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


def language_reward(reasoning: str | None, language: str) -> float:
    """The share of the reasoning's words that are in `language`; 0.0 without reasoning or without words.

    Not undetermined but 0: whoever thinks without a word does not think in the language.
    """
    return language_share(reasoning or "", language) or 0.0


def _language_of_piece(piece: str) -> str | None:
    if not piece.isalpha() or _GREEK.search(piece):
        return None
    if _LATIN.fullmatch(piece):
        return "en" if len(piece) > 1 else None
    return "other"
