"""When a value that came out of the jail is the one that was expected.

Values are plain data by now, and are compared as Python compares them: 1 == 1.0 == True, a list is no tuple, floats
are exact unless the test gives a tolerance. Tests written in JSON, which has no tuples, take a tuple for a list. What
did not cross (an object, an iterator without end) passes no test, a "!=" included. nan equals nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from r1kit.sandbox.inside.values import has_opaque, refuse_same_hashes


def _set(value: Any) -> set[Any]:
    """The items of a value as a set; raises ValueError for items that were made to be slow in it."""
    items = list(value)
    refuse_same_hashes(items)
    return set(items)


# What a test may do to a value before it looks at it.
VIEWS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "set": _set,
    "frozenset": _set,
    "sorted": sorted,
    "list": list,
    "tuple": tuple,
    "len": len,
}


class Relation(StrEnum):
    """What has to hold between the value and the expected one.

    WITHIN: abs(value - expected) <= abs_tol (or < when the test is strict). CLOSE: `math.isclose`. ONE_OF: the value
    equals an item of the expected one. IDENTICAL is meant for None, True and False: 1 is not True.
    """

    EQUAL = "=="
    NOT_EQUAL = "!="
    IDENTICAL = "is"
    TRUE = "true"
    FALSE = "false"
    WITHIN = "within"
    CLOSE = "close"
    ONE_OF = "in"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a value is compared: first the `views` are taken of it, the innermost last, then the relation is checked.

    `as_json` takes tuples for lists, at any depth. Tolerances other than 0 make EQUAL compare numbers, at any depth,
    by `math.isclose`.
    """

    relation: Relation = Relation.EQUAL
    views: tuple[str, ...] = ()
    rel_tol: float = 0.0
    abs_tol: float = 0.0
    is_strict: bool = False
    as_json: bool = False

    @property
    def asks_for_truth(self) -> bool:
        """Whether all that counts is whether the value is true or false, which any object can say of itself."""
        return self.relation in {Relation.TRUE, Relation.FALSE} and not self.views


EQUAL: Final = Comparison()


def is_as_expected(value: Any, expected: Any, comparison: Comparison) -> bool:
    """Whether a decoded value passes; False also where the comparison raises, as on sorting numbers with texts."""
    if has_opaque(value):
        return False
    try:
        for view in reversed(comparison.views):
            value = VIEWS[view](value)
        return bool(_RELATIONS[comparison.relation](value, expected, comparison))
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return False


def _equal(value: Any, expected: Any, comparison: Comparison) -> bool:
    if comparison.as_json:
        value, expected = _with_lists(value), _with_lists(expected)
    if comparison.rel_tol or comparison.abs_tol:
        return _all_close(value, expected, comparison)
    return bool(value == expected)


def _with_lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_with_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _with_lists(item) for key, item in value.items()}
    return value


def _all_close(value: Any, expected: Any, comparison: Comparison) -> bool:
    if isinstance(expected, list | tuple) and type(value) is type(expected):
        pairs = zip(value, expected, strict=False)
        return len(value) == len(expected) and all(_all_close(*pair, comparison) for pair in pairs)
    if isinstance(expected, dict) and isinstance(value, dict):
        return value.keys() == expected.keys() and all(
            _all_close(value[key], item, comparison) for key, item in expected.items()
        )
    if _is_number(value) and _is_number(expected):
        return _close(value, expected, comparison)
    return bool(value == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(value: Any, expected: Any, comparison: Comparison) -> bool:
    if isinstance(value, int) and isinstance(expected, int) and value == expected:
        # Equal, and perhaps too large for a float.
        return True
    return math.isclose(value, expected, rel_tol=comparison.rel_tol, abs_tol=comparison.abs_tol)


def _within(value: Any, expected: Any, comparison: Comparison) -> bool:
    distance = abs(value - expected)
    return bool(distance < comparison.abs_tol if comparison.is_strict else distance <= comparison.abs_tol)


def _identical(value: Any, expected: Any, _: Comparison) -> bool:
    return type(value) is type(expected) and bool(value == expected)


def _one_of(value: Any, expected: Any, _: Comparison) -> bool:
    return value in expected


_RELATIONS: Final[Mapping[Relation, Callable[[Any, Any, Comparison], bool]]] = {
    Relation.EQUAL: _equal,
    Relation.NOT_EQUAL: lambda value, expected, _: bool(value != expected),
    Relation.IDENTICAL: _identical,
    Relation.TRUE: lambda value, _expected, _: bool(value),
    Relation.FALSE: lambda value, _expected, _: not value,
    Relation.WITHIN: _within,
    Relation.CLOSE: _close,
    Relation.ONE_OF: _one_of,
}
