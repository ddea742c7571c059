"""`r1kit grade`: answers judged as they arrive on a pipe, or the golds of a problem set audited."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1kit.cli.configure import configure
from r1kit.cli.flags import flags_of
from r1kit.cli.signature import command_function
from r1kit.config.data import ProblemColumns, ProblemData
from r1kit.config.schema import FieldPath
from r1kit.config.section import Section
from r1kit.core.errors import ConfigError, DataError
from r1kit.core.jsonl import dump_line
from r1kit.core.rollout import Verdict

if TYPE_CHECKING:
    from r1kit.core.problem import Problem
    from r1kit.rewards.math import CheckResult
    from r1kit.rewards.math.audit import Audit, Finding

HELP = "Judge answers against their golds, line by line; or audit the golds of a problem set."

_MOST_WORKERS: Final = 4
_NOT_JUDGED: Final = (Verdict.UNPARSABLE, Verdict.TIMED_OUT)


class AuditConfig(Section):
    """What an audit reads."""

    data: ProblemData
    """A problem set, read as for training."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A row: what is asked for, what was answered, and what it says of itself."""

    gold: str | list[str]
    pred: str
    labels: Mapping[str, Any]
    expected: bool | None


@dataclass(slots=True)
class Answers:
    """The rows of a file ("-": of stdin), each as soon as its line is there.

    A row that cannot be read ends them. Its error waits in `error`, so that what came before is judged and
    printed first, wherever the rows are read.
    """

    file: str
    error: DataError | None = None
    unanswered: deque[Answer] = field(default_factory=deque)

    def __iter__(self) -> Iterator[tuple[str | list[str], str]]:
        name = "stdin" if self.file == "-" else self.file
        try:
            with self._open() as lines:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        answer = read_answer(line, f"{name}:{number}")
                        self.unanswered.append(answer)
                        yield answer.gold, answer.pred
        except OSError as error:
            self.error = DataError(f"{name}: cannot be read: {error.strerror or error}")
        except DataError as error:
            self.error = error

    def _open(self) -> BinaryIO:
        # stdin twice over, since Python cannot end while a thread waits for more of its own
        return os.fdopen(os.dup(0), "rb") if self.file == "-" else Path(self.file).expanduser().open("rb")


def read_answer(line: bytes, place: str) -> Answer:
    """The row on a line.

    Raises:
        DataError: it is not UTF-8, not JSON, lacks a field or has one of another type.
    """
    row = _read_object(line, place)
    for name, is_right, wanted in _FIELDS:
        if not is_right(row.get(name)):
            wrong = f"is not {wanted}" if name in row else "is missing; each line needs gold and pred"
            raise DataError(f'{place}: field "{name}" {wrong}')
    labels = {"id": row["id"]} if "id" in row else {}
    return Answer(row["gold"], row["pred"], labels, row.get("expected"))


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


def _is_gold(value: object) -> bool:
    golds = value if isinstance(value, list) else [value]
    return bool(golds) and all(isinstance(gold, str) for gold in golds)


_FIELDS: Final[Sequence[tuple[str, Callable[[object], bool], str]]] = (
    ("gold", _is_gold, "a string or a list of strings"),
    ("pred", lambda value: isinstance(value, str), "a string"),
    ("expected", lambda value: value is None or isinstance(value, bool), "true or false"),
)
"""What a row holds: (name, test, what it must be)."""


