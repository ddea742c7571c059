"""Plain values as JSON: what crosses the wall of the jail, in either direction.

None, booleans, text, finite floats and small whole numbers are themselves, a list is a JSON list, and everything else
is an object with one key, its tag: `{"tuple": [1, 2]}`, `{"dict": [[key, value], ...]}`, `{"int": "-0x1f..."}`. What is
neither plain nor gives plain values when it is iterated is `{"opaque": "Type"}`: its content does not cross.

`encode` of `encoding` makes it. `decode` runs outside: whatever it is given, it answers with plain data or raises
ValueError.
"""

from __future__ import annotations

import binascii
import collections
import itertools

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

MOST_DEPTH = 60
# Of a generator, which may have no end; views and iterators of all kinds are treated alike.
MOST_ITERATED = 20_000
# Values of one hash are compared with each other when they are put into a set.
MOST_SAME_HASH = 1000


class Opaque:
    """Stands for a value whose content did not cross; it equals nothing."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{self.type_name}>"


class Iterated:
    """The items that an iterator gave; as the iterator itself, it equals nothing."""

    __slots__ = ("is_whole", "items")

    def __init__(self, items: list[Any], is_whole: bool) -> None:
        self.items = items
        self.is_whole = is_whole

    def __iter__(self) -> Iterator[Any]:
        """Goes through the items; raises ValueError when the iterator had more of them than cross."""
        if not self.is_whole:
            raise ValueError(f"an iterator of more than {len(self.items)} items")
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<iterator of {len(self.items)}{'' if self.is_whole else '+'} items>"


def decode(data: Any) -> Any:
    """The value that `encode` was given; opaque parts are `Opaque` now, and iterators `Iterated`.

    Raises:
        ValueError: no value is encoded like this.
    """
    try:
        return _decode(data, 0)
    except (TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ValueError(f"no encoded value: {error}") from error


def has_opaque(value: Any) -> bool:
    """Whether something of a decoded value did not cross."""
    if isinstance(value, Iterated):
        return not value.is_whole or any(map(has_opaque, value.items))
    if isinstance(value, dict):
        return any(map(has_opaque, itertools.chain(value, value.values())))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(has_opaque, value))
    return isinstance(value, Opaque)


def _decode(data: Any, depth: int) -> Any:
    # Each value may take a list in a pair in a list of JSON.
    if depth > MOST_DEPTH:
        raise ValueError("no encoded value: too deep")
    if isinstance(data, list):
        return [_decode(item, depth + 1) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) != 1:
        raise ValueError("no encoded value: an object of one key was expected")
    ((tag, content),) = data.items()
    if tag in _FROM_TEXT:
        return _FROM_TEXT[tag](content)
    if tag not in _FROM_ITEMS or not isinstance(content, list):
        raise ValueError("no encoded value: unknown tag")
    if tag == "iterator":
        items, is_whole = content
        return Iterated([_decode(item, depth + 1) for item in items], is_whole is True)
    return _FROM_ITEMS[tag](_decode_items(tag, content, depth + 1))


def _decode_items(tag: str, content: list[Any], depth: int) -> list[Any]:
    if tag == "dict":
        pairs = [(_decode(key, depth), _decode(value, depth)) for key, value in content]
        refuse_same_hashes(key for key, _ in pairs)
        return pairs
    items = [_decode(item, depth) for item in content]
    if tag != "tuple":
        refuse_same_hashes(items)
    return items


def refuse_same_hashes(items: Iterable[Any]) -> None:
    """Raises ValueError for items that were made to be slow in a set, TypeError for those that have no hash."""
    # Numbers and tuples of one hash can be made at will; a set of many takes the square of their number to build.
    hashes = collections.Counter(map(hash, items))
    if hashes and max(hashes.values()) > MOST_SAME_HASH:
        raise ValueError("no encoded value: made to be slow")


def _decode_opaque(type_name: object) -> Opaque:
    return Opaque(str(type_name)[:100])


def _decode_int(text: str) -> int:
    return int(text, 16)


def _decode_float(text: str) -> float:
    return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}[text]


def _decode_complex(parts: list[Any]) -> complex:
    real, imaginary = (_decode(part, MOST_DEPTH) for part in parts)
    return complex(real, imaginary)


def _decode_str(text: str) -> str:
    return _decode_bytes(text).decode("utf-8", "surrogatepass")


def _decode_bytes(text: str) -> bytes:
    return binascii.a2b_base64(text, strict_mode=True)


def _decode_range(parts: list[Any]) -> range:
    start, stop, step = (_decode(part, MOST_DEPTH) for part in parts)
    found = range(start, stop, step)
    if found[MOST_ITERATED:]:
        raise ValueError("no encoded value: a range too long")
    return found


_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    "opaque": _decode_opaque,
    "int": _decode_int,
    "float": _decode_float,
    "complex": _decode_complex,
    "str": _decode_str,
    "bytes": _decode_bytes,
    "range": _decode_range,
}
_FROM_ITEMS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "iterator": list,
}
