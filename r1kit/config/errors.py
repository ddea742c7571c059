"""What is wrong with a configuration, one line a mistake: path, value and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from r1kit.config.schema import REQUIRED, FieldPath, dotted, is_section, is_union, leaves, without_none
from r1kit.config.section import Section
from r1kit.core.nearest import did_you_mean

_MESSAGES: Final = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text (put it in quotes)",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entry",
    "tuple_type": "must be a list",
    "dict_type": "must be a section (key: value lines)",
    "model_type": "must be a section (key: value lines)",
    "path_type": "must be a path",
}
"""Our words for pydantic's error types; a type that is not here keeps pydantic's words."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. `path` is empty for a combination of fields that the message names itself."""

    path: FieldPath
    message: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


def mistakes_of(error: ValidationError, schema: type[Section]) -> list[Mistake]:
    """Every mistake of a failed validation, in pydantic's order.

    A value that fails all alternatives of a union is one mistake, and one with a mistake inside it is none of
    its own: pydantic calls a list too short when its only entry is wrong.
    """
    by_path: dict[FieldPath, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False):
        by_path.setdefault(_field_path(details["loc"], schema), []).append(details)
    innermost = {
        path: details
        for path, details in by_path.items()
        if not any(other[: len(path)] == path for other in by_path if other != path)
    }
    return [mistake for path, details in innermost.items() for mistake in _mistakes_at(path, details, schema)]


def _mistakes_at(path: FieldPath, details: list[ErrorDetails], schema: type[Section]) -> list[Mistake]:
    if details[0]["type"] == "missing":
        return _missing(path, schema)
    if details[0]["type"] == "extra_forbidden":
        return [Mistake(path, _unknown(path, schema))]
    said = " or ".join(dict.fromkeys(_say(each) for each in details)).replace(" or must be ", " or ")
    value = details[0]["input"]
    # a combination of fields names its values itself; everything else shows what it got
    if details[0]["type"] == "value_error" and (isinstance(value, Mapping) or repr(value) in said):
        return [Mistake(path, said)]
    near = "".join(
        did_you_mean(str(value), _expected(each)) for each in details if each["type"] == "literal_error"
    )
    return [Mistake(path, f"{said}, got {_show(value)}{near}")]


def _missing(path: FieldPath, schema: type[Section]) -> list[Mistake]:
    """A mistake for each required leaf at or below the path, so that a missing section names its fields."""
    annotation = _type_at(schema, path)
    if not is_section(annotation):
        field = _type_at(schema, path[:-1]).model_fields[path[-1]]
        return [_missing_leaf(path, field.description or "")]
    required = [leaf for leaf in leaves(annotation, path) if leaf.default is REQUIRED]
    return [_missing_leaf(leaf.path, leaf.description) for leaf in required]


def _missing_leaf(path: FieldPath, description: str) -> Mistake:
    what = " ".join(description.split()).rstrip(".")
    return Mistake(path, f"missing ({what})" if what else "missing", missing=True)


def _unknown(path: FieldPath, schema: type[Section]) -> str:
    name, names = str(path[-1]), list(_type_at(schema, path[:-1]).model_fields)
    known = (
        did_you_mean(name, names) or elsewhere(name, schema) or f"; the fields here are: {', '.join(names)}"
    )
    return f"unknown field{known}"


def elsewhere(name: str, schema: type[Section]) -> str:
    """`; did you mean section.NAME?` for a field of that very name elsewhere in the schema, or nothing."""
    same = [dotted(leaf.path) for leaf in leaves(schema) if leaf.path[-1] == name]
    return f"; did you mean {same[0]}?" if same else ""


def _field_path(loc: tuple[str | int, ...], schema: type[Section]) -> FieldPath:
    """pydantic's location without the names it adds for the alternatives of a union."""
    path: list[str | int] = []
    annotation: Any = schema
    for part in loc:
        keep, annotation = _step(annotation, part)
        path += [part] if keep else []
    return tuple(path)


def _type_at(schema: type[Section], path: FieldPath) -> Any:
    """The type of the field at the path."""
    annotation: Any = schema
    for part in path:
        annotation = _step(annotation, part)[1]
    return annotation


def _step(annotation: Any, part: str | int) -> tuple[bool, Any]:
    """Whether a part of a location is a name in the configuration, and the type of what it leads to."""
    annotation = without_none(annotation)
    if is_section(annotation):
        field = annotation.model_fields.get(part)
        return True, without_none(field.annotation) if field else None
    if get_origin(annotation) is dict:
        return True, get_args(annotation)[1]
    if isinstance(part, int):
        return True, next(iter(get_args(annotation)), None)
    return not is_union(annotation), None


def _say(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "literal_error":
        return f"must be one of: {', '.join(_expected(details))}"
    if details["type"] == "value_error":
        return str(context["error"])
    message = _MESSAGES.get(details["type"])
    if message is None:
        return details["msg"][:1].lower() + details["msg"][1:]
    return message.format(**context)


def _expected(details: ErrorDetails) -> list[str]:
    """The values of a Literal, from pydantic's "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", str(details.get("ctx", {}).get("expected", "")))


def _show(value: Any) -> str:
    """A value as a reader wrote it; numbers without quotes also when they came as text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+(e[-+]?[0-9]+)?", value):
        return value
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...'"
