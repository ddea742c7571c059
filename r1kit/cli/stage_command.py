"""What the commands of all stages share: flags from the schema, --config, --dry-run and --json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from r1kit.cli.configure import configure
from r1kit.cli.flags import flags_of
from r1kit.cli.show import print_config, print_summary
from r1kit.cli.signature import command_function
from r1kit.config.load import load_yaml
from r1kit.config.schema import FieldPath
from r1kit.config.stages import STAGES
from r1kit.pipeline.dispatch import RunStage, run_stage

Prepare = Callable[[dict[str, Any], str | None, Mapping[FieldPath, Any]], dict[str, Any]]
"""(values of the file, the command's argument, the given flags) -> the values the flags are put on."""

_CONFIG: Final = typer.Option("--config", metavar="", help="YAML file with any of these fields; flags win.")
_DRY_RUN: Final = typer.Option("--dry-run", metavar="", help="Print the resolved configuration and stop.")
_JSON: Final = typer.Option("--json", metavar="", help="Print the result as JSON instead of a table.")


def stage_command(
    stage: str,
    argument: Any = None,
    prepare: Prepare | None = None,
    run: RunStage = run_stage,
) -> Callable[..., None]:
    """The function behind the command of the stage with this name.

    `run` is what a pipeline calls too, so that a command and a stage cannot differ. A command with an argument
    of its own (eval's TASK) gives its typer annotation and a function that puts the argument's value among the
    file's values.
    """
    schema = STAGES[stage]
    flags = flags_of(schema)

    def body(given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
        file = Path(own["config"]) if own["config"] else None
        values = load_yaml(file) if file else {}
        if prepare is not None:
            values = prepare(values, own["argument"], given)
        config = configure(schema, flags, values, given, file)
        if own["dry_run"]:
            print_config(config, as_json=bool(own["json"]))
        else:
            print_summary(run(stage, config), as_json=bool(own["json"]))

    own: dict[str, Any] = {"argument": argument} if argument is not None else {}
    own["config"] = Annotated[str | None, _CONFIG]
    own["dry_run"] = Annotated[bool | None, _DRY_RUN]
    own["json"] = Annotated[bool | None, _JSON]
    return command_function(flags, own, body)
