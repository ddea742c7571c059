"""Walking a schema: its leaf fields with their paths, types, help texts and defaults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from r1kit.config.section import Section

FieldPath = tuple[str | int, ...]
"""Where a value stands: field names and, in lists, indices."""

REQUIRED: Final = object()
"""Stands for the default of a field that has none."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field that is not a section.

    `annotation` is its type without `| None`. `default` is what it is when nobody says anything (`REQUIRED`
    when somebody must); inside an optional section it is the value the field takes once the section is there.
    """

    path: FieldPath
    annotation: Any
    description: str
    default: Any


def leaves(schema: type[Section], prefix: FieldPath = (), defaults: Section | None = None) -> Iterator[Leaf]:
    """Every leaf field below `schema`, in the order of the schema.

    `defaults` is the section's own default where its parent gives it one, such as a sampling section whose
    temperature differs from the section's usual one.
    """
    for name, field in schema.model_fields.items():
        annotation = without_none(field.annotation)
        default = getattr(defaults, name) if defaults is not None else _default(field)
        if is_section(annotation):
            inner = default if isinstance(default, Section) else None
            yield from leaves(annotation, (*prefix, name), inner)
        else:
            yield Leaf((*prefix, name), annotation, " ".join((field.description or "").split()), default)


def is_section(annotation: Any) -> bool:
    """True for a Section class, not for unions or lists of them."""
    return isinstance(annotation, type) and issubclass(annotation, Section)


def without_none(annotation: Any) -> Any:
    """The type with `| None` taken off; other unions stay as they are."""
    if not is_union(annotation):
        return annotation
    rest = tuple(part for part in get_args(annotation) if part is not NoneType)
    return Union[rest]  # noqa: UP007  # made from a tuple


def is_union(annotation: Any) -> bool:
    """True for `A | B`, however it was written."""
    return get_origin(annotation) in (Union, UnionType)


def is_list(annotation: Any) -> bool:
    """True for types that hold several values, also as one choice of a union."""
    parts = get_args(annotation) if is_union(annotation) else (annotation,)
    return any(get_origin(part) in (tuple, list) for part in parts)


def choices(annotation: Any) -> tuple[str, ...]:
    """The values of a Literal, also as one choice of a union; empty for other types."""
    parts = get_args(annotation) if is_union(annotation) else (annotation,)
    return tuple(str(value) for part in parts if get_origin(part) is Literal for value in get_args(part))


def dotted(path: FieldPath) -> str:
    """`rewards[0].weight` for `("rewards", 0, "weight")`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _default(field: FieldInfo) -> Any:
    return REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
