"""Rows of a JSONL file or a hub data set, each with the place to name when something is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from r1kit.config.data import DataSource
from r1kit.core.errors import DataError
from r1kit.core.jsonl import read_jsonl
from r1kit.core.nearest import nearest
from r1kit.tasks.hub import read_hub

_HUB_ID: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILE_SUFFIXES: Final = (
    ".jsonl",
    ".json",
    ".ndjson",
    ".txt",
    ".csv",
    ".tsv",
    ".parquet",
    ".gz",
    ".zst",
    ".yaml",
)
_READABLE_SUFFIXES: Final = ("", ".jsonl", ".json", ".ndjson", ".txt")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a data source.

    `place` names it in errors (`data/x.jsonl:41`); `name` is its id when it brings none (`x/41`).
    """

    values: Mapping[str, Any]
    place: str
    name: str


def read_rows(source: DataSource) -> Iterator[Row]:
    """The first `source.limit` rows of the source, all of them without a limit.

    Raises:
        DataError: the source does not exist, cannot be read, or has no rows.
        EnvironmentError_: the hub cannot be reached.
    """
    rows = _file_rows(Path(source.path).expanduser()) if names_a_file(source.path) else _hub_rows(source)
    is_empty = True
    for row in islice(rows, source.limit):
        is_empty = False
        yield row
    if is_empty:
        raise DataError(f"{source.path} is empty; it needs at least one row")


def names_a_file(path: str) -> bool:
    """Whether a data path means a file here, and not a data set on the hub."""
    local = Path(path).expanduser()
    return (
        path.startswith((".", "/", "~"))
        or local.suffix.lower() in _FILE_SUFFIXES
        or local.exists()
        or _HUB_ID.fullmatch(path) is None
    )


def _file_rows(path: Path) -> Iterator[Row]:
    _check_file(path)
    for number, values in read_jsonl(path):
        yield Row(values, place=f"{path}:{number}", name=f"{path.stem}/{number}")


def _hub_rows(source: DataSource) -> Iterator[Row]:
    short_name = "/".join(filter(None, (source.path.rpartition("/")[2], source.subset, source.split)))
    for number, values in enumerate(read_hub(source)):
        yield Row(values, place=f"{source.path} ({source.split}) row {number}", name=f"{short_name}/{number}")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a JSONL file{_listed(_jsonl_names(path))}")
    if not path.exists():
        raise DataError(f"{path}: no such file{_neighbours(path)}")
    if path.suffix.lower() not in _READABLE_SUFFIXES:
        raise DataError(f"{path}: {path.suffix} files are not read; write one JSON object a line (.jsonl)")


def _neighbours(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"; folder {folder} does not exist"
    # Stems are compared, since every name is like another by its suffix.
    names = {entry.stem: entry.name for entry in folder.iterdir() if entry.is_file()}
    match = nearest(path.stem, names)
    return (
        f"; did you mean {names[match]}?"
        if match
        else _listed(_jsonl_names(folder), before="; the folder holds ")
    )


def _jsonl_names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.glob("*.jsonl"))


def _listed(names: Iterable[str], before: str = " in it: ") -> str:
    first = list(islice(names, 6))
    return before + ", ".join(first[:5]) + (", ..." if len(first) > 5 else "") if first else ""
