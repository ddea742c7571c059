"""A pipeline: stages in order, what they share, and references between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from r1kit.config.section import Section, expand_home
from r1kit.config.stages import STAGES


class PipelineStage(Section):
    """One entry of `stages`: its id and kind, and the stage's own fields beside them.

    The remaining fields are checked against the stage's schema once references such as `"@sft.adapter"` are
    replaced by paths (see `pipeline.plan`).
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Unique name; part of the stage's folder, and what references use."""
    stage: str
    """sft, grpo, reject-sample, eval or export."""

    @field_validator("stage")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in STAGES:
            raise ValueError(f"unknown stage {value!r}; one of: {', '.join(STAGES)}")
        return value

    @property
    def fields(self) -> dict[str, Any]:
        """The stage's own fields, as written in the file."""
        return dict(self.__pydantic_extra__ or {})


class PipelineConfig(Section):
    """A pipeline file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Name of the pipeline; its folder under runs/ unless `output` says otherwise."""
    output: Path
    """Folder of the pipeline's run."""
    seed: int = Field(default=0, ge=0)
    """Seed of every stage that does not set its own."""
    model: str | dict[str, Any]
    """The model of every stage: its id or folder, or fields of the model section."""
    defaults: dict[str, dict[str, Any]] = {}
    """Fields for all stages of a kind, by stage name."""
    stages: tuple[PipelineStage, ...] = Field(min_length=1)
    """The stages, in the order they run."""
    notes: str = ""
    """What a reader should know: what it shows, what it needs, how long it takes."""

    @field_validator("output")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return Path(expand_home(str(value)))
