"""Plain text -> tokens: LaTeX and plain spellings of the same thing become the same tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from r1kit.rewards.math.reading.normalise import normalise
from r1kit.rewards.math.reading.spelling import ALIASES, CURRENCIES, GREEK, LAYOUT, NUMERALS
from r1kit.rewards.math.reading.wording import splits_into_letters
from r1kit.rewards.math.tree import AnswerError

MAX_TOKENS: Final = 4_000
MAX_DIGITS: Final = 4_000


class Kind(Enum):
    r"""The kinds of token. TEXT is a word inside `\text{}`, which is never a product of variables."""

    NUMBER = auto()
    BASED = auto()
    LETTER = auto()
    WORD = auto()
    TEXT = auto()
    COMMAND = auto()
    CURRENCY = auto()
    SYMBOL = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token; NUMBER texts are plain decimals, COMMAND texts carry no backslash."""

    kind: Kind
    text: str

    @property
    def key(self) -> str:
        """What has to be equal for two tokens to say the same: words in lower case, single letters as they are."""
        is_product = self.kind is Kind.WORD and splits_into_letters(self.text)
        return (
            self.text.lower()
            if len(self.text) > 1 and self.kind in WORDLIKE and not is_product
            else self.text
        )


WORDLIKE: Final = (Kind.WORD, Kind.TEXT)
_TEXT_COMMAND: Final = (
    r"\\(?:text|textrm|textnormal|textbf|textit|textsf|texttt|mathrm|mbox|hbox|operatorname\*?)(?![A-Za-z])"
)
_NAMES: Final = "|".join(NUMERALS)
_OVERLINED: Final = r"\\(?:overline|bar|dot)\s*(?:\{\s*\d+\s*\}|\d)"
_GROUP: Final = r"(?:,\\!\s*|\{,\}|\\[,!:;]|\\[ ]|~|[ ]|\\thinspace\s?|_(?=\d{3}(?!\d)))"
_PATTERN: Final = rf"""
      (?P<skip>     \s+ | \\[,;:!>\ ] | ~ | \\(?:h|v|m)space\*?\s*\{{[^{{}}]*\}} | \\(?:label|tag)\{{[^{{}}]*\}} )
    | (?P<based>    \d+_(?:\d+|\{{(?:\d+|{_NAMES})\}}) | \d[0-9A-Fa-f]*_(?:1[1-6](?!\d)|\{{(?:1[1-6]|{_NAMES})\}}) | \(\d+\)_(?:\d+|\{{[0-9a-z]+\}}) | 0[xXbBoO][0-9A-Fa-f]+ )
    | (?P<letters>  (?:[A-F][0-9A-F]+|[a-f]+[0-9][0-9a-f]*)_(?:1[1-6](?!\d)|\{{1[1-6]\}}) )
    | (?P<repeating>\d*\.\d*{_OVERLINED} | 0?\.\d+\(\d+\) | \d*\.\(\d+\) | \d*\.\d*?(?P<last>\d)(?P=last){{2,}}(?:\.\.\.|\\(?:ldots|dots|cdots)) )
    | (?P<grouped>  \d{{1,3}}(?:{_GROUP}\d{{3}})+(?![\d])(?!\s*/)(?:\.\d+)? )
    | (?P<thousands>\d{{1,3}}(?:,\d{{3}})+(?![\d])(?:\.\d+)? )
    | (?P<number>   (?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+(?![A-Za-z\d]))? )
    | (?P<text>     {_TEXT_COMMAND}\s*\{{(?P<inside>[^{{}}]*)\}} )
    | (?P<bold>     \\mathbf\s*\{{\s*[RZQN]\s*\}} )
    | (?P<set>      \\(?:mathbb|mathcal|Bbb)\s*(?:\{{\s*[A-Z]\s*\}}|[A-Z])(?:\s*\^\s*\{{?[+*-]\}}?)? )
    | (?P<environ>  \\(?:begin|end)\s*\{{[A-Za-z]+\*?\}} )
    | (?P<command>  \\[A-Za-z]+ )
    | (?P<escaped>  \\[%&{{}}|\#_] | \\\\(?:\s*\[[^\]]*\])? )
    | (?P<word>     [^\W\d_]+(?:'[^\W\d_]+)? )
    | (?P<symbol>   \*\* | <= | >= | != | == | -> | [-+*/^_()\[\]{{}}|,;:=<>!%&'?] )
    """
_LEXER: Final = re.compile(_PATTERN, re.VERBOSE)
# Inside brackets a comma separates: (1,234) is a pair.
_LEXER_IN_BRACKETS: Final = re.compile(_PATTERN.replace("<thousands>", "<never>(?!)"), re.VERBOSE)
_SYMBOL_NAMES: Final = {"**": "^", "==": "=", "->": "to", r"\%": "%", r"\|": "|", r"\&": "&", ";": ","}
_DEPTH: Final = {"(": 1, "[": 1, "\\{": 1, ")": -1, "]": -1, "\\}": -1}


