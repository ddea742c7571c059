"""Which rewards a completion gets, and with which weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from r1kit.config.section import Section, expand_home

REWARD_MODEL: Final = "reward_model"
"""The name of a reward that a trained reward model gives."""
_MODEL_CLIP: Final = 3.0
_LABEL: Final = re.compile(r"[^/\s]+")


class RewardConfig(Section):
    """One reward of the weighted sum. On a command line: `NAME` or `NAME=WEIGHT`."""

    name: str = Field(min_length=1)
    """math, code, runnable, format, language, length, repetition, `reward_model:PATH`, or your own `module:function`."""
    weight: float = 1.0
    """Factor in the sum; a negative one turns a reward into a penalty, 0 only logs it."""
    kinds: tuple[Literal["math", "code", "general"], ...] | None = None
    """Kinds of problems that it judges; when left out, its own: see docs/rewards.md."""
    clip: float | None = Field(default=None, gt=0.0)
    """Keep its value within plus and minus this before it is weighed; 3 for a reward model when left out."""
    whiten: bool = False
    """Take off the mean over the round and divide by the standard deviation, before the clip."""
    label: str | None = None
    """Its name in metrics and records; when left out, `name`. Labels must differ."""
    options: dict[str, Any] = {}
    """Arguments of the reward, such as `language: en`."""

    @property
    def title(self) -> str:
        """Its name in metrics and records."""
        return self.label or self.name

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            # From the right: a path may hold an equals sign.
            name, separator, weight = value.rpartition("=")
            value = {"name": name, "weight": weight} if separator else {"name": value}
        return _with_model_path(value) if isinstance(value, Mapping) else value

    @field_validator("kinds")
    @classmethod
    def _kinds_differ(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("must name at least one kind, and each once")
        return value

    @field_validator("label")
    @classmethod
    def _can_be_a_metric(cls, value: str | None) -> str | None:
        if value is not None and (value == "mean" or not _LABEL.fullmatch(value)):
            raise ValueError(
                f"{value!r} cannot be part of a metric's name: no slash, no space, and not mean, which is the sum's"
            )
        return value


def _with_model_path(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a reward, with the path of `reward_model:PATH` moved into the options, and its clip filled in."""
    name, separator, path = str(values.get("name")).partition(":")
    if name != REWARD_MODEL:
        return values
    values = {"clip": _MODEL_CLIP, **values, "name": name}
    options = values.get("options", {})
    if not isinstance(options, Mapping):
        return values
    if separator and "path" in options:
        raise ValueError(f"the path of the reward model is given twice, as {path!r} and in options")
    if path.startswith("@"):
        raise ValueError(f'a reference stands in quotes alone: write options: {{path: "{path}"}}')
    options = {"path": path, **options} if separator else dict(options)
    if isinstance(options.get("path"), str):
        options["path"] = expand_home(options["path"])
    return {**values, "options": options}
