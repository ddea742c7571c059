"""Notations that are rewritten as others: 7C3, log_37, dx/x below an integral sign, d/dx, unions of relations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from r1kit.rewards.math.reading.groups import CLOSE, OPEN, end_of_group, is_condition, split_first
from r1kit.rewards.math.reading.tokens import Kind, Token

_OF_SEVERAL: Final = {"C": "binom", "P": "perm"}


def with_index_letters(tokens: list[Token]) -> list[Token]:
    r"""The i of `\sum_{i=1}` is an index everywhere, and not the imaginary unit."""
    texts = [token.text for token in tokens]
    heads = [texts[index + 1 : index + 5] for index, text in enumerate(texts) if text in ("sum", "prod")]
    if ["_", "{", "i", "="] not in heads:
        return tokens
    is_index = [token.kind is Kind.LETTER and token.text == "i" for token in tokens]
    return [
        Token(Kind.LETTER, "index") if found else token for found, token in zip(is_index, tokens, strict=True)
    ]


def with_log_bases(tokens: list[Token]) -> list[Token]:
    r"""`\log_37` is log_3 7 where nothing else follows that the logarithm could be of."""
    done = list(tokens)
    for index in reversed(range(len(tokens) - 2)):
        base, follows = tokens[index + 2], tokens[index + 3 : index + 4]
        is_split = base.kind is Kind.NUMBER and base.text.isdigit() and len(base.text) > 1
        is_over = not follows or follows[0].text in ("+", "-", "=", ",", ")", "}", "\\}", "]")
        if tokens[index].text == "log" and tokens[index + 1].text == "_" and is_split and is_over:
            first, rest = split_first(base)
            done[index + 2 : index + 3] = [first, *([rest] if rest else [])]
    return done


def with_unions_of_relations(tokens: list[Token]) -> list[Token]:
    r"""`x < 1 \cup x > 3` says or; between sets the sign stays."""
    joints = [
        index
        for index, token in enumerate(tokens)
        if token.kind is Kind.COMMAND and token.text in ("cup", "cap")
    ]
    parts = [tokens[start + 1 : end] for start, end in pairwise([-1, *joints, len(tokens)])]
    if not joints or not all(is_condition(part) and part[0].kind is Kind.LETTER for part in parts if part):
        return tokens
    said = {"cup": "or", "cap": "and"}
    return [
        Token(Kind.COMMAND, said[token.text]) if index in joints else token
        for index, token in enumerate(tokens)
    ]


def with_choices_of_several(tokens: list[Token]) -> list[Token]:
    """`C(7, 3)`, `_7C_3` and `7C3` as binomials, and with a P as numbers of permutations."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        found = _choice_at(tokens, index)
        if found is None:
            done.append(tokens[index])
            index += 1
        else:
            name, above, below, length = found
            done += [Token(Kind.COMMAND, name), OPEN, above, CLOSE, OPEN, below, CLOSE]
            index += length
    return done


def _choice_at(tokens: Sequence[Token], start: int) -> tuple[str, Token, Token, int] | None:
    ahead = [token for token in tokens[start : start + 16] if token.text not in ("{", "}")]
    match ahead:
        case [
            Token(_, name),
            Token(_, "("),
            Token(Kind.NUMBER) as above,
            Token(_, ","),
            Token(Kind.NUMBER) as below,
            Token(_, ")"),
            *_,
        ]:
            used = 6
        case [
            Token(_, "_" | "^"),
            Token(Kind.NUMBER) as above,
            Token(_, name),
            Token(_, "_"),
            Token(Kind.NUMBER) as below,
            *_,
        ]:
            used = 5
        case [Token(Kind.NUMBER) as above, Token(_, name), Token(Kind.NUMBER) as below, *_]:
            used = 3
        case _:
            return None
    is_own = start == 0 or tokens[start - 1].kind is not Kind.LETTER
    if name not in _OF_SEVERAL or not is_own or tokens[start].text in ("{", "}"):
        return None
    return _OF_SEVERAL[name], above, below, _length_with_braces(tokens, start, used)


def _length_with_braces(tokens: Sequence[Token], start: int, used: int) -> int:
    """How many tokens from `start` hold `used` that are no braces, with the braces that close right behind."""
    end = start
    while used:
        used -= tokens[end].text not in ("{", "}")
        end += 1
    opened = sum((token.text == "{") - (token.text == "}") for token in tokens[start:end])
    return end - start + opened


def with_differentials_behind(tokens: list[Token]) -> list[Token]:
    r"""`\frac{dx}{x}` below an integral sign becomes `\frac{1}{x} dx`."""
    done = list(tokens)
    for index in reversed(range(len(tokens))):
        if tokens[index].text != "frac" or not any(token.text == "int" for token in tokens[:index]):
            continue
        above_end = end_of_group(done, index + 2)
        above = done[index + 2 : above_end]
        if above and above[-1].kind is Kind.WORD and len(above[-1].text) == 2 and above[-1].text[0] == "d":
            below_end = end_of_group(done, above_end + 2)
            kept = above[:-1] or [Token(Kind.NUMBER, "1")]
            done[index + 2 : below_end + 1] = [*kept, *done[above_end : below_end + 1], above[-1]]
    return done


def with_derivatives(tokens: list[Token]) -> list[Token]:
    r"""`\frac{d}{dx}` becomes the derivative by x."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        match [token.text for token in tokens[index : index + 8]]:
            case ["frac", "{", "d", "}", "{", by, "}", *_] if len(by) == 2 and by[0] == "d":
                done.append(Token(Kind.COMMAND, f"derivative {by[1]}"))
                index += 7
            case ["frac", "{", "d", "}", "{", "d", by, "}"] if len(by) == 1:
                done.append(Token(Kind.COMMAND, f"derivative {by}"))
                index += 8
            case _:
                done.append(tokens[index])
                index += 1
    return done


def with_differentials(tokens: list[Token]) -> list[Token]:
    """Behind an integral sign, `dx` and the end of `xdx` are differentials and not products."""
    done: list[Token] = []
    num_open = 0
    for token in tokens:
        num_open += token.text == "int"
        if (
            num_open
            and len(done) > 1
            and done[-1].text == "d"
            and len(token.text) == 1
            and token.text.isalpha()
        ):
            done[-1] = Token(Kind.COMMAND, f"differential {token.text}")
        elif num_open and token.kind is Kind.WORD and len(token.text) < 5 and token.text[-2:-1] == "d":
            before = token.text[:-2]
            done += [Token(Kind.LETTER if len(before) == 1 else Kind.WORD, before)] if before else []
            done.append(Token(Kind.COMMAND, f"differential {token.text[-1]}"))
        else:
            done.append(token)
            continue
        num_open -= 1
    return done