class Tally:
    """Counts what was judged, for the end."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._verdicts: Counter[Verdict] = Counter()
        self._labelled: Counter[tuple[bool, bool]] = Counter()

    def add(self, answer: Answer, result: CheckResult) -> None:
        """One more."""
        self._verdicts[result.verdict] += 1
        if answer.expected is not None:
            self._labelled[answer.expected, result.correct] += 1

    def lines(self) -> Iterator[str]:
        """The counts and the rate; with labels the agreement too."""
        total = self._verdicts.total()
        counts = ", ".join(f"{self._verdicts[verdict]} {verdict}" for verdict in Verdict)
        not_judged = sum(self._verdicts[verdict] for verdict in _NOT_JUDGED)
        rate = total / max(time.monotonic() - self._started, 1e-9)
        yield f"{total} answers: {counts}; {not_judged} could not be judged; {rate:,.0f} checks/s"
        if labelled := self._labelled.total():
            right = self._labelled[True, True] + self._labelled[False, False]
            yield (
                f"{labelled} labelled: accuracy {right / labelled:.4f}, {self._labelled[False, True]} false "
                f"positives, {self._labelled[True, False]} false negatives"
            )


def grade(file: str, num_workers: int, marked_only: bool) -> None:
    """Judge each row of a file or of stdin ("-") and print its verdict at once; the counts go to stderr at the end.

    Raises:
        DataError: a row cannot be read; those before it were judged and printed.
        EnvironmentError_: no worker can be started.
    """
    from r1kit.rewards.math import check_many

    answers, tally = Answers(file), Tally()
    for result in check_many(answers, num_workers=num_workers, marked_only=marked_only):
        answer = answers.unanswered.popleft()
        tally.add(answer, result)
        _print_result(answer, result)
    if answers.error is not None:
        raise answers.error
    for line in tally.lines():
        print(line, file=sys.stderr)


def _print_result(answer: Answer, result: CheckResult) -> None:
    verdict = {"correct": result.correct, "verdict": result.verdict, "extracted": result.extracted}
    if sys.stdout is None:
        raise typer.Exit(1)
    # as bytes: JSON is UTF-8 whatever the terminal's encoding
    sys.stdout.buffer.write(f"{dump_line({**answer.labels, **verdict})}\n".encode())
    sys.stdout.flush()


def _read_problems(data: ProblemData) -> tuple[list[Problem], list[Finding]]:
    """The problems of a set, repeated ids and all, and a finding for each row that the loader leaves out."""
    from r1kit.rewards.math.audit import Finding, FindingKind
    from r1kit.tasks.fields import row_id
    from r1kit.tasks.problems import load_problems
    from r1kit.tasks.rows import read_rows

    column, is_asked_for = data.columns.id, "id" in data.columns.model_fields_set
    ids = {row.name: row_id(row, column, is_asked_for) for row in read_rows(data)}
    loaded = load_problems(_without_ids(data))
    reason = " or ".join(loaded.dropped)
    read = {problem.id for problem in loaded.problems}
    left_out = [
        Finding(FindingKind.NO_GOLD, reason, (name,)) for number, name in ids.items() if number not in read
    ]
    return [replace(problem, id=ids[problem.id]) for problem in loaded.problems], left_out


def _without_ids(data: ProblemData) -> ProblemData:
    """The same data with its rows numbered, because the loader stops at the first repeated id."""
    columns = data.columns
    named = columns.model_fields_set - {"id"}
    numbered = ProblemColumns.model_construct(named, **(columns.model_dump() | {"id": ""}))
    return data.model_copy(update={"columns": numbered})


def print_audit(found: Audit, name: str) -> None:
    """Print what an audit found: a table with a row for each kind and reason, and the self-test."""
    console = Console(highlight=False, markup=False)
    console.print(f"{name}: {found.num_problems} problems, {len(found.findings)} findings", soft_wrap=True)
    table = Table("", "count", "what", "why", box=None, pad_edge=False)
    table.add_column("for example", overflow="fold")
    for row in found.rows():
        table.add_row(*(Text(cell) for cell in row))
    if table.rows:
        console.print(table)
    for line in found.selftest_in_words():
        console.print(line, soft_wrap=True)


_FLAGS: Final = [
    flag
    for flag in flags_of(AuditConfig)
    # not how a problem is asked, and the path is the argument
    if flag.path[1] not in ("path", "prompt", "system_prompt", "max_prompt_tokens")
]


def _body(given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
    num_workers = own["workers"] or min(_MOST_WORKERS, os.cpu_count() or 1)
    if own["audit"]:
        _refuse({"--marked-only": own["marked_only"]}, "judging answers")
        raise typer.Exit(_audit(own["file"], given, num_workers, bool(own["json"])))
    names = {flag.names[0]: True for flag in _FLAGS if flag.path in given}
    _refuse({**names, "--json": own["json"]}, "--audit")
    if own["file"] is None and (sys.stdin is None or sys.stdin.isatty()):
        raise ConfigError('FILE: missing; name a JSONL file, or pipe rows of "gold" and "pred" to stdin')
    grade(own["file"] or "-", num_workers, bool(own["marked_only"]))


def _audit(file: str | None, given: Mapping[FieldPath, Any], num_workers: int, as_json: bool) -> int:
    """The exit code: 1 for a checker that is broken, 2 for golds that a run refuses or leaves out, else 0."""
    from r1kit.rewards.math.audit import audit

    if file in (None, "-"):
        raise ConfigError("FILE: missing; --audit reads a problem set: a JSONL file or a hub data set")
    data = configure(AuditConfig, _FLAGS, {"data": {"path": file}}, given, None).data
    found = audit(*_read_problems(data), num_workers)
    print(dump_line(found.as_dict())) if as_json else print_audit(found, data.path)
    return 1 if found.failures else 2 if found.has_errors else 0


def _refuse(given: Mapping[str, Any], purpose: str) -> None:
    for name, value in given.items():
        if value:
            raise ConfigError(f"{name}: only for {purpose}; leave it out")


_FILE: Final = typer.Argument(
    metavar="FILE", help='Lines with "gold" and "pred"; stdin for "-" or none. With --audit a problem set.'
)
_AUDIT: Final = typer.Option("--audit", metavar="", help="Test the checker and every gold of a problem set.")
_WORKERS: Final = typer.Option(
    "--workers", metavar="", min=1, help="Processes that judge; one a core without it, at most 4."
)
_MARKED: Final = typer.Option(
    "--marked-only", metavar="", help="Only a box or <answer> is an answer, not an announced one."
)
_JSON: Final = typer.Option("--json", metavar="", help="Print the audit as JSON instead of a table.")

command = command_function(
    _FLAGS,
    {
        "file": Annotated[str | None, _FILE],
        "audit": Annotated[bool | None, _AUDIT],
        "workers": Annotated[int | None, _WORKERS],
        "marked_only": Annotated[bool | None, _MARKED],
        "json": Annotated[bool | None, _JSON],
    },
    _body,
)
