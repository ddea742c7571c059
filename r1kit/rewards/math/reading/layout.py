r"""Tokens -> tokens in the order the grammar reads them: arguments in braces, bars told apart, arrays as matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from r1kit.rewards.math.reading.tokens import Kind, Token
from r1kit.rewards.math.tree import AnswerError

_OPEN: Final = Token(Kind.SYMBOL, "{")
_CLOSE: Final = Token(Kind.SYMBOL, "}")
_DECORATIONS: Final = frozenset(("vec", "overrightarrow", "hat", "widehat", "underline", "mathring"))
_OPERATOR_NAMES: Final = r"""
+ - * / ^ = != < > <= >= ( [ { \{ , : & \\ pm mp in cup cap approx and or mid _
"""
_OPERATORS: Final = frozenset(_OPERATOR_NAMES.split())
_OF_SEVERAL: Final = {"C": "binom", "P": "perm"}
_INFIX: Final = {"choose": "binom", "over": "frac"}
_OPENING: Final = frozenset(("(", "[", "{", "\\{"))
_CLOSING: Final = frozenset((")", "]", "}", "\\}"))
_RELATIONS: Final = frozenset(("=", "!=", "<", ">", "<=", ">=", "in"))


def arrange(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with everything rewritten that TeX reads in an order of its own; AnswerError where it cannot be."""
    arranged = list(tokens)
    steps: tuple[Callable[[list[Token]], list[Token]], ...] = (
        _without_decorations, _with_index_letters, _with_prefix, _with_arguments, _with_log_bases, _with_unit_fractions, _with_arrays, _with_angles, _with_unions_of_relations, _with_choices_of_several,
        _with_derivatives, _with_differentials_behind, _with_differentials,
        _with_set_builders, _with_bars, _without_empty_braces,
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
    return token.kind is Kind.COMMAND and token.text in _DECORATIONS


def _with_prefix(tokens: list[Token]) -> list[Token]:
    r"""`{n \choose k}` becomes `\binom{n}{k}`, and `{a \over b}` becomes `\frac{a}{b}`."""
    while any(_is_infix(token) for token in tokens):
        at = next(index for index, token in enumerate(tokens) if _is_infix(token))
        start, end = _group_around(tokens, at)
        if end <= at:
            raise AnswerError("braces that do not match")
        above, below = tokens[start:at], tokens[at + 1 : end]
        prefix = Token(Kind.COMMAND, _INFIX[tokens[at].text])
        tokens = [*tokens[:start], prefix, _OPEN, *above, _CLOSE, _OPEN, *below, _CLOSE, *tokens[end:]]
    return tokens


def _is_infix(token: Token) -> bool:
    return token.kind is Kind.COMMAND and token.text in _INFIX


def _group_around(tokens: Sequence[Token], at: int) -> tuple[int, int]:
    depth, start = 0, at
    while start > 0 and depth >= 0:
        start -= 1
        depth += (tokens[start].text == "}") - (tokens[start].text == "{")
    start = start + 1 if depth < 0 else 0
    return start, _end_of_group(tokens, start)


def _end_of_group(tokens: Sequence[Token], start: int) -> int:
    """The position of the brace that closes a group whose content begins at `start`, else the end."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index].text == "{") - (tokens[index].text == "}")
        if depth < 0:
            return index
    return len(tokens)


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
        end = _end_of_group(tokens, 1) + 1
        return tokens[:end], tokens[end:]
    if tokens[0].kind is Kind.COMMAND and tokens[0].text in ("frac", "binom"):
        above = _end_of_group(tokens, 2) + 1
        end = _end_of_group(tokens, above + 1) + 1
        return [_OPEN, *tokens[:end], _CLOSE], tokens[end:]
    if tokens[0].kind is Kind.COMMAND and tokens[0].text == "sqrt":
        argument, rest = _cut_argument(tokens[1:])
        return [_OPEN, tokens[0], *argument, _CLOSE], rest
    first, rest_of_first = _split_first(tokens[0])
    left_over = [] if rest_of_first is None else [rest_of_first]
    return [_OPEN, first, _CLOSE], [*left_over, *tokens[1:]]


def _split_first(token: Token) -> tuple[Token, Token | None]:
    is_number = token.kind is Kind.NUMBER and token.text.isdigit()
    splits = (is_number or (token.kind is Kind.WORD and token.text.isalpha())) and len(token.text) > 1
    if not splits:
        return token, None
    rest = token.text[1:]
    kind = Kind.LETTER if token.kind is Kind.WORD else Kind.NUMBER
    rest_kind = Kind.WORD if token.kind is Kind.WORD and len(rest) > 1 else kind
    return Token(kind, token.text[0]), Token(rest_kind, rest)


def _with_unit_fractions(tokens: list[Token]) -> list[Token]:
    r"""`\frac{\text{m}}{\text{s}}` becomes m/s."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        match tokens[index : index + 3]:
            case [Token(Kind.COMMAND, "frac"), _, Token(Kind.TEXT)]:
                middle = _end_of_group(tokens, index + 2)
                end = _end_of_group(tokens, middle + 2)
                done += [*tokens[index + 2 : middle], Token(Kind.SYMBOL, "/"), *tokens[middle + 2 : end]]
                index = end + 1
            case _:
                done.append(tokens[index])
                index += 1
    return done


def _with_index_letters(tokens: list[Token]) -> list[Token]:
    r"""The i of `\sum_{i=1}` is an index everywhere, and not the imaginary unit."""
    texts = [token.text for token in tokens]
    heads = [texts[index + 1 : index + 5] for index, text in enumerate(texts) if text in ("sum", "prod")]
    if ["_", "{", "i", "="] not in heads:
        return tokens
    is_index = [token.kind is Kind.LETTER and token.text == "i" for token in tokens]
    return [
        Token(Kind.LETTER, "index") if found else token for found, token in zip(is_index, tokens, strict=True)
    ]


def _with_angles(tokens: list[Token]) -> list[Token]:
    """`<1, 2>` is a vector where the signs enclose the whole."""
    if len(tokens) > 2 and (tokens[0].text, tokens[-1].text) == ("<", ">"):
        return [Token(Kind.COMMAND, "langle"), *tokens[1:-1], Token(Kind.COMMAND, "rangle")]
    return tokens


def _with_log_bases(tokens: list[Token]) -> list[Token]:
    r"""`\log_37` is log_3 7 where nothing else follows that the logarithm could be of."""
    done = list(tokens)
    for index in reversed(range(len(tokens) - 2)):
        base, follows = tokens[index + 2], tokens[index + 3 : index + 4]
        is_split = base.kind is Kind.NUMBER and base.text.isdigit() and len(base.text) > 1
        is_over = not follows or follows[0].text in ("+", "-", "=", ",", ")", "}", "\\}", "]")
        if tokens[index].text == "log" and tokens[index + 1].text == "_" and is_split and is_over:
            first, rest = _split_first(base)
            done[index + 2 : index + 3] = [first, *([rest] if rest else [])]
    return done


def _with_unions_of_relations(tokens: list[Token]) -> list[Token]:
    r"""`x < 1 \cup x > 3` says or; between sets the sign stays."""
    joints = [
        index
        for index, token in enumerate(tokens)
        if token.kind is Kind.COMMAND and token.text in ("cup", "cap")
    ]
    parts = [tokens[start + 1 : end] for start, end in pairwise([-1, *joints, len(tokens)])]
    if not joints or not all(_is_condition(part) and part[0].kind is Kind.LETTER for part in parts if part):
        return tokens
    said = {"cup": "or", "cap": "and"}
    return [
        Token(Kind.COMMAND, said[token.text]) if index in joints else token
        for index, token in enumerate(tokens)
    ]


def _with_choices_of_several(tokens: list[Token]) -> list[Token]:
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
            done += [Token(Kind.COMMAND, name), _OPEN, above, _CLOSE, _OPEN, below, _CLOSE]
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


def _with_differentials_behind(tokens: list[Token]) -> list[Token]:
    r"""`\frac{dx}{x}` below an integral sign becomes `\frac{1}{x} dx`."""
    done = list(tokens)
    for index in reversed(range(len(tokens))):
        if tokens[index].text != "frac" or not any(token.text == "int" for token in tokens[:index]):
            continue
        above_end = _end_of_group(done, index + 2)
        above = done[index + 2 : above_end]
        if above and above[-1].kind is Kind.WORD and len(above[-1].text) == 2 and above[-1].text[0] == "d":
            below_end = _end_of_group(done, above_end + 2)
            kept = above[:-1] or [Token(Kind.NUMBER, "1")]
            done[index + 2 : below_end + 1] = [*kept, *done[above_end : below_end + 1], above[-1]]
    return done


def _with_arrays(tokens: list[Token]) -> list[Token]:
    r"""`\begin{array}{cc}` loses its columns, and every matrix the brackets and braces right around it."""
    done: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        done.append(token)
        index += 1
        if token.text == "begin{array}" and index < len(tokens) and tokens[index].text == "{":
            index = _end_of_group(tokens, index + 1) + 1
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


def _with_derivatives(tokens: list[Token]) -> list[Token]:
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


def _with_differentials(tokens: list[Token]) -> list[Token]:
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
            and _is_condition(tokens[bar:end])
        ):
            done[bar] = Token(Kind.COMMAND, "mid")
    return done


def _is_condition(tokens: Sequence[Token]) -> bool:
    return any(token.text in _RELATIONS for token in tokens)


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
