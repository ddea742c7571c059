"""How a flag looks in the help: its text, with what it takes and its default, and the panel it is in."""

from __future__ import annotations

from typing import Any, Final, get_args

from rich.markup import escape

from r1kit.config.schema import REQUIRED, FieldPath, Leaf, choices, is_list, is_section
from r1kit.config.section import Section

_KINDS: Final = {"int": "int", "float": "number", "Path": "path", "bool": "switch"}


def help_text(leaf: Leaf, is_optional: bool) -> str:
    """The field's docstring, then in brackets what it takes and its default.

    They stand here and not in a column of their own, which on a narrow terminal would cut off names of flags.
    `is_optional`: the field belongs to a section that may be left out, so that it is required only with it.
    """
    notes = [note for note in (_kind(leaf.annotation), _default(leaf, is_optional)) if note]
    # an opening bracket that rich does not take for markup
    bracketed = rf"[dim]\[{escape('; '.join(notes))}][/dim]" if notes else ""
    return f"{escape(leaf.description)} {bracketed}".strip()


def panel_title(schema: type[Section], path: FieldPath) -> str:
    """The section a flag belongs to, with what the section is for."""
    if len(path) == 1:
        return "stage"
    section = str(path[0])
    words = " ".join((schema.model_fields[section].description or "").split()).rstrip(".")
    return f"{section.replace('_', '-')}: {words[:1].lower()}{words[1:]}"


def _kind(annotation: Any) -> str:
    """How the value is written; empty for plain text."""
    if any(is_section(part) for part in get_args(annotation)):
        return "NAME or NAME=WEIGHT, repeatable"
    literal = ", ".join(choices(annotation))
    if is_list(annotation):
        return f"{literal}, or names, repeatable" if literal else "repeatable"
    return literal or _KINDS.get(getattr(annotation, "__name__", ""), "")


def _default(leaf: Leaf, is_optional: bool) -> str:
    if leaf.default is REQUIRED:
        return "" if is_optional else "required"
    if leaf.default is None or leaf.default == ():
        return ""
    if leaf.default is True:
        return f"default: on; no-{str(leaf.path[-1]).replace('_', '-')} turns it off"
    return f"default: {_show(leaf.default)}"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(_show(entry) for entry in value)
    if isinstance(value, Section):
        # a reward, as it is written on a command line
        return "=".join(str(part) for part in value.model_dump(include={"name", "weight"}).values())
    return str(value)
