"""Plain values on their way out of the jail, or into it: what `decode` of `values` reads.

This runs beside code that nobody trusts. It reads a subclass by the methods of the plain type (a namedtuple is a tuple,
an OrderedDict a dict, a member of an IntEnum a whole number), so that no method of the object has a say.
"""

from __future__ import annotations

import binascii
import collections
import itertools
import types

from r1kit.sandbox.inside.values import MOST_DEPTH, MOST_ITERATED

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

MOST_ITEMS = 2_000_000
# Whole numbers up to here are plain JSON; Python would not even write those of more than 4300 digits.
SMALL_BITS = 53

_ITERABLES: tuple[Any, ...] = (
    *([], (), set(), {}, {}.items(), {}.values(), "", "é", b"", bytearray()),
    *(range(0), range(1 << 100), collections.deque()),
)
_ITERATORS: tuple[type, ...] = (
    types.GeneratorType,
    collections.deque,
    type({}.keys()),
    type({}.items()),
    type({}.values()),
    *(type(iter(one)) for one in _ITERABLES),
    *(type(reversed(one)) for one in _ITERABLES[3:6]),
    type(reversed([])),
    *(map, filter, zip, enumerate, reversed),
    *(one for one in vars(itertools).values() if isinstance(one, type)),
)


class TooLargeError(Exception):
    """A value has more parts than cross."""


def encode(value: Any) -> Any:
    """`value` as data that `json.dumps` takes.

    What lies too deep or contains itself is opaque there, and a value of too many parts is so as a whole. Raises what
    a generator raises when it is read.
    """
    try:
        return _Encoder().encode(value, 0)
    except TooLargeError:
        return _opaque(type(value))


class _Encoder:
    """One value on its way out: knows how many parts may follow, and the containers around the current one."""

    def __init__(self) -> None:
        self._num_left = MOST_ITEMS
        self._around: set[int] = set()

    def encode(self, value: Any, depth: int) -> Any:
        self._num_left -= 1
        if self._num_left < 0:
            raise TooLargeError
        kind = _plain_type(type(value))
        if kind in _TO_TEXT:
            return _TO_TEXT[kind](value)
        if depth >= MOST_DEPTH or id(value) in self._around or kind is None:
            return _opaque(type(value))
        self._around.add(id(value))
        try:
            return self._encode_items(value, kind, depth + 1)
        finally:
            self._around.discard(id(value))

    def _encode_items(self, value: Any, kind: type, depth: int) -> Any:
        if kind is dict:
            return {"dict": [self._all(pair, depth) for pair in dict.items(value)]}
        if kind in _ITERATORS:
            items = self._all(itertools.islice(value, MOST_ITERATED + 1), depth)
            return {"iterator": [items[:MOST_ITERATED], len(items) <= MOST_ITERATED]}
        items = self._all(kind.__iter__(value), depth)  # type: ignore[attr-defined]
        return items if kind is list else {kind.__name__: items}

    def _all(self, items: Iterable[Any], depth: int) -> list[Any]:
        return [self.encode(item, depth) for item in items]


def _plain_type(kind: type) -> Any:
    """The plain type that `kind` is or derives from, or None."""
    if kind in _TO_TEXT or kind in _CONTAINERS:
        return kind
    # Not issubclass and not kind.__mro__: a metaclass may answer what it likes to these.
    bases = type.__dict__["__mro__"].__get__(kind)
    return next((base for base in bases if base in _TO_TEXT or base in _CONTAINERS), None)


def _opaque(kind: type) -> Any:
    name = type.__dict__["__qualname__"].__get__(kind)
    return {"opaque": name[:100] if name.isascii() else "object"}


def _encode_int(value: int) -> Any:
    exact = int.__pos__(value)
    return exact if exact.bit_length() <= SMALL_BITS else {"int": hex(exact)}


def _encode_float(value: float) -> Any:
    exact = float.__pos__(value)
    return exact if exact - exact == 0 else {"float": str(exact)}


def _encode_complex(value: complex) -> Any:
    exact = complex.__pos__(value)
    return {"complex": [_encode_float(exact.real), _encode_float(exact.imag)]}


def _encode_str(value: str) -> Any:
    text = str.__getitem__(value, slice(None))
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON would read two halves of a pair that stand side by side as one character.
        return {"str": _base64(text.encode("utf-8", "surrogatepass"))}
    return text


def _encode_bytes(value: bytes | bytearray) -> Any:
    return {"bytes": _base64(bytes(memoryview(value)))}


def _encode_range(value: range) -> Any:
    # What is compared outside must not grow there.
    if value[MOST_ITERATED:]:
        return {"opaque": "range"}
    return {"range": [_encode_int(value.start), _encode_int(value.stop), _encode_int(value.step)]}


def _base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def _encode_itself(value: Any) -> Any:
    return value


_CONTAINERS = frozenset({list, tuple, set, frozenset, dict, *_ITERATORS})
_TO_TEXT: dict[type, Callable[[Any], Any]] = {
    type(None): _encode_itself,
    bool: _encode_itself,
    int: _encode_int,
    float: _encode_float,
    complex: _encode_complex,
    str: _encode_str,
    bytes: _encode_bytes,
    bytearray: _encode_bytes,
    range: _encode_range,
}
