"""What crosses the wall of the jail: plain data both ways, and nothing an object says of itself."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.sandbox.inside import encoding, values
from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.values import Iterated, Opaque, decode, has_opaque

INTEGERS = st.integers() | st.builds(
    lambda sign, bits: sign * ((1 << bits) - 1), st.sampled_from((1, -1)), st.integers(0, 20_000)
)
TEXTS = st.text(st.characters(exclude_categories=()))
SINGLES = (
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats()
    | TEXTS
    | st.binary()
    | st.complex_numbers()
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.sampled_from((1, -1, 3)))
)
HASHABLE = st.recursive(
    SINGLES, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=6
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=12,
)


def cross(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


def exactly(value: Any) -> Any:
    """A form in which 1, 1.0 and True differ, 0.0 and -0.0 too, and nan equals itself."""
    if isinstance(value, dict):
        return ("dict", [(exactly(key), exactly(item)) for key, item in value.items()])
    if isinstance(value, set | frozenset):
        return (type(value), sorted(map(repr, map(exactly, value))))
    if isinstance(value, list | tuple):
        return (type(value), [exactly(item) for item in value])
    if isinstance(value, complex):
        return (complex, exactly(value.real), exactly(value.imag))
    return (
        type(value),
        value.hex() if isinstance(value, float) else hex(value) if isinstance(value, int) else value,
    )


@given(VALUES)
@settings(max_examples=60)
def test_every_plain_value_comes_back_as_it_was(value: Any) -> None:
    assert exactly(cross(value)) == exactly(value)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ([1, "a", None, True], [1, "a", None, True]),
        ((1, 2), {"tuple": [1, 2]}),
        ({"a": [1]}, {"dict": [["a", [1]]]}),
        (1 << 60, {"int": "0x1000000000000000"}),
        (math.inf, {"float": "inf"}),
        (b"hi", {"bytes": "aGk="}),
        (range(3), {"range": [0, 3, 1]}),
        (object(), {"opaque": "object"}),
    ],
)
def test_the_wire_form_is_what_it_is_documented_to_be(value: Any, data: Any) -> None:
    assert encode(value) == data


def test_two_halves_of_a_pair_stay_two_characters() -> None:
    halves = "\ud83d" + "\ude00"
    assert len(halves) == 2
    assert cross(halves) == halves


def test_a_whole_number_of_a_hundred_thousand_digits_crosses() -> None:
    value = 10**100_000 + 7
    assert cross(value) == value


def test_subclasses_are_what_they_derive_from() -> None:
    point = namedtuple("point", "x y")  # noqa: PYI024
    level = IntEnum("level", "low high")
    assert exactly(cross(point(1, 2))) == exactly((1, 2))
    assert exactly(cross(level.high)) == exactly(2)
    for kind in (Counter("aab"), OrderedDict(a=2, b=1), defaultdict(int, a=2, b=1)):
        assert exactly(cross(kind)) == exactly({"a": 2, "b": 1})


class Liar:
    """Every question it can be asked is answered with what the asker would like to hear."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class LyingList(list[Any]):
    def __iter__(self) -> Any:
        return iter([1, 2, 3])

    def __len__(self) -> int:
        return 3

    __eq__ = Liar.__eq__
    __hash__ = None  # type: ignore[assignment]


class LyingInt(int):
    def __index__(self) -> int:
        return 42

    __int__ = __pos__ = __abs__ = __index__
    __eq__ = Liar.__eq__
    __hash__ = int.__hash__


class LyingStr(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "right"

    def __getitem__(self, key: object) -> str:
        return "right"

    def encode(self, *_: object) -> bytes:
        return b"right"


class LyingDict(dict[Any, Any]):
    def items(self) -> Any:
        return [("right", 1)]

    __iter__ = LyingList.__iter__


class LyingFloat(float):
    def __pos__(self) -> float:
        return 1.0

    def __repr__(self) -> str:
        return "1.0"


class ClaimsToBeAnInt:
    @property
    def __class__(self) -> Any:
        return int

    def __int__(self) -> int:
        return 42


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (LyingList([9]), [9]),
        (LyingInt(7), 7),
        (LyingStr("wrong"), "wrong"),
        (LyingDict(wrong=0), {"wrong": 0}),
        (LyingFloat(2.5), 2.5),
    ],
)
def test_no_method_of_an_object_has_a_say_in_its_content(value: Any, truth: Any) -> None:
    assert exactly(cross(value)) == exactly(truth)


