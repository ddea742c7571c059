"""From a pipeline file to checked stages: everything that can be wrong is found before anything runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from r1kit.config.data import DataSource
from r1kit.config.load import merge, validate
from r1kit.config.pipeline import PipelineConfig, PipelineStage
from r1kit.config.stages import STAGES, StageConfig
from r1kit.core.errors import ConfigError
from r1kit.core.seeds import derive_seed
from r1kit.pipeline.fingerprint import fingerprint
from r1kit.pipeline.references import resolve


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage that is ready to run: its checked configuration, and what identifies its result."""

    id: str
    stage: str
    config: StageConfig
    needs: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages of a pipeline in the order they run."""

    name: str
    output: Path
    stages: tuple[PlannedStage, ...]
    notes: str = ""

    def render(self) -> str:
        """The plan as text, a line a stage: id, kind, what it starts from and where it writes."""
        width = max(len(stage.id) for stage in self.stages)
        lines = [f"{self.name}: {len(self.stages)} stages, in {self.output}"]
        lines += [f"  {line}" for line in textwrap.wrap(self.notes, 100)]
        for number, stage in enumerate(self.stages, start=1):
            needs = f" needs {', '.join(stage.needs)}" if stage.needs else ""
            lines.append(f"{number:3d}. {stage.id:{width}}  {stage.stage:14s}{needs}")
        return "\n".join(lines)


def plan_pipeline(config: PipelineConfig, source: str) -> Plan:
    """Check every stage of `config`, read from `source`, and put it in order.

    Raises:
        ConfigError: one line for each mistake in any stage: unknown or wrong fields, references to nothing,
            two stages of one id, defaults for an unknown kind, data files that do not exist.
    """
    mistakes = [
        f"{source}: defaults.{kind}: unknown stage; one of: {', '.join(STAGES)}"
        for kind in config.defaults
        if kind not in STAGES
    ]
    planned: dict[str, PlannedStage] = {}
    folders: dict[str, tuple[str, Path]] = {}
    for number, stage in enumerate(config.stages, start=1):
        folder = config.output / "stages" / f"{number:02d}-{stage.id}"
        if stage.id in folders:
            mistakes.append(f'{source}: stages.{number - 1}.id: "{stage.id}" is used twice; ids are unique')
            continue
        try:
            planned[stage.id] = _plan_stage(config, stage, folder, folders, planned, source)
        except ConfigError as error:
            mistakes += str(error).splitlines()
        folders[stage.id] = (stage.stage, folder)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return Plan(config.name, config.output, tuple(planned.values()), config.notes)


def _plan_stage(
    config: PipelineConfig,
    stage: PipelineStage,
    folder: Path,
    folders: Mapping[str, tuple[str, Path]],
    planned: Mapping[str, PlannedStage],
    source: str,
) -> PlannedStage:
    where = f"{source}: stage {stage.id}"
    try:
        fields, needs = resolve(_merged_fields(config, stage), folders)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    seed = derive_seed(config.seed, stage.id) % 2**31
    values = {"seed": seed, **fields, "output": str(folder)}
    checked = validate(STAGES[stage.stage], values, source=where)
    _check_files(checked, made=[path for _, path in folders.values()], where=where)
    upstream = [planned[need].fingerprint for need in needs if need in planned]
    return PlannedStage(
        stage.id, stage.stage, checked, tuple(dict.fromkeys(needs)), fingerprint(checked, upstream)
    )


def _merged_fields(config: PipelineConfig, stage: PipelineStage) -> dict[str, Any]:
    """Pipeline-wide model, then the defaults of the kind, then the stage's own fields: later ones win."""
    fields = merge({"model": _as_section(config.model)}, _with_model(config.defaults.get(stage.stage, {})))
    return merge(fields, _with_model(stage.fields))


def _with_model(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**fields, "model": _as_section(fields["model"])} if "model" in fields else dict(fields)


def _as_section(model: str | Mapping[str, Any]) -> dict[str, Any]:
    return {"path": model} if isinstance(model, str) else dict(model)


def _check_files(config: StageConfig, made: list[Path], where: str) -> None:
    """Refuse data files that neither exist nor are made by an earlier stage."""
    missing = [
        source.path
        for source in _data_sources(config)
        if source.path.endswith((".jsonl", ".json"))
        and not Path(source.path).is_file()
        and not any(folder in Path(source.path).parents for folder in made)
    ]
    if missing:
        lines = [f"{where}: data file {path} does not exist; check the path" for path in missing]
        raise ConfigError("\n".join(lines))


def _data_sources(section: BaseModel) -> Iterator[DataSource]:
    """Every data source anywhere in a configuration."""
    for value in dict(section).values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, DataSource):
                yield item
            if isinstance(item, BaseModel):
                yield from _data_sources(item)
