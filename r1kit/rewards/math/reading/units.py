"""Reads the words after a number as a unit, and says by which factor two units differ."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Final

from r1kit.rewards.math.reading.unit_table import (
    AMBIGUOUS,
    BARE,
    MEASURED,
    MONEY,
    NOT_UNITS,
    QUALIFIERS,
    UNITS,
    known_unit,
    singular,
)
from r1kit.rewards.math.tree import AnswerError, Unit

MAX_WORDS: Final = 5
MAX_TOKENS: Final = 24
_MAX_LETTERS: Final = 30
_EXPONENTS: Final = frozenset("123456789")
_ONE: Final = Unit((), Fraction(1))
_PREFIX_POWERS: Final = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_SUFFIX_POWERS: Final = {"squared": 2, "cubed": 3}
_DIVIDING: Final = frozenset(("/", "a", "an"))
_OPERATORS: Final = frozenset(("/", "*", ")"))
_PREPOSITIONS: Final = frozenset(("of", "in", "for", "from", "on"))
# Number words and adverbs are too many to list: sixteenths, quintillion, tenfold, presumably.
_CHANGING: Final = re.compile(
    r"(?:thir|four|fif|six|seven|eigh|nine)teen(?:s|ths?)?|\w*illions?|\w+fold|(?:sixth|seventh|eighth|ninth|tenth|eleventh|twelfth)s?"
    r"|(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)(?:y|ieths?)|(?:hundred|thousand)ths?"
    r"|(?!(?:family|butterfly|jelly|lily|bully|belly|assembly|reply|supply|fly|ally|rally|tally)$)\w+ly"
)
_OPTIONAL_PLURAL: Final = re.compile(r"(?<=[a-z]{3}) \( e?s \)")  # "hour(s)"
_NO_THINGS: Final = _PREPOSITIONS | _PREFIX_POWERS.keys() | _SUFFIX_POWERS.keys()
_PART_OF_THE_VALUE: Final = frozenset(("degree", "percent"))


def parse_unit(words: Sequence[str]) -> Unit | None:
    """The unit that the words name; None where they name none ("square units", "ways", "radians", "in total").

    A counted thing is the singular of the last word: "red marbles" are marbles. Next to a measured unit such words
    add nothing ("5 dollars profit"), as do "of water", "in all", "tall". "$3 a pound" and "every" divide like "per".
    Raises AnswerError for words that change, hedge or join the number, for more than MAX_WORDS of them, for a
    lone "degrees" or "percent" (they belong to the value), and for anything else that is no unit.
    """
    tokens = deque(_prepared(words))
    unit = _quotient(tokens, nested=False) if tokens else _ONE
    if tokens:
        raise AnswerError("a bracket that was not opened after a number")
    if len(unit.powers) == 1 and unit.powers[0][0] in _PART_OF_THE_VALUE:
        raise AnswerError(f"{unit.powers[0][0]} is a part of the value and no unit")
    return None if unit == _ONE else unit


def is_bare_unit(word: str) -> bool:
    r"""Whether a word right after a number begins a unit even outside `\text{}`.

    No for what may be a product of variables: "m", "s", "nm", "pt". Yes for "in", which is an inch only where it
    stands right after a number. Short names count in their own case, names of four and more letters in any.
    """
    return word in BARE or (len(word) > 3 and word.isalpha() and known_unit(word) is not None)


def changes_number(word: str) -> bool:
    """Whether a word in lower case changes, hedges or joins a number that it stands beside."""
    return word in NOT_UNITS or _CHANGING.fullmatch(word) is not None


def conversion_factor(gold: Unit | None, answer: Unit | None) -> Fraction | None:
    """What a value in the answer's unit is multiplied with to be in the gold's; None where the units contradict.

    1 where either is missing. A counted thing may be missing too: "$5 per person" agrees with "$5", "$5 per hour"
    does not. A unit with two meanings (pounds of mass or money) takes the one that fits.
    """
    if gold is None or answer is None:
        return Fraction(1)
    for wanted, given in product(_meanings(gold), _meanings(answer)):
        if _agree(wanted, given):
            return given.scale / wanted.scale
    return None


def _agree(gold: Unit, answer: Unit) -> bool:
    different = set(gold.powers) ^ set(answer.powers)
    one_sided = set(gold.powers) <= set(answer.powers) or set(gold.powers) >= set(answer.powers)
    return not different or (one_sided and all(name not in MEASURED for name, _ in different))


def _meanings(unit: Unit) -> Iterator[Unit]:
    """The unit with each meaning of its ambiguous base units."""
    choices = [AMBIGUOUS.get(name, (Unit(((name, 1),), Fraction(1)),)) for name, _ in unit.powers]
    for chosen in product(*choices):
        result = Unit((), unit.scale)
        for base, (_, exponent) in zip(chosen, unit.powers, strict=True):
            result = _times(result, base, exponent)
        yield result


def _times(left: Unit, right: Unit, exponent: int = 1) -> Unit:
    """`left * right^exponent`."""
    powers = dict(left.powers)
    for name, power in right.powers:
        powers[name] = powers.get(name, 0) + power * exponent
    scale = left.scale * right.scale**exponent
    return Unit(tuple(sorted((name, power) for name, power in powers.items() if power)), scale)


def _prepared(words: Sequence[str]) -> Iterator[str]:
    """The words with names of two words joined; raises AnswerError where one is no part of a unit."""
    if len(words) > MAX_TOKENS or sum(word.isalpha() for word in words) > MAX_WORDS:
        raise AnswerError("too many words after a number")
    rest = deque(_OPTIONAL_PLURAL.sub("", " ".join(words)).split())
    while rest:
        word = rest.popleft()
        if (
            rest
            and (pair := f"{singular(word.lower())} {singular(rest[0].lower())}") in UNITS.keys() | QUALIFIERS
        ):
            rest.popleft()
            yield pair
        elif changes_number(word.lower()):
            raise AnswerError(f"{word[:_MAX_LETTERS]!r} after a number is no unit")
        else:
            yield from _connective(word, rest)


def _connective(word: str, rest: Sequence[str]) -> Iterator[str]:
    """One spelling for what divides; "each" does before a name and adds nothing at the end."""
    if word.lower() == "each":
        yield from ("/",) if rest and _is_noun(rest[0]) else ()
    elif word in _DIVIDING or word.lower() in ("per", "every"):
        yield "/"
    else:
        yield word


def _is_noun(word: str) -> bool:
    return word.isalpha() and word.lower() not in _PREPOSITIONS | QUALIFIERS


def _quotient(tokens: deque[str], *, nested: bool) -> Unit:
    """Reads `a b / c * d` from left to right up to a closing bracket; what stands side by side binds tighter."""
    total = _ONE if tokens and tokens[0] == "/" else _side_by_side(tokens, nested=nested)
    while tokens and tokens[0] != ")":
        sign = 1 if tokens.popleft() == "*" else -1
        total = _times(total, _side_by_side(tokens, nested=nested), sign)
    return total


def _side_by_side(tokens: deque[str], *, nested: bool) -> Unit:
    """The product of the measured units up to the next operator, or else the last counted thing there."""
    if not tokens or tokens[0] in _OPERATORS:
        raise AnswerError("a unit is missing after a number")
    measured: list[Unit] = []
    counted: list[Unit] = []
    is_first = True
    while tokens and tokens[0] not in _OPERATORS:
        word = tokens.popleft()
        if word.lower() in _PREPOSITIONS and not is_first:
            _skip_to_operator(tokens)
        elif word == "-":
            _check_name(tokens[0] if tokens else word)
        elif word.lower() not in QUALIFIERS:
            unit, is_known = _factor(word, tokens, nested=nested)
            (measured if is_known else counted).append(unit)
        is_first = False
    return _product(measured) if measured else (counted or [_ONE])[-1]


def _product(units: Sequence[Unit]) -> Unit:
    """All units multiplied, but money named twice ("$5 dollars") counts once."""
    money = {unit for unit in units if len(unit.powers) == 1 and unit.powers[0][0] in MONEY}
    if len(money) > 1:
        raise AnswerError("two currencies after a number")
    total = _ONE
    for unit in [*(unit for unit in units if unit not in money), *money]:
        total = _times(total, unit)
    return total


def _skip_to_operator(tokens: deque[str]) -> None:
    while tokens and tokens[0] not in _OPERATORS:
        _check_name(tokens.popleft())


def _factor(word: str, tokens: deque[str], *, nested: bool) -> tuple[Unit, bool]:
    """One unit with its power, and whether it is a known one."""
    if word == "(":
        return _times(_ONE, _bracket(tokens, nested=nested), _exponent(tokens)), True
    power = 1
    if word.lower() in _PREFIX_POWERS:
        if not tokens:
            raise AnswerError(f"{word!r} of nothing after a number")
        power, word = _PREFIX_POWERS[word.lower()], tokens.popleft()
    unit = known_unit(word)
    if unit is not None:
        return _times(_ONE, unit, power * _exponent(tokens)), True
    # Before a thing "square" only describes: "6 square tiles".
    return _times(_ONE, _thing(word), _exponent(tokens)), False


def _bracket(tokens: deque[str], *, nested: bool) -> Unit:
    if nested:
        raise AnswerError("brackets within brackets in a unit")
    unit = _quotient(tokens, nested=True)
    if not tokens:
        raise AnswerError("a bracket that is not closed after a number")
    tokens.popleft()
    return unit


def _exponent(tokens: deque[str]) -> int:
    """Takes `^2`, `^-2` or "squared" off the front; 1 without one."""
    if tokens and tokens[0].lower() in _SUFFIX_POWERS:
        return _SUFFIX_POWERS[tokens.popleft().lower()]
    if not tokens or tokens[0] != "^":
        return 1
    tokens.popleft()
    text = tokens.popleft() if tokens else ""
    if text == "-" and tokens:
        text += tokens.popleft()
    digits = text.removeprefix("-")
    if digits not in _EXPONENTS:
        raise AnswerError("a unit with a strange power")
    return int(text)


def _thing(word: str) -> Unit:
    """A counted thing; raises AnswerError for what is no noun, such as a number or a letter."""
    _check_name(word)
    if len(word) < 3 or word.lower() in _NO_THINGS:
        raise AnswerError(f"{word!r} after a number is no unit")
    return Unit(((singular(word.lower()), 1),), Fraction(1))


def _check_name(word: str) -> None:
    letters = word.replace("'", "").replace("’", "")
    if not letters.isalpha() or len(word) > _MAX_LETTERS:
        raise AnswerError(f"{word[:_MAX_LETTERS]!r} after a number is no unit")
