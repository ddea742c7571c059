"""What can be checked of a stage before anything runs: rewards, benchmarks, and the files it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from r1kit.config.data import DataSource, ProblemData
from r1kit.config.model import ModelConfig, means_a_folder
from r1kit.config.rewards import REWARD_MODEL
from r1kit.config.rl import RlConfig
from r1kit.config.stage import StageConfig
from r1kit.config.stages import EvalConfig, RejectSampleConfig, rewards_of
from r1kit.core.errors import ConfigError
from r1kit.core.problem import ProblemKind
from r1kit.rewards.compose import build_scorer
from r1kit.sandbox import open_sandbox
from r1kit.tasks.benchmarks import BENCHMARKS, find_benchmark
from r1kit.tasks.rows import names_a_file, read_rows

_TEMPLATE_NAMES: Final = ("auto", "own", "r1", "r1_zero")


def mistakes_in(config: StageConfig, made: Sequence[Path]) -> list[str]:
    """What is wrong with a stage though its fields fit the schema.

    `made` holds the folders of earlier stages: what lies in them need not exist yet. Raises SandboxError when the stage
    runs code and no sandbox holds.
    """
    _check_sandbox(config)
    return [
        *_reward_mistakes(config, made),
        *_task_mistakes(config),
        *_model_mistakes(config.model, made),
        *_data_mistakes(config, made),
    ]


def data_sources(section: BaseModel) -> Iterator[DataSource]:
    """Every data source anywhere in a configuration."""
    for value in dict(section).values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, DataSource):
                yield item
            if isinstance(item, BaseModel):
                yield from data_sources(item)


def _check_sandbox(config: StageConfig) -> None:
    """Raises SandboxError when what a stage names says that code is run, and no sandbox holds."""
    if not isinstance(config, RlConfig | RejectSampleConfig | EvalConfig):
        return
    known = [BENCHMARKS[task.name].data for task in getattr(config, "tasks", ()) if task.name in BENCHMARKS]
    kinds = [source.kind for source in (*data_sources(config), *known) if isinstance(source, ProblemData)]
    if "code" in kinds:
        open_sandbox(unsafe=config.sandbox.unsafe)


def _reward_mistakes(config: StageConfig, made: Sequence[Path]) -> Iterator[str]:
    if not isinstance(config, RlConfig | RejectSampleConfig | EvalConfig):
        return
    max_tokens = config.sampling.max_new_tokens
    try:
        scorer = build_scorer(rewards_of(config), default_max_tokens=max_tokens, sandbox=config.sandbox)
        scorer.check_models(lambda path: path.name == REWARD_MODEL and _is_made(path, made))
        if isinstance(config, RlConfig):
            scorer.check_kinds(_kinds_in(config.data, *config.more_data))
    except ConfigError as error:
        yield f"rewards: {error}"


def _kinds_in(*sources: ProblemData) -> list[ProblemKind]:
    """The kinds of problems as far as they can be known now: what the rows of files say, and what is set of others."""
    kinds: dict[str, None] = {}
    for source in sources:
        if names_a_file(source.path):
            if Path(source.path).is_file():
                rows = (row.values.get(source.columns.kind) or source.kind for row in read_rows(source))
                kinds |= dict.fromkeys(str(kind) for kind in rows)
        elif "kind" in source.model_fields_set:
            kinds[source.kind] = None
    return [ProblemKind(kind) for kind in kinds if kind in set(ProblemKind)]


def _task_mistakes(config: StageConfig) -> Iterator[str]:
    for task in config.tasks if isinstance(config, EvalConfig) else ():
        try:
            if task.data is None:
                find_benchmark(task.name)
        except ConfigError as error:
            yield f"tasks: {error}"


def _model_mistakes(model: ModelConfig, made: Sequence[Path]) -> Iterator[str]:
    path = Path(model.path)
    if means_a_folder(model.path) and not path.is_dir() and not _is_made(path, made):
        yield f"model.path {model.path}: no such folder"
    adapter = model.adapter
    if (
        adapter is not None
        and not _is_made(adapter, made)
        and not (adapter / "adapter_config.json").is_file()
    ):
        reason = (
            "not an adapter folder, adapter_config.json is missing" if adapter.is_dir() else "no such folder"
        )
        yield f"model.adapter {adapter}: {reason}"
    template = Path(model.chat_template)
    if model.chat_template not in _TEMPLATE_NAMES and not template.is_file() and not _is_made(template, made):
        names = ", ".join(_TEMPLATE_NAMES)
        yield f"model.chat_template {template}: no such file; use one of {names}, or a Jinja file"


def _data_mistakes(config: StageConfig, made: Sequence[Path]) -> Iterator[str]:
    for source in data_sources(config):
        path = Path(source.path)
        if names_a_file(source.path) and not path.is_file() and not _is_made(path, made):
            reason = (
                "is a folder; name a JSONL file in it" if path.is_dir() else "does not exist; check the path"
            )
            yield f"data file {source.path} {reason}"


def _is_made(path: Path, made: Sequence[Path]) -> bool:
    return any(folder in path.parents for folder in made)
