"""`r1kit grade`: answers or programs judged as they arrive on a pipe, or the golds of a problem set audited."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from r1kit.cli import grade_code
from r1kit.cli.configure import configure
from r1kit.cli.flags import flags_of
from r1kit.cli.grade_code_audit import audit_code_set
from r1kit.cli.grade_rows import EXPECTED, Agreement, Field, Rows, labels_of, print_row, read_row
from r1kit.cli.signature import command_function
from r1kit.config.data import ProblemColumns, ProblemData
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.schema import FieldPath
from r1kit.config.section import Section
from r1kit.core.errors import ConfigError
from r1kit.core.jsonl import dump_line
from r1kit.core.rollout import Verdict

if TYPE_CHECKING:
    from r1kit.core.problem import Problem
    from r1kit.rewards.math import CheckResult
    from r1kit.rewards.math.audit import Audit, Finding

HELP = "Judge answers against their golds, or programs by their tests, line by line; or audit a problem set's golds."

_MOST_WORKERS: Final = 4
_KINDS: Final = ("math", "code")
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


def read_answer(line: bytes, place: str) -> Answer:
    """The row on a line. Raises DataError as `read_row` does."""
    row = read_row(line, place, _FIELDS, "gold and pred")
    return Answer(row["gold"], row["pred"], labels_of(row), row.get("expected"))


def _is_gold(value: object) -> bool:
    golds = value if isinstance(value, list) else [value]
    return bool(golds) and all(isinstance(gold, str) for gold in golds)


_FIELDS: Final[Sequence[Field]] = (
    ("gold", _is_gold, "a string or a list of strings"),
    ("pred", lambda value: isinstance(value, str), "a string"),
    EXPECTED,
)


class Tally:
    """Counts what was judged, for the end."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._verdicts: Counter[Verdict] = Counter()
        self._agreement = Agreement()

    def add(self, answer: Answer, result: CheckResult) -> None:
        """One more."""
        self._verdicts[result.verdict] += 1
        self._agreement.add(answer.expected, result.correct)

    def lines(self) -> Iterator[str]:
        """The counts and the rate; with labels the agreement too."""
        total = self._verdicts.total()
        counts = ", ".join(f"{self._verdicts[verdict]} {verdict}" for verdict in Verdict)
        not_judged = sum(self._verdicts[verdict] for verdict in _NOT_JUDGED)
        rate = total / max(time.monotonic() - self._started, 1e-9)
        yield f"{total} answers: {counts}; {not_judged} could not be judged; {rate:,.0f} checks/s"
        yield from self._agreement.lines()


def grade(file: str, num_workers: int, marked_only: bool) -> None:
    """Judge each row of a file or of stdin ("-") and print its verdict at once; the counts go to stderr at the end.

    Raises:
        DataError: a row cannot be read; those before it were judged and printed.
        EnvironmentError_: no worker can be started.
    """
    from r1kit.rewards.math import check_many

    rows, tally = Rows(file, read_answer), Tally()
    pairs = ((answer.gold, answer.pred) for answer in rows)
    for result in check_many(pairs, num_workers=num_workers, marked_only=marked_only):
        answer = rows.unanswered.popleft()
        tally.add(answer, result)
        verdict = {"correct": result.correct, "verdict": result.verdict, "extracted": result.extracted}
        print_row({**answer.labels, **verdict})
    if rows.error is not None:
        raise rows.error
    for line in tally.lines():
        print(line, file=sys.stderr)


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


_AUDIT_FLAGS: Final = [
    flag
    for flag in flags_of(AuditConfig)
    # of an audit, that are not how a problem is asked; the path is the argument, and the kind a flag of its own
    if flag.path[1] not in ("path", "kind", "prompt", "shown_tests", "system_prompt", "max_prompt_tokens")
]


def _body(given: dict[FieldPath, Any], own: dict[str, Any]) -> None:
    kind = own["kind"] or "math"
    if kind not in _KINDS:
        raise ConfigError(f"--kind: {kind!r} is not one of {', '.join(_KINDS)}")
    _refuse(_foreign(given, own, kind))
    if own["audit"]:
        raise typer.Exit(_audit(kind, given, own))
    if own["file"] is None and (sys.stdin is None or sys.stdin.isatty()):
        wanted = '"gold" and "pred"' if kind == "math" else '"pred" and tests'
        raise ConfigError(f"FILE: missing; name a JSONL file, or pipe rows of {wanted} to stdin")
    file = own["file"] or "-"
    if kind == "code":
        grade_code.grade_code(file, _sandbox_config(given, own), details=bool(own["details"]))
    else:
        grade(file, _num_workers(own), bool(own["marked_only"]))