@pytest.mark.parametrize(
    "value", [Liar(), ClaimsToBeAnInt(), Enum("Way", "up").up, lambda: 1, int, Liar, math], ids=range(7)
)
def test_an_object_is_opaque_and_equals_nothing(value: Any) -> None:
    crossed = cross(value)
    assert isinstance(crossed, Opaque)
    assert has_opaque([{1: (crossed,)}])
    assert crossed != crossed  # noqa: PLR0124
    assert crossed != value
    assert cross([value]) != [value]


def test_a_metaclass_cannot_make_a_class_plain() -> None:
    class Meta(type):
        __mro__ = (int, object)  # type: ignore[assignment]

        def __subclasscheck__(cls, other: type) -> bool:
            return True

        def __instancecheck__(cls, other: object) -> bool:
            return True

    class Odd(metaclass=Meta):
        pass

    assert isinstance(cross(Odd()), Opaque)


def test_iterators_cross_as_their_first_items_and_equal_no_list() -> None:
    def squares(count: int) -> Any:
        yield from (number * number for number in range(count))

    for iterator in (squares(3), map(abs, [0, -1, 4]), {0: 1, 1: 2, 4: 3}.keys(), deque([0, 1, 4])):
        crossed = cross(iterator)
        assert isinstance(crossed, Iterated)
        assert list(crossed) == [0, 1, 4]
        assert crossed != [0, 1, 4]
        assert not has_opaque(crossed)


def test_an_iterator_without_end_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MOST_ITERATED", 5)

    def forever() -> Any:
        while True:
            yield 1

    assert list(cross(iter([1] * 5))) == [1] * 5
    crossed = cross(forever())
    assert has_opaque(crossed)
    with pytest.raises(ValueError, match="more than 5 items"):
        list(crossed)


def test_a_range_too_long_to_be_listed_is_opaque() -> None:
    assert isinstance(cross(range(10**15)), Opaque)
    assert isinstance(cross(range(10**30)), Opaque)
    with pytest.raises(ValueError, match="too long"):
        decode({"range": [0, 10**15, 1]})


def test_a_list_in_itself_is_opaque_there_and_one_met_twice_is_not() -> None:
    inner = [1]
    assert cross([inner, inner]) == [[1], [1]]
    knot: list[Any] = [1]
    knot.append(knot)
    crossed = cross(knot)
    assert crossed[0] == 1
    assert isinstance(crossed[1], Opaque)


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(values.MOST_DEPTH):
        value = {1: value}
    assert cross(value) == value
    assert has_opaque(cross([value]))


def test_a_value_of_too_many_parts_is_opaque(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MOST_ITEMS", 10)
    assert cross([1] * 9) == [1] * 9
    assert isinstance(cross([1] * 10), Opaque)


def test_a_set_of_objects_crosses_as_one_that_equals_nothing() -> None:
    assert has_opaque(cross({print}))
    assert cross({print}) != {print}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*values._FROM_TEXT, *values._FROM_ITEMS]), inner, min_size=1, max_size=1
        )
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_forged_data_is_refused_or_plain(data: Any) -> None:
    try:
        value = decode(data)
    except ValueError:
        return
    plain = (
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        range,
        list,
        tuple,
        set,
        frozenset,
        dict,
        Opaque,
        Iterated,
    )
    assert value is None or type(value) in plain


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"tuple": [], "list": []},
        {"list": [1]},
        {"tuple": 3},
        {"int": 3},
        {"int": "ten"},
        {"float": "1e5"},
        {"complex": [1]},
        {"set": [[1]]},
        {"dict": [[1, 2, 3]]},
        {"dict": [[[], 1]]},
        {"bytes": "?"},
        {"range": [1, 2, 0]},
        {"range": ["a", 2, 1]},
        {"iterator": [1, 2, 3]},
        {"str": "/w=="},
        {"__import__": "os"},
    ],
)
def test_each_broken_form_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        decode(data)


def test_numbers_of_one_hash_cannot_slow_the_reader_down() -> None:
    same_hash = [index * (2**61 - 1) for index in range(2000)]
    assert len(set(map(hash, same_hash))) == 1
    with pytest.raises(ValueError, match="made to be slow"):
        decode({"set": same_hash})
    with pytest.raises(ValueError, match="made to be slow"):
        decode({"dict": [[number, 1] for number in same_hash]})


def test_depth_that_no_encoder_makes_is_refused() -> None:
    data: Any = 1
    for _ in range(5000):
        data = [data]
    with pytest.raises(ValueError, match="no encoded value"):
        decode(data)
