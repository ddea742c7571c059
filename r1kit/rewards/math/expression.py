r"""Recursive descent over tokens -> an expression tree. Nothing is computed here.

sum      = product {("+"|"-") product}
product  = unary {("*"|"/") unary | power}           side by side multiplies
unary    = {"+"|"-"} power
power    = atom ["!"|"%"|degree] ["^" exponent]
exponent = ["-"] atom ["^" exponent]
atom     = number [\frac, a mixed number] | letter | (sum) | {sum} | |sum| | \frac | \sqrt | function
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from r1kit.rewards.math.numerals import read_based, read_number
from r1kit.rewards.math.spelling import FUNCTIONS
from r1kit.rewards.math.tokens import Kind, Token
from r1kit.rewards.math.tree import INFINITY, AnswerError, Const, Node, Num, Op, Var

MAX_DEPTH: Final = 40
MAX_GLUED_VARIABLES: Final = 3
_END: Final = Token(Kind.SYMBOL, "")
_POSTFIX: Final = {"!": "factorial", "%": "percent", "degree": "degree"}
_CONSTANTS: Final = {"pi": Const("pi"), "infty": INFINITY}
_ATOM_COMMANDS: Final = frozenset(("frac", "sqrt", "pi", *FUNCTIONS))


def parse_expression(tokens: Sequence[Token]) -> Node:
    """The tree of an expression; raises AnswerError where the tokens are not one."""
    parser = _Parser(tokens)
    node = parser.sum()
    if parser.next is not _END:
        raise AnswerError(f"unexpected {parser.next.text!r}")
    return node


class _Parser:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = list(tokens)
        self.position = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.position] if self.position < len(self.tokens) else _END

    def at(self, *texts: str) -> bool:
        return self.next.text in texts and self.next.kind in (Kind.SYMBOL, Kind.COMMAND)

    def take(self) -> Token:
        token = self.next
        if token is _END:
            raise AnswerError("ends too early")
        self.position += 1
        return token

    def expect(self, text: str) -> None:
        if not self.at(text):
            raise AnswerError(f"expected {text!r}, found {self.next.text!r}")
        self.position += 1

    def sum(self) -> Node:
        terms = [self.product()]
        while self.at("+", "-"):
            minus = self.take().text == "-"
            term = self.product()
            terms.append(Op("neg", (term,)) if minus else term)
        return _flat("add", terms)

    def product(self) -> Node:
        above: list[Node] = [self.unary()]
        below: list[Node] = []
        while True:
            if self.at("*", "/"):
                side = above if self.take().text == "*" else below
                side.append(self.unary())
            elif self.starts_factor():
                above.append(self.power())
            else:
                product = _flat("mul", above)
                return Op("div", (product, _flat("mul", below))) if below else product

    def starts_factor(self) -> bool:
        """Whether a factor follows without a sign. Never a number: `x2` and `1 2` have no agreed meaning."""
        return self.next.kind in (Kind.LETTER, Kind.WORD) or self.at("(", "{", *_ATOM_COMMANDS)

    def unary(self) -> Node:
        negative = False
        while self.at("+", "-"):
            negative ^= self.take().text == "-"
        node = self.power()
        return Op("neg", (node,)) if negative else node

    def power(self) -> Node:
        node = self.atom()
        if self.at(*_POSTFIX):
            node = Op(_POSTFIX[self.take().text], (node,))
        return Op("pow", (node, self.exponent())) if self.at("^") else node

    def exponent(self) -> Node:
        self.expect("^")
        negative = self.at("-")
        if negative:
            self.take()
        node = self.atom()
        if self.at("^"):
            node = Op("pow", (node, self.exponent()))
        return Op("neg", (node,)) if negative else node

    def atom(self) -> Node:
        # Every cycle of the grammar passes here, so that this bounds the stack.
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise AnswerError(f"nested deeper than {MAX_DEPTH}")
        node = self.unbounded_atom()
        self.depth -= 1
        return node

    def unbounded_atom(self) -> Node:
        token = self.take()
        if token.kind is Kind.NUMBER:
            return self.mixed_number(token)
        if token.kind is Kind.BASED:
            return read_based(token.text)
        if token.kind is Kind.LETTER:
            return Const(token.text) if token.text in ("e", "i") else Var(self.subscripted(token.text))
        if token.kind is Kind.WORD:
            return _flat("mul", _glued_variables(token.text))
        if token.kind is Kind.TEXT:
            raise AnswerError(f"unexpected word {token.text!r}")
        if token.kind is Kind.SYMBOL:
            return self.bracketed(token.text)
        return self.command(token.text)

    def subscripted(self, name: str) -> str:
        if not self.at("_"):
            return name
        self.take()
        braced = self.at("{")
        if braced:
            self.take()
        name = f"{name}_{self.take().text}"
        if braced:
            self.expect("}")
        return name

    def mixed_number(self, token: Token) -> Node:
        whole = read_number(token.text)
        if not token.text.isdigit() or not self.at("frac"):
            return Num(whole)
        start = self.position
        part = self.atom()
        if isinstance(part, Op) and all(_is_natural(arg) for arg in part.args):
            return Op("add", (Num(whole), part))
        self.position = start
        return Num(whole)

    def bracketed(self, opening: str) -> Node:
        closing = {"(": ")", "{": "}", "|": "|"}.get(opening)
        if closing is None:
            raise AnswerError(f"unexpected {opening!r}")
        node = self.sum()
        self.expect(closing)
        return Op("abs", (node,)) if opening == "|" else node

    def command(self, name: str) -> Node:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name == "frac":
            return Op("div", (self.tex_argument(), self.tex_argument()))
        if name == "sqrt":
            index = self.root_index()
            return Op("root", (self.atom(), index))
        if name in FUNCTIONS:
            return self.function(name)
        raise AnswerError(f"unknown command {name!r}")

    def root_index(self) -> Node:
        if not self.at("["):
            return Num(Fraction(2))
        self.take()
        index = self.sum()
        self.expect("]")
        return index

    def tex_argument(self) -> Node:
        r"""An argument as TeX reads it: a group, a command, or a single character (`\frac12` is one half)."""
        token = self.next
        if token.kind is Kind.NUMBER and len(token.text) > 1:
            self.tokens[self.position : self.position + 1] = [
                Token(Kind.NUMBER, token.text[0]),
                Token(Kind.NUMBER, token.text[1:]),
            ]
        if self.next.kind is Kind.NUMBER:
            return Num(read_number(self.take().text))
        return self.atom()

    def function(self, name: str) -> Node:
        base = self.log_base() if name == "log" else None
        exponent = self.exponent() if self.at("^") else None
        argument = self.bracketed(self.take().text) if self.at("(", "{", "|") else self.plain_argument()
        node = Op(name, (argument, base) if base else (argument,))
        return Op("pow", (node, exponent)) if exponent else node

    def plain_argument(self) -> Node:
        r"""`2x` in `\sin 2x`: factors side by side, up to the next function or sign."""
        node = self.power()
        while self.starts_factor() and not (self.next.kind is Kind.COMMAND and self.next.text in FUNCTIONS):
            node = Op("mul", (node, self.power()))
        return node

    def log_base(self) -> Node:
        if not self.at("_"):
            raise AnswerError("a log without a base; write \\ln or \\log_{10}")
        self.take()
        return self.tex_argument()


def _glued_variables(word: str) -> list[Node]:
    if len(word) > MAX_GLUED_VARIABLES or not word.isascii():
        raise AnswerError(f"unexpected word {word!r}")
    return [Const(letter) if letter in "ei" else Var(letter) for letter in word]


def _flat(name: str, args: list[Node]) -> Node:
    # One wide node, not a chain of pairs: the depth of the tree stays that of the brackets.
    return args[0] if len(args) == 1 else Op(name, tuple(args))


def _is_natural(node: Node) -> bool:
    return isinstance(node, Num) and node.value.denominator == 1