def _sandbox_config(given: Mapping[FieldPath, Any], own: Mapping[str, Any]) -> SandboxConfig:
    ours = {path: value for path, value in given.items() if path[0] == "sandbox"}
    values = {"sandbox": {"workers": own["workers"]}}
    return configure(grade_code.CodeConfig, grade_code.FLAGS, values, ours, None).sandbox


def _num_workers(own: Mapping[str, Any]) -> int:
    return own["workers"] or min(_MOST_WORKERS, os.cpu_count() or 1)


def _foreign(given: Mapping[FieldPath, Any], own: Mapping[str, Any], kind: str) -> dict[str, str]:
    """By the name of each flag that has no place here: what it is for."""
    is_audit, is_code = bool(own["audit"]), kind == "code"
    names = {flag.path: flag.names[0] for flag in (*_AUDIT_FLAGS, *grade_code.FLAGS)}
    of_audit = {names[path]: True for path in given if path[0] == "data"} | {"--json": own["json"]}
    of_code = {names[path]: True for path in given if path[0] == "sandbox"}
    groups = (
        (of_audit, not is_audit, "--audit"),
        (of_code, not is_code, "--kind code"),
        ({"--details": own["details"]}, is_audit or not is_code, "judging code"),
        ({"--marked-only": own["marked_only"]}, is_audit or is_code, "judging answers"),
    )
    return {
        name: purpose
        for flags, is_foreign, purpose in groups
        for name, is_given in flags.items()
        if is_foreign and is_given
    }


def _audit(kind: str, given: Mapping[FieldPath, Any], own: Mapping[str, Any]) -> int:
    """The exit code: 1 for a checker that is broken, 2 for problems that a run refuses or leaves out, else 0."""
    file, as_json = own["file"], bool(own["json"])
    if file in (None, "-"):
        raise ConfigError("FILE: missing; --audit reads a problem set: a JSONL file or a hub data set")
    ours = {path: value for path, value in given.items() if path[0] == "data"}
    data = configure(AuditConfig, _AUDIT_FLAGS, {"data": {"path": file, "kind": kind}}, ours, None).data
    if kind == "code":
        return audit_code_set(data, _sandbox_config(given, own), as_json=as_json)
    from r1kit.rewards.math.audit import audit

    found = audit(*_read_problems(data), _num_workers(own))
    print(dump_line(found.as_dict())) if as_json else print_audit(found, data.path)
    return 1 if found.failures else 2 if found.has_errors else 0


def _refuse(foreign: Mapping[str, str]) -> None:
    if foreign:
        raise ConfigError(
            "\n".join(f"{name}: only for {purpose}; leave it out" for name, purpose in foreign.items())
        )


_FILE: Final = typer.Argument(
    metavar="FILE",
    help='Lines with "gold" and "pred", or for code with "pred" and tests; stdin for "-" or none. With --audit a '
    "problem set.",
)
_KIND: Final = typer.Option("--kind", metavar="", help="What is judged: math, which is the default, or code.")
_AUDIT: Final = typer.Option("--audit", metavar="", help="Test the checker and every gold of a problem set.")
_WORKERS: Final = typer.Option(
    "--workers", metavar="", min=1, help="Processes that judge; one a core without it, for math at most 4."
)
_MARKED: Final = typer.Option(
    "--marked-only", metavar="", help="Only a box or <answer> is an answer, not an announced one."
)
_DETAILS: Final = typer.Option(
    "--details",
    metavar="",
    help="For code: also whether it runs, how many tests are weak, and why it failed.",
)
_JSON: Final = typer.Option("--json", metavar="", help="Print the audit as JSON instead of a table.")

command = command_function(
    [*_AUDIT_FLAGS, *grade_code.FLAGS],
    {
        "file": Annotated[str | None, _FILE],
        "kind": Annotated[str | None, _KIND],
        "audit": Annotated[bool | None, _AUDIT],
        "workers": Annotated[int | None, _WORKERS],
        "marked_only": Annotated[bool | None, _MARKED],
        "details": Annotated[bool | None, _DETAILS],
        "json": Annotated[bool | None, _JSON],
    },
    _body,
)
