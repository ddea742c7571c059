"""The base of every configuration section."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen group of fields; unknown fields are errors, and a field's docstring is its help text."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        str_strip_whitespace=False,
    )


def expand_home(path: str) -> str:
    """The path with a leading `~` as the user's home folder; every other text as it is."""
    return os.path.expanduser(path)  # noqa: PTH111  # Path would rewrite hub ids and raise for unknown users
