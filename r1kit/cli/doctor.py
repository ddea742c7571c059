"""`r1kit doctor`: what this machine has for r1kit, and what is to be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1kit.cli.signature import command_function
from r1kit.config.schema import FieldPath
from r1kit.core.errors import EnvironmentError_, SandboxError
from r1kit.core.jsonl import dump_line

if TYPE_CHECKING:
    from r1kit.cli.doctor_checks import Check

HELP = "What this machine has for r1kit: libraries, memory, GPUs, 4-bit weights, the sandbox."

_STYLES: Final = {"ok": "green", "absent": "dim", "broken": "bold red"}


def doctor(_given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
    """Print what was found.

    Raises:
        EnvironmentError_: something that a run needs is broken; a line for each.
        SandboxError: all is well, but for a sandbox that suffices.
    """
    from r1kit.cli.doctor_checks import examine

    checks = list(examine())
    if own["json"]:
        print(dump_line({"checks": [asdict(check) for check in checks]}))
    else:
        print_checks(checks)
    raise_what_is_broken(checks)


def print_checks(checks: Sequence[Check]) -> None:
    """Print a row a check; the area stands at its first row."""
    table = Table("", "", "", "", box=None, pad_edge=False, show_header=False)
    area = ""
    for check in checks:
        state = Text(check.state, style=_STYLES[check.state])
        table.add_row("" if check.area == area else check.area, check.name, state, Text(check.detail))
        area = check.area
    Console(highlight=False, markup=False).print(table)


def raise_what_is_broken(checks: Sequence[Check]) -> None:
    """Nothing when nothing is; else as `doctor` does."""
    broken = [check for check in checks if check.state == "broken"]
    if not broken:
        return
    lines = "\n".join(f"{check.area} {check.name}: {check.detail}" for check in broken)
    if all(check.area == "sandbox" for check in broken):
        raise SandboxError(lines)
    raise EnvironmentError_(lines)


_JSON: Final = typer.Option("--json", metavar="", help="Print the result as JSON instead of a table.")

command = command_function([], {"json": Annotated[bool | None, _JSON]}, doctor)
