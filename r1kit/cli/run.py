"""`r1kit run FILE.yaml`: a whole pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from r1kit.cli.configure import configure
from r1kit.cli.flags import flags_of
from r1kit.cli.show import print_summary
from r1kit.cli.signature import command_function
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.pipeline_file import load_pipeline
from r1kit.config.schema import FieldPath
from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean

HELP = "Run a pipeline of stages; finished stages are skipped when it is run again."

_HELP_OF: Final[Mapping[FieldPath, str]] = {
    ("model",): "Take this model instead of the file's; how it is loaded stays.",
    ("output",): "Write to this folder instead of the file's.",
    ("seed",): "Use this seed instead of the file's.",
}
_FLAGS: Final = [
    replace(flag, help=_HELP_OF[flag.path]) for flag in flags_of(PipelineConfig) if flag.path in _HELP_OF
]

_FILE: Final = typer.Argument(metavar="FILE", help="Pipeline file (YAML).", show_default=False)
_FORCE: Final = typer.Option(
    "--force", metavar="", help="Run this stage (its id) again though it is finished; repeatable."
)
_DRY_RUN: Final = typer.Option("--dry-run", metavar="", help="Print the plan, every stage checked, and stop.")
_JSON: Final = typer.Option("--json", metavar="", help="Print the summary as JSON instead of a table.")


def run(given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
    """Plan the file with the given flags on top, then run the plan or print it."""
    from r1kit.pipeline.plan import plan_pipeline
    from r1kit.pipeline.runner import run_pipeline

    config = read_pipeline(Path(own["file"]), given)
    force = list(own["force"] or ())
    check_stage_ids(force, config)
    plan = plan_pipeline(config, str(own["file"]))
    if own["dry_run"]:
        print(plan.render())
    else:
        print_summary(run_pipeline(plan, force), as_json=bool(own["json"]))


def read_pipeline(file: Path, given: dict[FieldPath, Any]) -> PipelineConfig:
    """The pipeline of a file with the given flags on top; its stages' own fields are checked by the plan."""
    values = load_pipeline(file)
    model = values.get("model")
    if isinstance(model, dict) and ("model",) in given:
        # --model changes which model, not how it is loaded; a revision belongs to the file's model alone
        given = {("model", "path") if path == ("model",) else path: value for path, value in given.items()}
        if "revision" in model:
            given["model", "revision"] = None
    return configure(PipelineConfig, _FLAGS, values, given, file)


def check_stage_ids(names: Sequence[str], config: PipelineConfig) -> None:
    """Raises ConfigError with a line for each name that is no stage of the pipeline."""
    known = [stage.id for stage in config.stages]
    unknown = [name for name in names if name not in known]
    if unknown:
        of = f"; stages: {', '.join(known)}"
        raise ConfigError(
            "\n".join(
                f"--force: no stage {name!r} in this pipeline{did_you_mean(name, known) or of}"
                for name in unknown
            )
        )


command = command_function(
    _FLAGS,
    {
        "file": Annotated[str, _FILE],
        "force": Annotated[list[str] | None, _FORCE],
        "dry_run": Annotated[bool | None, _DRY_RUN],
        "json": Annotated[bool | None, _JSON],
    },
    run,
)
