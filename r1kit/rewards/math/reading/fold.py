"""Tokens -> the terminals of `grammar.lark`: what a token means is settled here by what stands beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final

from lark import Token as Terminal

from r1kit.rewards.math.reading.labels import FUNCTION_LETTERS, fold_label
from r1kit.rewards.math.reading.layout import arrange
from r1kit.rewards.math.reading.numerals import read_based, read_number
from r1kit.rewards.math.reading.runs import argument_at, fraction_at, time_at, unit_at
from r1kit.rewards.math.reading.spelling import CALL_ALIASES, CALLS, CONNECTORS, FUNCTION_ALIASES, FUNCTIONS
from r1kit.rewards.math.reading.tokens import WORDLIKE, Kind, Token
from r1kit.rewards.math.reading.units import changes_number, is_bare_unit, parse_unit
from r1kit.rewards.math.reading.wording import read_words, splits_into_letters
from r1kit.rewards.math.tree import AnswerError

MAX_NESTING: Final = 40
_COMMANDS: Final = {
    "pm": "PM", "mp": "PM", "in": "IN", "cup": "CUP", "cap": "CAP", "setminus": "SETMINUS", "emptyset": "EMPTYSET",
    "approx": "APPROX", "degree": "DEGREE", "sum": "BIGOP", "prod": "BIGOP", "int": "INT", "lim": "LIM", "to": "TO",
    "langle": "LANGLE", "rangle": "RANGLE", "lfloor": "LFLOOR", "rfloor": "RFLOOR", "lceil": "LCEIL",
    "rceil": "RCEIL", "mid": "MID", "frac": "FRAC", "binom": "BINOM", "sqrt": "SQRT",
    "root": "ROOT", "abs open": "ABS_OPEN", "abs close": "ABS_CLOSE",
    "log": "LOG", "overline": "CONJUGATE", "pmod": "MODULUS", "equiv": "REL", "perm": "BINOM", "bmod": "MOD", "mod": "MOD",
}  # fmt: skip
_SYMBOLS: Final = {
    "+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "DIVIDE", "^": "CARET", "_": "UNDER", "!": "BANG", "%": "PERCENT",
    "(": "LPAR", ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LGROUP", "}": "RGROUP", "\\{": "LBRACE",
    "\\}": "RBRACE", ",": "COMMA", ":": "COLON", "\\\\": "ROWEND", "&": "AMP",
    "=": "REL", "!=": "REL", "<": "REL", ">": "REL", "<=": "REL", ">=": "REL",
}  # fmt: skip
_SIGNS: Final = {
    "percent": "PERCENT", "degree": "DEGREE", "degrees": "DEGREE", "radian": "RADIAN", "radians": "RADIAN", "rad": "RADIAN",
}  # fmt: skip
_TEMPERATURES: Final = {"celsius": "celsius", "c": "celsius", "fahrenheit": "fahrenheit", "f": "fahrenheit"}
_SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_FUNCTIONS: Final = frozenset(("sin", "cos", "tan", "cot", "sec", "csc", "ln"))
_SEPARATORS: Final = frozenset(("COMMA", "AND", "OR", "LPAR", "LSQB", "LBRACE", "LANGLE", "MID"))
_OPENING: Final = frozenset(("LPAR", "LSQB", "LGROUP", "LBRACE", "LANGLE", "ABS_OPEN", "LFLOOR", "LCEIL"))
_CLOSING: Final = frozenset(("RPAR", "RSQB", "RGROUP", "RBRACE", "RANGLE", "ABS_CLOSE", "RFLOOR", "RCEIL"))
_OPERAND_ENDS: Final = _CLOSING | {
    "NUMBER",
    "BASED",
    "MIXED",
    "CONST",
    "VAR",
    "BANG",
    "PERCENT",
    "DEGREE",
    "RADIAN",
    "END",
}


def fold(tokens: Sequence[Token]) -> list[Terminal]:
    """The terminals of an answer; AnswerError for words that are none of the things words can be."""
    terminals = _Folder(arrange(tokens)).fold()
    _check_nesting(terminals)
    return terminals


def _check_nesting(terminals: Iterable[Terminal]) -> None:
    depth = 0
    for terminal in terminals:
        depth += (terminal.type in _OPENING) - (terminal.type in _CLOSING)
        if depth > MAX_NESTING:
            raise AnswerError(f"nested deeper than {MAX_NESTING}")


class _Folder:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.folded: list[Terminal] = []

    def fold(self) -> list[Terminal]:
        while self.position < len(self.tokens):
            if not self._fold_label():
                self._fold_one(self.tokens[self.position])
        return self.folded

    def emit(self, kind: str, value: Any) -> None:
        self.folded.append(Terminal(kind, value))

    @property
    def after_operand(self) -> bool:
        return bool(self.folded) and self.folded[-1].type in _OPERAND_ENDS

    def text_at(self, offset: int) -> str:
        index = self.position + offset
        return self.tokens[index].text if index < len(self.tokens) else ""

    def _fold_label(self) -> bool:
        if self.folded and self.folded[-1].type not in _SEPARATORS:
            return False
        found = fold_label(self.tokens, self.position)
        if found is None:
            return False
        self.emit("LABEL", found[0])
        self.position = found[1]
        return True

    def _fold_one(self, token: Token) -> None:
        match token.kind:
            case Kind.NUMBER:
                self._fold_number(token)
            case Kind.BASED:
                self._fold_plain("BASED", read_based(token.text))
            case Kind.LETTER:
                self._fold_letter(token.text)
            case Kind.WORD | Kind.TEXT:
                self._fold_words()
            case Kind.CURRENCY:
                self._fold_currency(token.text)
            case Kind.COMMAND:
                self._fold_command(token.text)
            case Kind.SYMBOL:
                self._fold_symbol(token.text)

    def _fold_plain(self, kind: str, value: Any, length: int = 1) -> None:
        self.emit(kind, value)
        self.position += length

    def _fold_number(self, token: Token) -> None:
        if self.folded and self.folded[-1].type == "BANG" and self.text_at(1) == "!":
            self.emit("TIMES", "*")
        time = (
            None if self.folded and self.folded[-1].type == "COLON" else time_at(self.tokens, self.position)
        )
        if time is not None:
            self._fold_plain("TIME", *time)
            return
        whole = read_number(token.text)
        is_argument = self.folded and self.folded[-1].type in ("DIVIDE", "CARET", "UNDER")
        may_be_mixed = token.text.isdigit() and not is_argument
        part = fraction_at(self.tokens, self.position + 1) if may_be_mixed else None
        if part is not None:
            self._fold_plain("MIXED", whole + part[0], 1 + part[1])
        else:
            self._fold_plain("NUMBER", whole)

    def _fold_letter(self, letter: str) -> None:
        if letter in ("e", "i"):
            self._fold_plain("CONST", letter)
            return
        if letter in ("C", "F") and self.folded and self.folded[-1].type == "DEGREE":
            self.folded.pop()
            self._fold_plain("UNIT", parse_unit(["degrees", _TEMPERATURES[letter.lower()]]))
            return
        self.position += 1
        name = letter + self._subscript()
        argument = argument_at(self.tokens, self.position) if letter in FUNCTION_LETTERS else None
        if argument is not None:
            name += argument[0]
            self.position += argument[1]
        self.emit("VAR", name)

    def _fold_letters(self, word: str) -> None:
        """A word as a product of one-letter variables; what follows, such as an exponent, belongs to the last."""
        for letter in word[:-1]:
            self.emit("CONST" if letter in "ei" else "VAR", letter)
        self._fold_letter(word[-1])

    def _subscript(self) -> str:
        if self.text_at(0) != "_":
            return ""
        if self.text_at(1) != "{":
            name = self.text_at(1)
            self.position += 2
            return f"_{name}"
        end = next((i for i in range(self.position, len(self.tokens)) if self.tokens[i].text == "}"), None)
        if end is None:
            raise AnswerError("a subscript that does not end")
        name = "".join(token.text for token in self.tokens[self.position + 2 : end])
        self.position = end + 1
        return f"_{name}"

    def _fold_words(self) -> None:
        run = self._words_ahead()
        first = run[0].lower()
        if self._fold_connector(first) or self._fold_name(run[0]):
            return
        if self.after_operand:
            self._fold_behind_operand(first)
        elif len(run) == 1 and self.tokens[self.position].kind is Kind.WORD and splits_into_letters(run[0]):
            self._fold_letters(run[0])
        elif len(run) == 1 and len(run[0]) == 1:
            self._fold_letter(run[0])
        else:
            kind, value = read_words(run)
            self._fold_plain(kind, value, len(run))

    def _words_ahead(self) -> list[str]:
        """The words from here to the next thing that is no word, or to a connector."""
        words: list[str] = []
        for token in self.tokens[self.position :]:
            if token.kind not in WORDLIKE or (words and token.key in CONNECTORS):
                break
            words.append(token.text)
        return words

    def _fold_connector(self, word: str) -> bool:
        kind = CONNECTORS.get(word)
        if (word == "in" and self.text_at(1) in ("(", "[", "\\{")) or (
            word == "in" and self.text_at(1).startswith("set ")
        ):
            kind = "IN"
        if word == "to" and self.folded and self.folded[-1].type == "NUMBER":
            kind = "COLON"
        if kind is None:
            return False
        if kind in ("AND", "OR") and self.folded and self.folded[-1].type == "COMMA":
            self.folded.pop()
        self._fold_plain(kind, word)
        return True

    def _fold_name(self, word: str) -> bool:
        """A function or constant that is written like a word."""
        name = FUNCTION_ALIASES.get(word, CALL_ALIASES.get(word, word))
        if name in FUNCTIONS or name == "log10":
            self._fold_plain("FUNC", name)
        elif name == "log":
            self._fold_plain("LOG", name)
        elif name in CALLS:
            self._fold_call(name)
        elif name == "pi":
            self._fold_plain("CONST", "pi")
        elif name in ("oo", "inf", "infty") or (name.lower() == "infinity" and self.folded):
            self._fold_plain("CONST", "inf")
        elif word[:-1] in _SHORT_FUNCTIONS and word[-1].isascii():
            # "sinx", as it is typed without TeX.
            self.emit("FUNC", word[:-1])
            self._fold_letter(word[-1])
        else:
            return False
        return True

    def _fold_call(self, name: str) -> None:
        if name in ("sqrt", "cbrt"):
            self._fold_root(name)
        else:
            self._fold_plain("CALL", name)

    def _fold_root(self, name: str) -> None:
        if name == "cbrt":
            for kind, value in (("ROOT", "root"), ("LSQB", "["), ("NUMBER", Fraction(3)), ("RSQB", "]")):
                self.emit(kind, value)
            self.position += 1
        else:
            self._fold_plain("ROOT" if self.text_at(1) == "[" else "SQRT", "sqrt")

    def _fold_behind_operand(self, word: str) -> None:
        last = self.folded[-1]
        if word in _SCALES and last.type == "NUMBER":
            self.folded[-1] = Terminal("NUMBER", last.value * _SCALES[word])
            self.position += 1
        elif word in _SIGNS and not self._names_temperature():
            self._fold_plain(_SIGNS[word], word)
        elif word in _TEMPERATURES and last.type == "DEGREE":
            self.folded.pop()
            self._fold_plain("UNIT", parse_unit(["degrees", _TEMPERATURES[word]]))
        elif word == "of" and self._is_plain_remark():
            # "13/15 of the pie"
            self.position = len(self.tokens)
        elif self._starts_unit(self.tokens[self.position]):
            self._fold_unit()
        elif splits_into_letters(self.text_at(0)):
            self._fold_letters(self.text_at(0))
        else:
            raise AnswerError(f"unexpected word {word!r}")

    def _is_plain_remark(self) -> bool:
        rest = self.tokens[self.position :]
        return all(token.kind in WORDLIKE and not changes_number(token.text.lower()) for token in rest)

    def _names_temperature(self) -> bool:
        return self.text_at(1).lower() in _TEMPERATURES

    def _starts_unit(self, token: Token) -> bool:
        if token.kind is Kind.WORD:
            return is_bare_unit(token.text) or len(token.text) > 3
        return True

    def _fold_unit(self) -> None:
        words, length = unit_at(self.tokens, self.position)
        self._fold_plain("UNIT", parse_unit(words), length)

    def _fold_currency(self, name: str) -> None:
        if self.after_operand:
            self._fold_plain("UNIT", parse_unit([name]))
        else:
            self._fold_plain("CURRENCY", parse_unit([name]))

    def _fold_command(self, name: str) -> None:
        if name.startswith("set "):
            self._fold_named_set(name.removeprefix("set "))
        elif name.startswith(("begin{", "end{")):
            self._fold_plain("BEGIN" if name.startswith("begin") else "END", name)
        elif name in ("sqrt", "cbrt"):
            self._fold_root(name)
        elif name.startswith(("differential ", "derivative ")):
            kind, variable = name.split()
            self._fold_plain(kind.upper(), variable)
        elif name in CONNECTORS:
            self._fold_connector(name)
        elif name in ("triangle", "angle"):
            self._fold_name_of_figure(name)
        elif name in _COMMANDS:
            self._fold_plain(_COMMANDS[name], name)
        elif not self._fold_name(name):
            raise AnswerError(f"unknown command {name!r}")

    def _fold_name_of_figure(self, figure: str) -> None:
        """A triangle or an angle, called by its points: a variable."""
        self.position += 1
        points = ""
        while (self.text_at(0).isalpha() and self.text_at(0).isupper()) or (
            self.text_at(0) in ("{", "}") and len(points) < 4
        ):
            points += self.text_at(0).strip("{}")
            self.position += 1
        self.emit("VAR", f"{figure} {points}")

    def _fold_named_set(self, name: str) -> None:
        self._fold_plain("NAMEDSET", name)
        if self.text_at(0) == "-":
            self._fold_plain("SETMINUS", "setminus")

    def _fold_symbol(self, text: str) -> None:
        if text == "^" and self.text_at(1) in ("+", "-") and self.text_at(2) in ("}", ""):
            self._fold_plain("SIDE", self.text_at(1), 2)
        elif text in _SYMBOLS:
            self._fold_plain(_SYMBOLS[text], text)
        else:
            raise AnswerError(f"unexpected {text!r}")
