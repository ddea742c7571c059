"""From raw values (a file, flags, a pipeline's stage) to one validated configuration, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from r1kit.config.errors import Mistake, mistakes_of
from r1kit.config.schema import is_section, without_none
from r1kit.config.section import Section
from r1kit.config.yaml_file import load_yaml, to_yaml
from r1kit.core.errors import ConfigError

__all__ = ["complete", "dump", "load_yaml", "merge", "parse", "to_yaml", "validate"]

S = TypeVar("S", bound=Section)


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A new mapping with the fields of both; `override` wins, and where both hold a mapping they are merged.

    Lists are replaced, not joined. Run values through `complete` first where short forms (`model: ID`) may
    meet full ones (`model: {lora: ...}`).
    """
    merged = dict(base)
    for key, value in override.items():
        ours = merged.get(key)
        both = isinstance(ours, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(ours, value) if both else value  # type: ignore[arg-type]
    return merged


def complete(schema: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with short forms spelled out and partly given sections filled up.

    A string in the place of a section becomes its `path`. A section whose parent has a default of its own
    (evaluation samples at temperature 0.6) keeps that default for the fields the values leave out; without
    this, naming one field would silently reset the others. What does not fit the schema stays, for `validate`
    to report.
    """
    completed = dict(values)
    for name, field in schema.model_fields.items():
        if name in values:
            completed[name] = _complete_value(field.annotation, field.default, values[name])
    return completed


def parse(schema: type[S], values: Mapping[str, Any]) -> tuple[S | None, list[Mistake]]:
    """The configuration and no mistakes, or None and every mistake in the values."""
    try:
        return schema.model_validate(complete(schema, values)), []
    except ValidationError as error:
        return None, mistakes_of(error, schema)


def validate(schema: type[S], values: Mapping[str, Any], source: str) -> S:
    """The configuration that the values (after `complete`) describe.

    Raises ConfigError with a line for each mistake, `SOURCE: PATH: what is wrong, got VALUE`, `source` being
    the file or whatever the values came from.
    """
    config, mistakes = parse(schema, values)
    if config is None:
        raise ConfigError("\n".join(f"{source}: {mistake}" for mistake in mistakes))
    return config


def dump(config: Section) -> dict[str, Any]:
    """The whole configuration as JSON-ready values; `validate` turns them into an equal configuration."""
    return config.model_dump(mode="json")


def _complete_value(annotation: Any, default: Any, value: Any) -> Any:
    annotation = without_none(annotation)
    if isinstance(value, list):
        entry = next(iter(get_args(annotation)), None)
        return [_complete_value(entry, None, item) if isinstance(item, Mapping) else item for item in value]
    if not is_section(annotation):
        return value
    if isinstance(value, str) and "path" in annotation.model_fields:
        value = {"path": value}
    if not isinstance(value, Mapping):
        return value
    if isinstance(default, Section):
        value = merge(default.model_dump(exclude_unset=True), value)
    return complete(annotation, value)
