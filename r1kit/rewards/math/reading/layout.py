r"""Tokens -> tokens in the order the grammar reads them: arguments in braces, bars told apart, arrays as matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from r1kit.rewards.math.reading import notation
from r1kit.rewards.math.reading.groups import CLOSE, OPEN, end_of_group, is_condition, split_first
from r1kit.rewards.math.reading.tokens import Kind, Token
from r1kit.rewards.math.tree import AnswerError

_DECORATIONS: Final = frozenset(("vec", "overrightarrow", "hat", "widehat", "underline", "mathring"))
_OPERATOR_NAMES: Final = r"""
+ - * / ^ = != < > <= >= ( [ { \{ , : & \\ pm mp in cup cap approx and or mid _
"""
_OPERATORS: Final = frozenset(_OPERATOR_NAMES.split())
_INFIX: Final = {"choose": "binom", "over": "frac"}
_OPENING: Final = frozenset(("(", "[", "{", "\\{"))
_CLOSING: Final = frozenset((")", "]", "}", "\\}"))


def arrange(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with everything rewritten that TeX reads in an order of its own; AnswerError where it cannot be."""
    arranged = list(tokens)
    steps: tuple[Callable[[list[Token]], list[Token]], ...] = (
        _without_decorations, notation.with_index_letters, _with_prefix, _with_arguments, notation.with_log_bases,
        _with_unit_fractions, _with_arrays, _with_angles, notation.with_unions_of_relations,
        notation.with_choices_of_several, notation.with_derivatives, notation.with_differentials_behind,
        notation.with_differentials, _with_set_builders, _with_bars, _without_empty_braces,
    )  # fmt: skip
    for step in steps:
        arranged = step(arranged)
    return arranged


def _without_decorations(tokens: list[Token]) -> list[Token]:
    return [token for index, token in enumerate(tokens) if not _is_decoration(tokens, index)]


def _is_decoration(tokens: Sequence[Token], index: int) -> bool:
    token = tokens[index]
    if token.kind is Kind.COMMAND and token.text == "overline":
        # Over the ends of a segment; over a number it would be the conjugate.
        name = [after.text for after in tokens[index + 1 : index + 3] if after.text != "{"]
        return bool(name) and name[0].isalpha() and name[0].isupper()
    follows = next((after for after in tokens[index + 1 :] if after.text != "{"), token)
    return (
        token.kind is Kind.COMMAND and token.text in _DECORATIONS and follows.kind in (Kind.LETTER, Kind.WORD)
    )


def _with_prefix(tokens: list[Token]) -> list[Token]:
    r"""`{n \choose k}` becomes `\binom{n}{k}`, and `{a \over b}` becomes `\frac{a}{b}`."""
    while any(_is_infix(token) for token in tokens):
        at = next(index for index, token in enumerate(tokens) if _is_infix(token))
        start, end = _group_around(tokens, at)
        if end <= at:
            raise AnswerError("braces that do not match")
        above, below = tokens[start:at], tokens[at + 1 : end]
        prefix = Token(Kind.COMMAND, _INFIX[tokens[at].text])
        tokens = [*tokens[:start], prefix, OPEN, *above, CLOSE, OPEN, *below, CLOSE, *tokens[end:]]
    return tokens


def _is_infix(token: Token) -> bool:
    return token.kind is Kind.COMMAND and token.text in _INFIX


def _group_around(tokens: Sequence[Token], at: int) -> tuple[int, int]:
    depth, start = 0, at
    while start > 0 and depth >= 0:
        start -= 1
        depth += (tokens[start].text == "}") - (tokens[start].text == "{")
    start = start + 1 if depth < 0 else 0
    return start, end_of_group(tokens, start)


def _with_arguments(tokens: list[Token]) -> list[Token]:
    r"""Each argument of \frac and \binom in braces: TeX takes a group, a command or one character of what follows."""
    # From the right, so that what is inside an argument is in order before the argument is cut out.
    for index in reversed(range(len(tokens))):
        if tokens[index].kind is Kind.COMMAND and tokens[index].text in ("frac", "binom"):
            first, rest = _cut_argument(tokens[index + 1 :])
            second, rest = _cut_argument(rest)
            tokens = [*tokens[: index + 1], *first, *second, *rest]
    return tokens


def _cut_argument(tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """The first argument, in braces, and the tokens behind it."""
    if not tokens:
        raise AnswerError("ends too early")
    if tokens[0].text == "{":
        end = end_of_group(tokens, 1) + 1
        return tokens[:end], tokens[end:]
    if tokens[0].kind is Kind.COMMAND and tokens[0].text in ("frac", "binom"):
        above = end_of_group(tokens, 2) + 1
        end = end_of_group(tokens, above + 1) + 1
        return [OPEN, *tokens[:end], CLOSE], tokens[end:]
    if tokens[0].kind is Kind.COMMAND and tokens[0].text == "sqrt":
        argument, rest = _cut_argument(tokens[1:])
        return [OPEN, tokens[0], *argument, CLOSE], rest
    first, rest_of_first = split_first(tokens[0])
    left_over = [] if rest_of_first is None else [rest_of_first]
    return [OPEN, first, CLOSE], [*left_over, *tokens[1:]]


def _with_unit_fractions(tokens: list[Token]) -> list[Token]:
    r"""`\frac{\text{m}}{\text{s}}` becomes m/s."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        match tokens[index : index + 3]:
            case [Token(Kind.COMMAND, "frac"), _, Token(Kind.TEXT)]:
                middle = end_of_group(tokens, index + 2)
                end = end_of_group(tokens, middle + 2)
                done += [*tokens[index + 2 : middle], Token(Kind.SYMBOL, "/"), *tokens[middle + 2 : end]]
                index = end + 1
            case _:
                done.append(tokens[index])
                index += 1
    return done


def _with_angles(tokens: list[Token]) -> list[Token]:
    """`<1, 2>` is a vector where the signs enclose the whole."""
    if len(tokens) > 2 and (tokens[0].text, tokens[-1].text) == ("<", ">"):
        return [Token(Kind.COMMAND, "langle"), *tokens[1:-1], Token(Kind.COMMAND, "rangle")]
    return tokens


def _with_arrays(tokens: list[Token]) -> list[Token]:
    r"""`\begin{array}{cc}` loses its columns, and every matrix the brackets and braces right around it."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        done.append(token)
        index += 1
        if token.text == "begin{array}" and index < len(tokens) and tokens[index].text == "{":
            index = end_of_group(tokens, index + 1) + 1
    for opening, closing in (("(", ")"), ("[", "]")):
        done = _without_brackets_of_matrices(done, opening, closing)
    return done


def _without_brackets_of_matrices(tokens: list[Token], opening: str, closing: str) -> list[Token]:
    bare = {"begin{array}": "end{array}", "begin{matrix}": "end{matrix}"}
    dropped: set[int] = set()
    for index, token in enumerate(tokens[:-1]):
        if token.text != opening or tokens[index + 1].text not in bare:
            continue
        end_text = bare[tokens[index + 1].text]
        end = next((i for i in range(index, len(tokens)) if tokens[i].text == end_text), None)
        if end is not None and end + 1 < len(tokens) and tokens[end + 1].text == closing:
            dropped |= {index, end + 1}
    return [token for index, token in enumerate(tokens) if index not in dropped]


def _with_set_builders(tokens: list[Token]) -> list[Token]:
    r"""The bar or colon of `\{x | x > 0\}` becomes \mid."""
    done = list(tokens)
    for start, token in enumerate(tokens):
        if token.text != "\\{":
            continue
        end = next((i for i in range(start, len(tokens)) if tokens[i].text == "\\}"), len(tokens))
        inside = range(start + 2, end)
        bar = next((i for i in inside if tokens[i].text in ("|", ":", "mid")), None)
        if (
            bar is not None
            and tokens[start + 1].kind in (Kind.LETTER, Kind.WORD)
            and is_condition(tokens[bar:end])
        ):
            done[bar] = Token(Kind.COMMAND, "mid")
    return done


def _with_bars(tokens: list[Token]) -> list[Token]:
    """Each bar as the opening or the closing one of an absolute value."""
    done: list[Token] = []
    open_bars = [0]
    for token in tokens:
        if token.text in _OPENING:
            open_bars.append(0)
        elif token.text in _CLOSING and len(open_bars) > 1:
            open_bars.pop()
        if token.text != "|":
            done.append(token)
            continue
        closes = open_bars[-1] > 0 and done[-1].text not in _OPERATORS and done[-1].text != "abs open"
        open_bars[-1] += -1 if closes else 1
        done.append(Token(Kind.COMMAND, "abs close" if closes else "abs open"))
    return done


def _without_empty_braces(tokens: list[Token]) -> list[Token]:
    done: list[Token] = []
    for token in tokens:
        if token.text == "}" and done and done[-1].text == "{":
            done.pop()
        else:
            done.append(token)
    return done
