"""How much memory a run may take."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import field_validator

from r1kit.config.section import Section

_UNITS: Final = {"mb": 2**20, "mib": 2**20, "gb": 2**30, "gib": 2**30}
_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)", re.ASCII)


class MemoryConfig(Section):
    """The memory that the plan of a run is made for."""

    vram: str | None = None
    """Memory to plan for, and on CUDA the most that the process takes: 24GB, 7.5GiB or 800MB. GB means GiB, as
    cards are sold. When left out, what is free on the device."""

    @field_validator("vram", mode="before")
    @classmethod
    def _is_a_size(cls, value: Any) -> str | None:
        if value is None:
            return None
        parse_size(value)
        return str(value)

    @property
    def vram_bytes(self) -> int | None:
        """`vram` in bytes; None when it was left out."""
        return None if self.vram is None else parse_size(self.vram)


def parse_size(text: Any) -> int:
    """Bytes of a number with a unit: MB and MiB are 2^20 bytes, GB and GiB 2^30, in any case of letters.

    Raises:
        ValueError: it is anything else, or less than one MiB.
    """
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError("must be a number and a unit, such as 24GB, 7.5GiB or 800MB")
    size = int(float(match[1]) * unit)
    if size < 2**20:
        raise ValueError("must be at least 1MB")
    return size
