"""From a configuration file and flags to a validated configuration, or every mistake of both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from r1kit.cli.flags import ARGUMENTS, Flag
from r1kit.config.errors import Mistake
from r1kit.config.load import complete, parse
from r1kit.config.schema import FieldPath, dotted
from r1kit.config.section import Section
from r1kit.core.errors import ConfigError

S = TypeVar("S", bound=Section)


def configure(
    schema: type[S],
    flags: Sequence[Flag],
    file_values: Mapping[str, Any],
    given: Mapping[FieldPath, Any],
    file: Path | None,
) -> S:
    """The configuration: defaults, then the file's values, then the given flags.

    Raises ConfigError with a line for each mistake, under the flag's name or the file's and the field's.
    """
    values = complete(schema, file_values)
    for path, value in given.items():
        set_field(values, path, value)
    config, mistakes = parse(schema, values)
    if config is None:
        names = {**ARGUMENTS, **{flag.path: flag.names[0] for flag in flags}}
        raise ConfigError("\n".join(_line(mistake, names, given, file) for mistake in mistakes))
    return config


def set_field(values: Any, path: FieldPath, value: Any) -> None:
    """Put a value at a path of nested mappings, in place; missing sections are made.

    A value on the way that is no section is left, so that validation reports it instead of losing it.
    """
    *way, last = path
    for part in way:
        if isinstance(values, dict) and values.get(part) is None:
            values[part] = {}
        if not isinstance(values, dict | list):
            return
        values = values[part]  # type: ignore[index]
    if isinstance(values, dict):
        values[last] = value


def _line(
    mistake: Mistake, names: Mapping[FieldPath, str], given: Mapping[FieldPath, Any], file: Path | None
) -> str:
    """A mistake under the name of what the user wrote: the flag if there was one, else the file's field."""
    for path in (mistake.path[:end] for end in range(len(mistake.path), 0, -1)):
        if path in given:
            # what is wrong inside a value, such as the weight in math=abc; its index says nothing here
            inner = dotted(tuple(part for part in mistake.path[len(path) :] if isinstance(part, str)))
            return f"{names[path]}: {inner + ' ' if inner else ''}{mistake.message}"
    if file is None:
        name = names.get(mistake.path)
        return f"{name}: {mistake.message}" if name else str(mistake)
    hint = (
        f"; write it there or give {names[mistake.path]}" if mistake.missing and mistake.path in names else ""
    )
    return f"{file}: {mistake}{hint}"
