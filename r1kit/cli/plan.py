"""`r1kit plan`: what a run needs of memory, and the largest sizes that fit, from the model's config alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from r1kit.cli.configure import configure
from r1kit.cli.flags import Flag, flags_of
from r1kit.cli.show import print_config
from r1kit.cli.signature import command_function
from r1kit.config.load import load_yaml
from r1kit.config.schema import FieldPath
from r1kit.config.stage import StageConfig
from r1kit.config.stages import STAGES, rewards_of
from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean
from r1kit.rewards.compose import build_scorer

if TYPE_CHECKING:
    from r1kit.training.memory import MemoryPlan

HELP = "What a run needs of memory, and the largest sizes that fit, from the model's config alone."

_STAGES: Final = ("grpo", "sft", "reward-model", "ppo", "reject-sample", "eval")
_SECTIONS: Final = ("model", "memory", "engine", "batching")
_FIELDS: Final[frozenset[FieldPath]] = frozenset(
    {
        ("max_length",),
        ("batch_size",),
        ("num_samples",),
        ("data", "max_prompt_tokens"),
        ("sampling", "max_new_tokens"),
        ("algorithm", "group_size"),
        ("algorithm", "problems_per_step"),
        ("algorithm", "beta"),
        ("algorithm", "value_network"),
        ("rewards",),
        ("held_out", "data", "path"),
        ("held_out", "data", "max_prompt_tokens"),
        ("held_out", "num_samples"),
    }
)
"""What memory depends on, beside these sections."""


def _flags() -> list[Flag]:
    """The flags of all stages that memory depends on, each once; everyday ones first."""
    found: dict[FieldPath, Flag] = {}
    for stage in _STAGES:
        for flag in flags_of(STAGES[stage]):
            matters = flag.path[0] in _SECTIONS or flag.path in _FIELDS
            if matters and flag.path != ("model", "chat_template"):
                found.setdefault(flag.path, flag)
    return list(found.values())


_FLAGS: Final = _flags()


def plan(given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
    """Print the plan of a stage, or the table; exit with 1 when the run does not fit."""
    if own["table"]:
        from r1kit.training.memory.table import markdown_table

        print(markdown_table())
        return
    stage = own["stage"] or "grpo"
    config = stage_config(stage, Path(own["config"]) if own["config"] else None, given)
    if own["dry_run"]:
        print_config(config, as_json=bool(own["json"]))
        return
    made, advice = make_plan(stage, config)
    print(json.dumps({**asdict(made), "advice": advice}, indent=2)) if own["json"] else print_plan(
        made, advice
    )
    raise typer.Exit(0 if made.fits else 1)


def stage_config(stage: str, file: Path | None, given: Mapping[FieldPath, Any]) -> StageConfig:
    """The configuration of a stage from a file and flags; what memory does not depend on need not be there.

    Raises ConfigError with a line for each mistake.
    """
    if stage not in _STAGES:
        near = did_you_mean(stage, _STAGES) or f"; stages: {', '.join(_STAGES)}"
        raise ConfigError(f"--stage: no stage {stage!r} to plan for{near}")
    flags = flags_of(STAGES[stage])
    # On a command line an evaluation's prompts belong to its task, which a plan does not need to know.
    paths = {flag.path for flag in flags} | ({("data", "max_prompt_tokens")} if stage == "eval" else set())
    foreign = [flag.names[0] for flag in _FLAGS if flag.path in given and flag.path not in paths]
    if foreign:
        raise ConfigError("\n".join(f"{name}: {stage} has no such setting; leave it out" for name in foreign))
    values = load_yaml(file) if file else {}
    values.setdefault("output", "runs/plan")
    given = dict(given)
    if stage != "eval":
        values.setdefault("data", {"path": "unread"})
    elif "tasks" not in values:
        data = {"path": "unread", "max_prompt_tokens": given.pop(("data", "max_prompt_tokens"), None)}
        values["tasks"] = [{"name": "plan", "data": data}]
    config = configure(STAGES[stage], flags, values, given, file)
    # A reward whose options are wrong is one here too, although a plan only counts reward models.
    build_scorer(rewards_of(config), default_max_tokens=1)
    return config


def make_plan(stage: str, config: StageConfig) -> tuple[MemoryPlan, str]:
    """The plan of `config`, and what would make it fit where it does not.

    With `memory.vram` it is for a CUDA card of that size unless the device is named, else for this machine.
    """
    from r1kit.models.device import resolve_device
    from r1kit.models.shapes import find_shapes
    from r1kit.training.memory import plan_memory
    from r1kit.training.memory.advice import advice
    from r1kit.training.memory.available import memory_for
    from r1kit.training.memory.sizes import with_adapter

    shapes = find_shapes(config.model.path, config.model.revision)
    config = with_adapter(config)
    vram, device = config.memory.vram_bytes, config.model.device.partition(":")[0]
    if vram is None:
        found = resolve_device(config.model.device)
        vram, device = memory_for(config.memory, found), found.type
    elif device == "auto":
        device = "cuda"
    made = plan_memory(shapes, config, vram, device=device, stage=stage)
    return made, advice(made, shapes, config, device)


def print_plan(made: MemoryPlan, advice: str) -> None:
    """Print a table by part, the sizes and the verdict."""
    console = Console(highlight=False, markup=False)
    console.print(_parts(made))
    for line in _sizes(made):
        console.print(line, soft_wrap=True)
    verdict = "fits" if made.fits else f"does not fit: {advice}"
    console.print(f"{made.stage} on {made.model} {verdict}", soft_wrap=True)


def _parts(made: MemoryPlan) -> Table:
    table = Table("part", box=None, pad_edge=False)
    table.add_column("MiB", justify="right")
    table.add_column("when")
    for when, parts in (("always", made.static), ("rollout", made.rollout), ("update", made.update)):
        for name, size in parts.items():
            table.add_row(name, _mib(size), when)
    table.add_row("margin", _mib(made.margin), "always")
    table.add_row("total", _mib(made.total), f"of {_mib(made.vram)}")
    return table


def _sizes(made: MemoryPlan) -> list[str]:
    lines = []
    if made.rollout and made.update:
        lines.append("rollout and update take turns: the larger of them counts")
    if made.micro_batch_tokens is not None:
        lines.append(
            f"micro-batch: {made.micro_batch_tokens:,} tokens, at most {made.largest_micro_batch:,} fit"
        )
    if made.kv_tokens is not None:
        lines.append(
            f"keys and values: {made.kv_tokens:,} tokens, at most {made.largest_kv:,} fit; all rows at full length "
            f"need {made.wanted_kv_tokens:,}"
        )
    lines.append(f"longest text: {made.text_tokens:,} tokens, at most {made.context:,} fit")
    if made.assumed_prompt is not None:
        lines.append(
            f"prompts are taken to have at most {made.assumed_prompt} tokens; --data.max-prompt-tokens says otherwise"
        )
    if made.note:
        lines.append(made.note)
    return lines


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}"


_CONFIG: Final = typer.Option("--config", metavar="", help="YAML file with any of these fields; flags win.")
_STAGE: Final = typer.Option("--stage", metavar="", help=f"{', '.join(_STAGES)}; grpo without it.")
_TABLE: Final = typer.Option("--table", metavar="", help="Print what fits cards of 8 to 24 GB, and stop.")
_DRY_RUN: Final = typer.Option("--dry-run", metavar="", help="Print the resolved configuration and stop.")
_JSON: Final = typer.Option("--json", metavar="", help="Print the result as JSON instead of a table.")

command = command_function(
    _FLAGS,
    {
        "stage": Annotated[str | None, _STAGE],
        "config": Annotated[str | None, _CONFIG],
        "table": Annotated[bool | None, _TABLE],
        "dry_run": Annotated[bool | None, _DRY_RUN],
        "json": Annotated[bool | None, _JSON],
    },
    plan,
)
