"""Text -> tokens: LaTeX, plain and Unicode spellings of the same thing become the same tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from r1kit.rewards.math.spelling import ALIASES, FUNCTIONS, GREEK, LAYOUT, UNICODE
from r1kit.rewards.math.tree import AnswerError

MAX_CHARS: Final = 20_000
MAX_TOKENS: Final = 400
MAX_DIGITS: Final = 1_000


class Kind(Enum):
    r"""The kinds of token. TEXT is a word inside `\text{}`, which is never a product of variables."""

    NUMBER = auto()
    BASED = auto()
    LETTER = auto()
    WORD = auto()
    TEXT = auto()
    COMMAND = auto()
    SYMBOL = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token; NUMBER texts are plain Python decimals, COMMAND texts carry no backslash."""

    kind: Kind
    text: str

    @property
    def key(self) -> str:
        """What has to be equal for two tokens to say the same: words in lower case, single letters as they are."""
        return self.text.lower() if len(self.text) > 1 and self.kind in _WORDLIKE else self.text


_WORDLIKE: Final = (Kind.WORD, Kind.TEXT)
_TEXT_COMMAND: Final = r"\\(?:text|textrm|textnormal|textbf|textit|mathrm|mbox|hbox)(?![A-Za-z])"
_GROUP: Final = r"(?:,\\!\s*|\{,\}|\\,|\\[ ]|~|[ ])"
_PATTERN: Final = rf"""
      (?P<skip>     \s+ | \\[,;:!>\ ] | ~ )
    | (?P<based>    \d[0-9A-Za-z]*_(?:\d+|\{{\d+\}}) )
    | (?P<repeating>\d*\.\d*\\overline\s*\{{\d+\}} )
    | (?P<grouped>  \d{{1,3}}(?:{_GROUP}\d{{3}})+(?![\d])(?:\.\d+)? )
    | (?P<thousands>\d{{1,3}}(?:,\d{{3}})+(?![\d])(?:\.\d+)? )
    | (?P<number>   (?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<text>     {_TEXT_COMMAND}\s*\{{(?P<inside>[^{{}}]*)\}} )
    | (?P<environ>  \\(?:begin|end)\s*\{{[A-Za-z]+\*?\}} )
    | (?P<command>  \\[A-Za-z]+ )
    | (?P<escaped>  \\[%$&{{}}|] | \\\\ )
    | (?P<word>     [^\W\d_]+ )
    | (?P<symbol>   \*\* | <= | >= | != | [-+*/^_()\[\]{{}}|,;:=<>!%&'$] )
    """
_LEXER: Final = re.compile(_PATTERN, re.VERBOSE)
# Inside brackets a comma separates: (1,234) is a pair.
_LEXER_IN_BRACKETS: Final = re.compile(_PATTERN.replace("<thousands>", "<never>(?!)"), re.VERBOSE)
_DEGREE: Final = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_DELIMITERS: Final = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"))
_SYMBOL_NAMES: Final = {"**": "^", "<=": "le", ">=": "ge", "!=": "ne", r"\%": "%", r"\|": "|", r"\&": "&"}


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of an answer, without layout and without braces around the whole; never empty.

    Raises AnswerError for a character or command outside the vocabulary and for anything over a bound.
    """
    if len(text) > MAX_CHARS:
        raise AnswerError(f"longer than {MAX_CHARS} characters")
    tokens = tuple(_strip_braces(list(_scan(_unwrap(_plain(text)), inside_text=False))))
    if not tokens:
        raise AnswerError("empty")
    if len(tokens) > MAX_TOKENS:
        raise AnswerError(f"more than {MAX_TOKENS} tokens")
    return tokens


def same_text(left: tuple[Token, ...], right: tuple[Token, ...]) -> bool:
    """Whether two answers are spelled the same once layout and spelling variants are gone."""
    return [token.key for token in left] == [token.key for token in right]


def _plain(text: str) -> str:
    return _DEGREE.sub(r"\\degree ", text.translate(UNICODE))


def _unwrap(text: str) -> str:
    """Without math delimiters or emphasis around the whole, and without a final full stop."""
    before = None
    while before != text:
        before = text
        text = text.strip().removesuffix(".").rstrip()
        for opening, closing in _DELIMITERS:
            inner = text[len(opening) : -len(closing)]
            if text == opening + inner + closing and inner and opening not in inner:
                text = inner
    return text


def _scan(text: str, *, inside_text: bool) -> Iterator[Token]:
    position = depth = 0
    while position < len(text):
        match = (_LEXER_IN_BRACKETS if depth else _LEXER).match(text, position)
        if match is None:
            raise AnswerError(f"unknown character {text[position]!r}")
        position = match.end()
        for token in _tokens_of(match, inside_text=inside_text):
            depth += {"(": 1, "[": 1, "\\{": 1, ")": -1, "]": -1, "\\}": -1}.get(token.text, 0)
            yield token


def _tokens_of(match: re.Match[str], *, inside_text: bool) -> Iterator[Token]:
    kind, found = match.lastgroup, match[0]
    if kind == "text":
        # "Yes." and "2 p.m.": a full stop in a text says nothing, a decimal point does.
        yield from _scan(re.sub(r"\.(?!\d)", " ", match["inside"]), inside_text=True)
    elif kind == "command":
        yield from _command(found[1:])
    elif kind == "word":
        yield from _word(found, inside_text=inside_text)
    elif kind == "environ":
        yield Token(Kind.COMMAND, "".join(found[1:].split()))
    elif kind in ("symbol", "escaped"):
        name = _SYMBOL_NAMES.get(found, found)
        yield Token(Kind.COMMAND if name.isalpha() else Kind.SYMBOL, name)
    elif kind == "based":
        yield Token(Kind.BASED, re.sub(r"[{}]", "", found).upper())
    elif kind != "skip":
        yield _number(found)


def _number(found: str) -> Token:
    plain = re.sub(r"[^\d.eE+-]", "", found) if "overline" not in found else re.sub(r"\s", "", found)
    if len(plain) > MAX_DIGITS:
        raise AnswerError(f"a number of more than {MAX_DIGITS} digits")
    return Token(Kind.NUMBER, plain)


def _command(name: str) -> Iterator[Token]:
    name = ALIASES.get(name, name)
    if name in LAYOUT:
        return
    if name in GREEK:
        yield Token(Kind.LETTER, name)
    else:
        yield Token(Kind.COMMAND if name.isalpha() else Kind.SYMBOL, name)


def _word(found: str, *, inside_text: bool) -> Iterator[Token]:
    if inside_text:
        yield Token(Kind.TEXT, found)
    elif found in FUNCTIONS or found == "pi":
        yield Token(Kind.COMMAND, found)
    else:
        yield Token(Kind.LETTER if len(found) == 1 else Kind.WORD, found)


def _strip_braces(tokens: list[Token]) -> list[Token]:
    """The tokens without the brace pairs that enclose all of them, however many."""
    opened: list[int] = []
    partner: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.text == "{":
            opened.append(index)
        elif token.text == "}" and opened:
            partner[opened.pop()] = index
    start, end = 0, len(tokens) - 1
    while start < end and partner.get(start) == end:
        start, end = start + 1, end - 1
    return tokens[start : end + 1]
