"""Text -> answer: an expression, or lists, tuples, intervals, sets, unions, matrices, equations and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.expression import parse_expression
from r1kit.rewards.math.tokens import Kind, Token, tokenize
from r1kit.rewards.math.tree import (
    Answer,
    AnswerError,
    Equation,
    Items,
    Matrix,
    Named,
    Scalar,
    Union,
    Var,
    Words,
)
from r1kit.rewards.math.units import split_unit

MAX_ITEMS: Final = 32
MAX_NESTED_ITEMS: Final = 4
_OPENING: Final = frozenset(("(", "[", "{", "\\{"))
_CLOSING: Final = frozenset((")", "]", "}", "\\}"))
_COMMA: Final = frozenset((",", "and", "or"))
_WORDLIKE: Final = (Kind.WORD, Kind.TEXT, Kind.LETTER)
_MATRICES: Final = ("pmatrix", "bmatrix")


def parse_answer(text: str) -> Answer:
    """What the text says; raises AnswerError where it is outside the grammar or over a bound."""
    return parse_tokens(tokenize(text))


def parse_tokens(tokens: Sequence[Token], *, depth: int = 0) -> Answer:
    """As `parse_answer`, on tokens. `depth` counts lists within lists."""
    if depth > MAX_NESTED_ITEMS:
        raise AnswerError("lists nested too deep")
    tokens = _without_membership(tokens)
    parts = _split(tokens, _COMMA)
    if len(parts) > 1:
        return _items("", parts, depth)
    return _one(tokens, depth)


def _one(tokens: Sequence[Token], depth: int) -> Answer:
    if not tokens:
        raise AnswerError("an empty part")
    parts = _split(tokens, frozenset(("cup",)))
    if len(parts) > 1:
        return Union(tuple(_one(part, depth + 1) for part in parts))
    bracketed = _bracketed(tokens, depth)
    if bracketed is not None:
        return bracketed
    if any(token.text in ("pm", "mp") for token in tokens):
        return _items("", [_with_sign(tokens, "+"), _with_sign(tokens, "-")], depth)
    sides = _split(tokens, frozenset("="))
    if len(sides) > 1:
        return _equation(sides, depth)
    return _words(tokens) or _scalar(tokens)


def _scalar(tokens: Sequence[Token]) -> Scalar:
    number, unit = split_unit(tokens)
    return Scalar(parse_expression(number), unit)


def _words(tokens: Sequence[Token]) -> Answer | None:
    """A word, a name or a choice such as (C); None for anything else."""
    if len(tokens) == 3 and (tokens[0].text, tokens[2].text) == ("(", ")"):
        tokens = tokens[1:2]
    if len(tokens) == 1 and tokens[0].kind in (Kind.LETTER, Kind.TEXT) and len(tokens[0].text) == 1:
        return Scalar(parse_expression([Token(Kind.LETTER, tokens[0].text)]))
    if all(token.kind in _WORDLIKE for token in tokens) and any(len(token.text) > 1 for token in tokens):
        return Words(tuple(token.key for token in tokens)) if _is_text(tokens) else None
    if tokens[0].text == "emptyset" and len(tokens) == 1:
        return Items("{}", ())
    return None


def _is_text(tokens: Sequence[Token]) -> bool:
    # Greek letters have long names too; `\theta r` is a product and not two words.
    return any(token.kind is not Kind.LETTER for token in tokens)


def _equation(sides: list[Sequence[Token]], depth: int) -> Answer:
    if len(sides) > 2 or not sides[0] or not sides[1]:
        raise AnswerError("not one equation")
    left, right = sides
    if len(left) == 1 and left[0].kind is Kind.LETTER and left[0].text not in ("e", "i"):
        return Named(left[0].text, _one(right, depth + 1))
    return Equation(parse_expression(left), parse_expression(right))


def _bracketed(tokens: Sequence[Token], depth: int) -> Answer | None:
    """A set, tuple, interval or matrix that the tokens are as a whole; None otherwise."""
    if tokens[0].text.startswith("begin{"):
        return _matrix(tokens, depth)
    brackets = (tokens[0].text + tokens[-1].text).replace("\\", "")
    if tokens[0].text not in ("(", "[", "\\{") or brackets not in ("()", "[]", "[)", "(]", "{}"):
        return None
    inner = tokens[1:-1]
    if not _is_balanced(inner):
        return None
    parts = _split(inner, _COMMA)
    if len(parts) == 1 and brackets != "{}":
        return None
    return _items(brackets, parts if inner else [], depth)


def _items(brackets: str, parts: Sequence[Sequence[Token]], depth: int) -> Items:
    if len(parts) > MAX_ITEMS:
        raise AnswerError(f"more than {MAX_ITEMS} items")
    items: list[Answer] = []
    for part in parts:
        item = parse_tokens(part, depth=depth + 1)
        flatten = isinstance(item, Items) and item.brackets == ""
        items.extend(item.items if flatten and isinstance(item, Items) else [item])
    return Items(brackets, tuple(items))


def _matrix(tokens: Sequence[Token], depth: int) -> Matrix:
    name = tokens[0].text.removeprefix("begin{").removesuffix("}")
    if name not in _MATRICES or tokens[-1].text != f"end{{{name}}}":
        raise AnswerError(f"environment {name!r} is not supported")
    lines = [line for line in _split(tokens[1:-1], frozenset(("\\\\",))) if line]
    rows = [tuple(_one(cell, depth + 1) for cell in _split(line, frozenset("&"))) for line in lines]
    if not rows or sum(map(len, rows)) > MAX_ITEMS or len(set(map(len, rows))) > 1:
        raise AnswerError(f"not a matrix of at most {MAX_ITEMS} entries")
    return Matrix(tuple(rows))


def _split(tokens: Sequence[Token], separators: frozenset[str]) -> list[Sequence[Token]]:
    """The parts between separators that stand outside all brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth <= 0 and token.key in separators:
            parts.append([])
        else:
            parts[-1].append(token)
    return list(parts)


def _is_balanced(tokens: Sequence[Token]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth < 0:
            return False
    return depth == 0


def _without_membership(tokens: Sequence[Token]) -> Sequence[Token]:
    r"""`x \in S` says S."""
    is_member = len(tokens) > 2 and tokens[0].kind is Kind.LETTER and tokens[1].text == "in"
    return tokens[2:] if is_member and tokens[1].kind is Kind.COMMAND else tokens


def _with_sign(tokens: Sequence[Token], sign: str) -> Sequence[Token]:
    signs = {"pm": sign, "mp": "-" if sign == "+" else "+"}
    return [Token(Kind.SYMBOL, signs[t.text]) if t.text in signs else t for t in tokens]


def as_equation(named: Named) -> Equation | None:
    """`y = expression` as an equation, None when the right side is no expression."""
    return Equation(Var(named.name), named.value.node) if isinstance(named.value, Scalar) else None
