"""`r1kit grade --kind code`: programs judged by the tests in their rows, as they arrive on a pipe."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from r1kit.cli.flags import flags_of
from r1kit.cli.grade_rows import EXPECTED, Agreement, Field, Rows, labels_of, print_row, read_row
from r1kit.config.data import ProblemData
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.section import Section
from r1kit.core.errors import DataError

if TYPE_CHECKING:
    from r1kit.sandbox.judge.results import Judgement
    from r1kit.sandbox.judge.tests import Tests


class CodeConfig(Section):
    """What decides how programs are run."""

    sandbox: SandboxConfig = SandboxConfig(test_seconds=10.0, wall_seconds=60.0, stop_at_timeout=False)
    """How the code is run."""


FLAGS: Final = [flag for flag in flags_of(CodeConfig) if flag.path != ("sandbox", "workers")]
"""`--workers` is a flag of the command itself."""

_FIELDS: Final[Sequence[Field]] = (("pred", lambda value: isinstance(value, str), "a string"), EXPECTED)
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """A row: the program of its answer (None: it has none), its tests, and what it says of itself."""

    source: str | None
    tests: Tests
    labels: Mapping[str, Any]
    expected: bool | None
    place: str


def read_program(line: bytes, place: str) -> Program:
    """The row on a line, read as training reads a problem; a row whose tests are empty has none.

    Raises:
        DataError: it is no such row, or its tests cannot be read.
    """
    from r1kit.rewards.code.program import whole_program
    from r1kit.tasks.code import TEST_FIELDS, read_code_gold
    from r1kit.tasks.rows import Row

    row = read_row(line, place, _FIELDS, "pred and tests")
    tests = {name: value for name, value in row.items() if name in TEST_FIELDS}
    asked = next((row[name] for name in ("prompt", "problem") if isinstance(row.get(name), str)), "")
    gold = read_code_gold(Row(tests, place, place), asked, ProblemData(path=place))
    code = code_of(row["pred"])
    source = code if code is None or gold is None else whole_program(code, gold)
    return Program(source, () if gold is None else gold.tests, labels_of(row), row.get("expected"), place)


def code_of(text: str) -> str | None:
    """The code in a completion, or all of it where it is bare code; None where there is none."""
    from r1kit.rewards.code import extract_code
    from r1kit.rewards.reasoning import parse_reasoning

    if _FENCE.search(text) and not _is_python(text):
        return extract_code(text)
    reply = parse_reasoning(text).reply
    return reply if reply.strip() else None


def _is_python(text: str) -> bool:
    """Whether a text is code as a whole: its fences are then in its strings."""
    from r1kit.sandbox.judge.tests import parse

    try:
        parse(text)
    except ValueError:
        return False
    return True


class Tally:
    """Counts what was judged, for the end."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._results: Counter[str] = Counter()
        self._agreement = Agreement()
        self._trouble = ""

    def add(self, program: Program, judgement: Judgement) -> None:
        """One more."""
        self._results[judgement.result] += 1
        if judgement.result == "sandbox_error":
            self._trouble = self._trouble or judgement.detail
        self._agreement.add(program.expected, judgement.has_passed)

    def lines(self) -> Iterator[str]:
        """The counts and the rate; with labels the agreement too."""
        from r1kit.sandbox.judge.results import Result

        total = self._results.total()
        counts = ", ".join(f"{self._results[result]} {result}" for result in Result)
        rate = total / max(time.monotonic() - self._started, 1e-9)
        yield f"{total} programs: {counts}; {rate:,.1f} programs/s"
        if self._trouble:
            yield f"warning: the sandbox failed, and these programs were not judged: {self._trouble}"
        yield from self._agreement.lines()


def grade_code(file: str, config: SandboxConfig, *, details: bool) -> None:
    """Judge each row of a file or of stdin ("-") and print its result at once; the counts go to stderr at the end.

    Raises:
        SandboxError: no sandbox holds here; nothing was read.
        DataError: a row cannot be read; those before it were judged and printed.
    """
    rows, tally = Rows(file, read_program), Tally()
    with contextlib.closing(_judgements(rows, config)) as judgements:
        for found in judgements:
            program = rows.unanswered.popleft()
            judgement = without_code(found) if program.source is None else found
            tally.add(program, judgement)
            print_row({**program.labels, **as_row(judgement, details=details)})
    if rows.error is not None:
        raise rows.error
    for line in tally.lines():
        print(line, file=sys.stderr)


def _judgements(rows: Rows[Program], config: SandboxConfig) -> Generator[Judgement, None, None]:
    from r1kit.rewards.code.judge import CodeJudge
    from r1kit.sandbox.judge.many import judge_many

    judge = CodeJudge(config)
    sandbox = judge.sandbox
    if config.unsafe:
        print("warning: --sandbox.unsafe: code is run without a jail, with limits alone", file=sys.stderr)
    items = ((program.source or "", program.tests) for program in rows)
    try:
        yield from judge_many(
            sandbox,
            items,
            config.workers,
            judge.limits,
            test_seconds=config.test_seconds,
            stop_at_timeout=config.stop_at_timeout,
        )
    except ValueError as error:
        # Tests that cannot be read show only when they are prepared.
        raise DataError(f"{rows.unanswered[0].place}: {error}") from error


def without_code(judgement: Judgement) -> Judgement:
    """What is said of an answer without code: no test is passed, not even one that wants no output."""
    from r1kit.sandbox.judge.results import Result

    return replace(
        judgement, result=Result.FAILED, num_passed=0, runs=False, detail="there is no code in the answer"
    )


def as_row(judgement: Judgement, *, details: bool) -> dict[str, Any]:
    """A judgement as it is printed."""
    row = {
        "correct": judgement.has_passed,
        "result": judgement.result,
        "num_passed": judgement.num_passed,
        "num_tests": judgement.num_tests,
    }
    more = {"runs": judgement.runs, "num_weak": judgement.num_weak, "detail": judgement.detail}
    return row | more if details else row
