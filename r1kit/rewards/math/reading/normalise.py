"""Text -> plain text: wrappers go, and Unicode becomes the ASCII or LaTeX spelling of the same thing."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from r1kit.rewards.math.reading.spelling import SUBSCRIPTS, SUPERSCRIPTS, UNICODE
from r1kit.rewards.math.tree import MAX_CHARS, AnswerError

_DELIMITERS: Final = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_RAISED: Final = re.compile(f"[{''.join(map(re.escape, SUPERSCRIPTS))}]+")
_LOWERED: Final = re.compile(f"[{''.join(map(re.escape, SUBSCRIPTS))}]+")
_REWRITES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|middle)\s*\.", " "),
        (r"\\(?:left|right|middle)\b\s*", ""),
        (r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))", r"\\degree "),
        (r"(?i)\b([ap])\.\s?m\b\.?", r"\1m"),
        (r"(?i)\bper\s+cent\b", "percent"),
        (r"^\s*=(?!=)", ""),
        (r"(?:\\\\|&)\s*$", ""),
        (r"(?i)\bu\.?s\.?d\b", r"\\$"),
        (r"\\\$", r"\\dollar "),
        (r"(?<![\\$])\$(?=\s*\.?\d)(?=[^$]*$)", r"\\dollar "),
        (r"(?<!\\)\$", " "),
        (r"(?<!\\)\\[()\[\]]", " "),
        (r"\\(?:text|mathrm|textrm)\s*\{([0-9A-Fa-f]+)\}(?=_)", r"\1"),
        (
            r"\(\s*(?:\\b?mod|mod|\\(?:text|mathrm|operatorname)\s*\{\s*mod\s*\})[\s~]*([^()]{1,20})\)",
            r"\\pmod{\1}",
        ),
        (r"^\s*([A-J])\.\s+(?=\S)", r"\1) "),
        (r"^\s*\\text\{\s*\(?([A-J])[.)]\s*\}\s*(?=\S)", r"\1) "),
        (r"(?<=\d)\s*\(\s*base\s*(\d+)\s*\)", r"_{\1}"),
        (r"(?<=[\dA-F])_\{?\\(?:text|mathrm)\s*\{(?:base\s*)?(\w+)\}\}?", r"_{\1}"),
        (r"\\(?:color|textcolor)\s*\{[a-z]+\}", " "),
        (r"(?<=\\equiv)([^\\]*)\\b?mod\s*(\d+)\s*$", r"\1\\pmod{\2}"),
    )
)
_UNSEEN: Final = ("Cc", "Cs", "Co", "Cn")
_OVERRIDES: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def normalise(text: str) -> str:
    """The answer without math delimiters, emphasis and final full stop, in ASCII where ASCII can say it.

    Raises AnswerError where the text is too long or shows something else than it holds (control characters,
    halves of surrogate pairs, marks that override the direction of writing).
    """
    if len(text) > MAX_CHARS:
        raise AnswerError(f"longer than {MAX_CHARS} characters")
    if not text.isascii():
        text = _to_plain_characters(text)
    if any((ord(char) < 32 and char not in "\t\n\r") or ord(char) == 127 for char in text):
        raise AnswerError("a control character")
    text = _unwrap(text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def _to_plain_characters(text: str) -> str:
    for char in text:
        if char in _OVERRIDES or (unicodedata.category(char) in _UNSEEN and not char.isascii()):
            raise AnswerError(f"the character U+{ord(char):04X}")
    text = _RAISED.sub(lambda run: "^" + _grouped(run[0].translate(_PLAIN_RAISED)), text)
    text = _LOWERED.sub(lambda run: "_" + _grouped(run[0].translate(_PLAIN_LOWERED)), text)
    text = text.translate(UNICODE)
    if any(unicodedata.category(char) == "No" for char in text):
        raise AnswerError("a number in a circle, or the like")
    # Only now: it would turn a raised 2 into a plain one.
    text = unicodedata.normalize("NFKC", text).translate(UNICODE)
    return "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)


def _grouped(run: str) -> str:
    return run if len(run) == 1 else f"{{{run}}}"


_PLAIN_RAISED: Final = str.maketrans(SUPERSCRIPTS)
_PLAIN_LOWERED: Final = str.maketrans(SUBSCRIPTS)


def _unwrap(text: str) -> str:
    before = None
    while before != text:
        before = text
        text = text.strip()
        if text.endswith((".", "\u3002", ";")) and not text.endswith(("...", "\\;")):
            text = text[:-1].rstrip()
        for opening, closing in _DELIMITERS:
            inner = text[len(opening) : -len(closing)]
            if text == opening + inner + closing and inner and opening not in inner:
                text = inner
    return text
