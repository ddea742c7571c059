"""`r1kit eval TASK`: benchmarks, by name or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from r1kit.cli.flags import TASK
from r1kit.cli.stage_command import stage_command
from r1kit.config.schema import FieldPath
from r1kit.core.errors import ConfigError

HELP = "Evaluate on a benchmark: pass@1 with its standard error, pass@k, cons@k."

_TASK_HELP = (
    "aime, math500, gsm8k, humaneval, mbpp, livecodebench, arithmetic; or any name, together with --data. "
    "May be left out when --config names the tasks."
)


def choose_task(values: dict[str, Any], task: str | None, given: Mapping[FieldPath, Any]) -> dict[str, Any]:
    """The file's values with the task of the command line: the file's task of that name, or a new one.

    Raises ConfigError where a task's flag is given and it is not clear which task it is for.
    """
    tasks = [{"name": entry} if isinstance(entry, str) else entry for entry in _listed(values.get("tasks"))]
    if task is not None:
        named = [entry for entry in tasks if isinstance(entry, dict) and entry.get("name") == task]
        return {**values, "tasks": named[:1] or [{"name": task}]}
    if any(path[: len(TASK)] == TASK for path in given):
        if len(tasks) != 1:
            what = f"the file names {len(tasks)} tasks" if tasks else "there is none"
            raise ConfigError(
                f"TASK: missing; --data, --limit and the like need to know which task, and {what}"
            )
        return {**values, "tasks": tasks}
    return values


def _listed(tasks: Any) -> list[Any]:
    return tasks if isinstance(tasks, list) else []


command = stage_command(
    "eval",
    argument=Annotated[str | None, typer.Argument(metavar="TASK", help=_TASK_HELP, show_default=False)],
    prepare=choose_task,
)
