"""Which rewards a completion gets, and with which weights."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from r1kit.config.section import Section


class RewardConfig(Section):
    """One reward of the weighted sum. On a command line: `NAME` or `NAME=WEIGHT`."""

    name: str = Field(min_length=1)
    """math, code, runnable, format, language, length, or a function of your own as `module:function`."""
    weight: float = 1.0
    """Factor in the sum; a negative one turns a reward into a penalty, 0 only logs it."""
    options: dict[str, Any] = {}
    """Arguments of the reward, such as `language: en`."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, separator, weight = value.partition("=")
        return {"name": name, "weight": weight} if separator else {"name": name}
