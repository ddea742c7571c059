"""From a pipeline file to checked stages: everything that can be wrong is found before anything runs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1kit.config.load import merge, validate
from r1kit.config.pipeline import PipelineConfig, PipelineStage
from r1kit.config.stage import StageConfig
from r1kit.config.stages import STAGES, EvalConfig
from r1kit.core.errors import ConfigError
from r1kit.core.seeds import derive_seed
from r1kit.pipeline.checks import data_sources, mistakes_in
from r1kit.pipeline.fingerprint import fingerprint
from r1kit.pipeline.references import Made, outputs_of, resolve


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
        """The plan as text, a line a stage: id, kind, what it works on and what it needs."""
        width = max(len(stage.id) for stage in self.stages)
        lines = [f"{self.name}: {len(self.stages)} stages, in {self.output}"]
        lines += [f"  {line}" for line in textwrap.wrap(self.notes, 100)]
        for number, stage in enumerate(self.stages, start=1):
            material = self._material(stage)
            on = f" on {', '.join(material)}" if material else ""
            needs = f" needs {', '.join(stage.needs)}" if stage.needs else ""
            lines.append(f"{number:3d}. {stage.id:{width}}  {stage.stage:14s}{on}{needs}".rstrip())
        return "\n".join(lines)

    def _material(self, stage: PlannedStage) -> list[str]:
        """The benchmarks and the data of a stage; a file that another stage writes as a reference to it."""
        tasks = stage.config.tasks if isinstance(stage.config, EvalConfig) else ()
        data = [self._data_name(source.path) for source in data_sources(stage.config)]
        return [*(task.name for task in tasks), *dict.fromkeys(data)]

    def _data_name(self, path: str) -> str:
        makers = [stage.id for stage in self.stages if stage.config.output in Path(path).parents]
        return f"@{makers[0]}.data" if makers else path


def plan_pipeline(config: PipelineConfig, source: str) -> Plan:
    """Check every stage of `config`, read from `source`, and put it in order.

    Raises:
        ConfigError: one line for each mistake in any stage: unknown or wrong fields, references to nothing,
            two stages of one id, defaults for an unknown kind, unknown rewards and benchmarks, files and
            folders that do not exist.
    """
    mistakes = [
        f"{source}: defaults.{kind}: unknown stage; one of: {', '.join(STAGES)}"
        for kind in config.defaults
        if kind not in STAGES
    ]
    planned: dict[str, PlannedStage] = {}
    made: dict[str, Made] = {}
    for number, stage in enumerate(config.stages, start=1):
        folder = config.output / "stages" / f"{number:02d}-{stage.id}"
        if stage.id in made:
            mistakes.append(f'{source}: stages.{number - 1}.id: "{stage.id}" is used twice; ids are unique')
            continue
        try:
            planned[stage.id] = _plan_stage(config, stage, folder, made, planned, source)
        except ConfigError as error:
            mistakes += str(error).splitlines()
        made[stage.id] = Made(stage.stage, folder, outputs_of(stage.stage, _merged_fields(config, stage)))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return Plan(config.name, config.output, tuple(planned.values()), config.notes)


def _plan_stage(
    config: PipelineConfig,
    stage: PipelineStage,
    folder: Path,
    made: Mapping[str, Made],
    planned: Mapping[str, PlannedStage],
    source: str,
) -> PlannedStage:
    where = f"{source}: stage {stage.id}"
    try:
        fields, needs = resolve(_merged_fields(config, stage), made)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
    seed = derive_seed(config.seed, stage.id) % 2**31
    values = {"seed": seed, **fields, "output": str(folder)}
    checked = validate(STAGES[stage.stage], values, source=where)
    mistakes = mistakes_in(checked, made=[earlier.folder for earlier in made.values()])
    if mistakes:
        raise ConfigError("\n".join(f"{where}: {mistake}" for mistake in mistakes))
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
