"""What a command prints on stdout: a configuration as YAML or a summary as a table, or either as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from r1kit.cli.pipeline_table import print_pipeline
from r1kit.config.load import dump, to_yaml
from r1kit.config.section import Section


def print_config(config: Section, as_json: bool) -> None:
    """Print the whole configuration in a form that `--config` reads back."""
    values = dump(config)
    print(_json(values) if as_json else to_yaml(values).rstrip())


def print_summary(summary: Mapping[str, Any], as_json: bool) -> None:
    """Print the summary of a run: all of it as JSON, or its numbers as a table, stages row by row."""
    if as_json:
        print(_json(summary))
        return
    stages = summary.get("stages")
    if isinstance(stages, Sequence):
        print_pipeline(stages)
        return
    numbers = list(numeric_rows(summary.get("metrics", summary)))
    if numbers:
        Console(highlight=False).print(_table(("metric", "value"), numbers))


def numeric_rows(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(name, text) of each number, names of nested mappings joined with `/`; the rest is left to the files."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from numeric_rows(value, f"{prefix}{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _json(values: Any) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, default=str)
