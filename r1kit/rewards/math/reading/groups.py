"""TeX groups in a list of tokens, and what else several passes over it have to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from r1kit.rewards.math.reading.tokens import Kind, Token

OPEN: Final = Token(Kind.SYMBOL, "{")
CLOSE: Final = Token(Kind.SYMBOL, "}")
_RELATIONS: Final = frozenset(("=", "!=", "<", ">", "<=", ">=", "in"))


def end_of_group(tokens: Sequence[Token], start: int) -> int:
    """The position of the brace that closes a group whose content begins at `start`, else the end."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index].text == "{") - (tokens[index].text == "}")
        if depth < 0:
            return index
    return len(tokens)


def split_first(token: Token) -> tuple[Token, Token | None]:
    """The first digit or letter of a token, as TeX takes it, and what is left of the token."""
    is_number = token.kind is Kind.NUMBER and token.text.isdigit()
    splits = (is_number or (token.kind is Kind.WORD and token.text.isalpha())) and len(token.text) > 1
    if not splits:
        return token, None
    rest = token.text[1:]
    kind = Kind.LETTER if token.kind is Kind.WORD else Kind.NUMBER
    rest_kind = Kind.WORD if token.kind is Kind.WORD and len(rest) > 1 else kind
    return Token(kind, token.text[0]), Token(rest_kind, rest)


def is_condition(tokens: Sequence[Token]) -> bool:
    """Whether tokens hold a relation sign."""
    return any(token.text in _RELATIONS for token in tokens)
