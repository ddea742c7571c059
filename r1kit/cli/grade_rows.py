"""The rows that `r1kit grade` reads from a file or a pipe, and the lines it prints for them."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Generic, TypeAlias, TypeVar

import typer

from r1kit.core.errors import DataError
from r1kit.core.jsonl import dump_line

T = TypeVar("T")

Field: TypeAlias = tuple[str, Callable[[object], bool], str]
"""What a row holds: its name, whether a value will do (None when it is missing), and what it must be."""

EXPECTED: Final[Field] = (
    "expected",
    lambda value: value is None or isinstance(value, bool),
    "true or false",
)
"""What the verdict should be; a row need not say it."""


@dataclass(slots=True)
class Rows(Generic[T]):
    """The rows of a file ("-": of stdin), each as soon as its line is there, as `read` makes them of line and place.

    A row that cannot be read ends them. Its error waits in `error`, so that what came before is judged and
    printed first, wherever the rows are read. `unanswered` holds those that were given out.
    """

    file: str
    read: Callable[[bytes, str], T]
    error: DataError | None = None
    unanswered: deque[T] = field(default_factory=deque)

    def __iter__(self) -> Iterator[T]:
        name = "stdin" if self.file == "-" else self.file
        try:
            with self._open() as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        row = self.read(line, f"{name}:{number}")
                        self.unanswered.append(row)
                        yield row
        except OSError as error:
            self.error = DataError(f"{name}: cannot be read: {error.strerror or error}")
        except DataError as error:
            self.error = error

    def _open(self) -> BinaryIO:
        # stdin twice over, since Python cannot end while a thread waits for more of its own
        return os.fdopen(os.dup(0), "rb") if self.file == "-" else Path(self.file).expanduser().open("rb")


def read_row(line: bytes, place: str, fields: Sequence[Field], needed: str) -> dict[str, Any]:
    """The object on a line, its fields checked; `needed` names them in words.

    Raises:
        DataError: it is not UTF-8, not JSON, lacks a field or has one of another type.
    """
    row = _read_object(line, place)
    for name, is_right, wanted in fields:
        if not is_right(row.get(name)):
            wrong = f"is not {wanted}" if name in row else f"is missing; each line needs {needed}"
            raise DataError(f'{place}: field "{name}" {wrong}')
    return row


def labels_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row is printed again."""
    return {"id": row["id"]} if "id" in row else {}


def _read_object(line: bytes, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 text (byte {error.start + 1} of the line)") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: JSON that cannot be read: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: a JSON {type(row).__name__}; each line must be one JSON object")
    return row


def print_row(row: Mapping[str, Any]) -> None:
    """Print a row on stdout at once, for a reader that waits for it."""
    if sys.stdout is None:
        raise typer.Exit(1)
    # as bytes: JSON is UTF-8 whatever the terminal's encoding
    sys.stdout.buffer.write(f"{dump_line(row)}\n".encode())
    sys.stdout.flush()


class Agreement:
    """How often what was found is what the row expects, where it says so."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[bool, bool]] = Counter()

    def add(self, expected: bool | None, found: bool) -> None:
        """One more."""
        if expected is not None:
            self._counts[expected, found] += 1

    def lines(self) -> Iterator[str]:
        """Accuracy and errors of both kinds, or nothing where no row has said anything."""
        if labelled := self._counts.total():
            right = self._counts[True, True] + self._counts[False, False]
            yield (
                f"{labelled} labelled: accuracy {right / labelled:.4f}, {self._counts[False, True]} false "
                f"positives, {self._counts[True, False]} false negatives"
            )
