"""Tokens -> answer: an expression, or the shapes built of expressions. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, LarkError
from lark.exceptions import VisitError
from lark.lexer import Lexer

from r1kit.rewards.math.reading.builder import Builder
from r1kit.rewards.math.reading.choice import is_choice, read_choice
from r1kit.rewards.math.reading.fold import fold
from r1kit.rewards.math.reading.signs import checked
from r1kit.rewards.math.reading.tokens import Kind, Token, tokenize
from r1kit.rewards.math.tree import Answer, AnswerError


def parse_answer(text: str) -> Answer:
    """What the text says; raises AnswerError where it is outside the grammar or over a bound."""
    return parse_tokens(tokenize(text))


def parse_gold_and_answer(gold: Sequence[Token], answer: Sequence[Token]) -> tuple[Answer, Answer]:
    """Both parsed; where the gold is the letter of a choice, so is an answer that begins with one: "C) 12"."""
    if is_choice(gold):
        # Not by value: "C + 0" and "1C" choose nothing.
        chosen, choice = read_choice(gold), read_choice(answer)
        if chosen is not None:
            return chosen, parse_tokens(answer) if choice is None else choice
    if len(gold) == 1 and gold[0].kind is Kind.BASED:
        spelled = gold[0].text.upper()
        if _without_braces(answer).upper() in (spelled, spelled.partition("_")[0]):
            return parse_tokens(gold), parse_tokens(gold)
    return parse_tokens(gold), parse_tokens(answer)


def parse_tokens(tokens: Sequence[Token]) -> Answer:
    """As `parse_answer`, on tokens."""
    try:
        answer: Any = _parser().parse(fold(tokens))
    except VisitError as error:
        raise (
            error.orig_exc if isinstance(error.orig_exc, AnswerError) else AnswerError(str(error))
        ) from error
    except LarkError as error:
        raise AnswerError(f"not in the grammar: {str(error).splitlines()[0]}") from error
    return checked(answer)


def _without_braces(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens if token.text not in ("{", "}"))


class _Given(Lexer):
    """Hands on the terminals that `fold` made."""

    def __init__(self, _: object) -> None:
        pass

    def lex(self, data: Any, _: Any = None) -> Iterator[Any]:
        yield from data


@cache
def _parser() -> Lark:
    grammar = (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer=_Given, transformer=Builder())
