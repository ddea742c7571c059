"""What the configurations of all stages have in common."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from r1kit.config.memory import MemoryConfig
from r1kit.config.model import ModelConfig
from r1kit.config.section import Section, expand_home


class StageConfig(Section):
    """What every stage has."""

    model: ModelConfig
    """The base model and how it is loaded."""
    output: Path
    """The run folder that is written."""
    seed: int = Field(default=0, ge=0)
    """Every random draw of the run derives from this."""
    memory: MemoryConfig = MemoryConfig()
    """Memory to plan for."""

    @field_validator("output")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return Path(expand_home(str(value)))
