"""JSON and JSONL as r1kit reads and writes them: UTF-8, one object a line, always valid JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from r1kit.core.errors import DataError


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each object of the file with its line number, counted from 1. Blank lines are skipped.

    Raises:
        DataError: the file cannot be opened, or a line is not UTF-8, not JSON or not an object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _parse_line(line, f"{path}:{number}")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def dump_line(value: Any) -> str:
    """`value` as JSON on one line, without the newline.

    JSON has no word for numbers that are not finite, so they become the strings "NaN", "Infinity" and
    "-Infinity", which `float()` reads back. Paths become strings.

    Raises:
        TypeError: `value` holds something that JSON cannot, such as a set.
    """
    return _dump(value, indent=None)


def append_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the rows behind the file's last line; a reader sees them when this returns."""
    lines = "".join(dump_line(row) + "\n" for row in rows)
    with path.open("ab") as file:
        file.write(lines.encode())


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Writes the rows as a whole file, or leaves the file as it was; returns how many there are."""
    lines = [dump_line(row) + "\n" for row in rows]
    write_text(path, "".join(lines))
    return len(lines)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes an indented JSON file as a whole, or leaves the file as it was; numbers as in `dump_line`."""
    write_text(path, _dump(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file so that a kill at any moment leaves the old file or the new one, never a part."""
    temporary = temporary_path(path)
    with temporary.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def temporary_path(path: Path) -> Path:
    """Where `write_text` collects a file before it takes its name."""
    return path.with_name(f".{path.name}.tmp")


def _parse_line(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line.rstrip().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 text (byte {error.start + 1} of the line)") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{place}: not JSON: {error.msg} at column {error.colno}; each line must be one JSON object"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: JSON that cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{place}: a JSON {type(value).__name__}; each line must be one JSON object")
    return value


def _dump(value: Any, indent: int | None) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    # Half of a surrogate pair has no UTF-8 form, but has one as an escape.
    return text if _is_encodable(text) else json.dumps(_plain(value), allow_nan=False, indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