def tokenize(text: str) -> tuple[Token, ...]:
    """The tokens of an answer, without layout and without redundant braces; never empty.

    Raises AnswerError for a character or command outside the vocabulary and for anything over a bound.
    """
    tokens = without_redundant_braces(list(_scan(normalise(text), inside_text=False)))
    if not tokens:
        raise AnswerError("empty")
    if len(tokens) > MAX_TOKENS:
        raise AnswerError(f"more than {MAX_TOKENS} tokens")
    return tuple(tokens)


def same_text(left: Sequence[Token], right: Sequence[Token]) -> bool:
    """Whether two answers are spelled the same once layout and spelling variants are gone."""
    return [token.text for token in left] == [token.text for token in right]


def _scan(text: str, *, inside_text: bool) -> Iterator[Token]:
    position = depth = 0
    while position < len(text):
        match = (_LEXER_IN_BRACKETS if depth > 0 else _LEXER).match(text, position)
        if match is None:
            raise AnswerError(f"unknown character {text[position]!r}")
        position = match.end()
        for token in _tokens_of(match, inside_text=inside_text):
            depth += _DEPTH.get(token.text, 0)
            yield token


def _tokens_of(match: re.Match[str], *, inside_text: bool) -> Iterator[Token]:
    kind, found = match.lastgroup, match[0]
    if kind == "text":
        # "Yes." and "2 p.m.": a full stop in a text says nothing, a decimal point does.
        inside = re.sub(r"\.(?!\d)|\b[a-z]-(?=[A-Za-z]{3})|(?<=[A-Za-z])-(?=[A-Za-z])", " ", match["inside"])
        yield from _scan(inside, inside_text=True)
    elif kind == "command":
        yield from _command(found[1:])
    elif kind in ("set", "bold"):
        yield Token(Kind.COMMAND, "set " + "".join(re.findall(r"[A-Z+*-]", found)))
    elif kind == "word":
        single = len(found) == 1 and found.isascii() and not inside_text
        yield Token(Kind.TEXT if inside_text else Kind.LETTER if single else Kind.WORD, found)
    elif kind == "environ":
        yield Token(Kind.COMMAND, "".join(found[1:].split()))
    elif kind in ("symbol", "escaped"):
        name = "\\\\" if found.startswith("\\\\") else _SYMBOL_NAMES.get(found, found)
        yield Token(Kind.COMMAND if name.isalpha() else Kind.SYMBOL, name)
    elif kind in ("based", "letters"):
        yield Token(Kind.BASED, re.sub(r"[{}()]", "", found))
    elif kind != "skip":
        yield _number(found)


def _number(found: str) -> Token:
    is_plain = not re.search(r"overline|bar|dot|\(|\.\.\.", found)
    plain = re.sub(r"[^\d.eE+-]", "", found) if is_plain else re.sub(r"\s", "", found)
    if len(plain) > MAX_DIGITS:
        raise AnswerError(f"a number of more than {MAX_DIGITS} digits")
    return Token(Kind.NUMBER, plain)


def _command(name: str) -> Iterator[Token]:
    if name in CURRENCIES:
        yield Token(Kind.CURRENCY, CURRENCIES[name])
        return
    name = ALIASES.get(name, name)
    if name in LAYOUT:
        return
    if name in GREEK:
        yield Token(Kind.LETTER, name)
    else:
        yield Token(Kind.COMMAND if name.isalpha() else Kind.SYMBOL, name)


def without_redundant_braces(tokens: list[Token]) -> list[Token]:
    """The tokens without braces around the whole, and with one pair of braces or brackets where several enclose the same."""
    braces, brackets = _partners(tokens, "{", "}"), _partners(tokens, "(", ")")
    start, end = 0, len(tokens) - 1
    dropped = set()
    while start < end and braces.get(start) == end:
        dropped |= {start, end}
        start, end = start + 1, end - 1
    for partner in (braces, brackets):
        for opening, closing in partner.items():
            encloses_pair = partner.get(opening + 1) == closing - 1 and opening + 1 < closing - 1
            if encloses_pair or (partner is braces and _is_set_apart(tokens[opening + 1 : closing])):
                dropped |= {opening, closing}
    return [token for index, token in enumerate(tokens) if index not in dropped]


def _is_set_apart(inside: Sequence[Token]) -> bool:
    return len(inside) == 1 and inside[0].text in _SET_APART


# {,} and {:} are spaced as TeX spaces letters, and mean the same.
_SET_APART: Final = frozenset((",", ":", "=", "<", ">", "<=", ">=", "!=", "*", "/"))


def _partners(tokens: Sequence[Token], left: str, right: str) -> dict[int, int]:
    """The position of the closing sign by that of the opening one."""
    opened: list[int] = []
    partner: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.text == left:
            opened.append(index)
        elif token.text == right and opened:
            partner[opened.pop()] = index
    return partner
