"""Problems with golds, read from a JSONL file or a hub data set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from r1kit.config.data import ProblemData
from r1kit.core.errors import DataError
from r1kit.core.problem import CodeGold, Problem, ProblemKind
from r1kit.tasks.code import TEST_FIELDS, read_code_gold, with_shown_tests
from r1kit.tasks.fields import IdRegister, require, row_id, text_in, wrong_type
from r1kit.tasks.livecodebench import in_own_form
from r1kit.tasks.rows import Row, read_rows

_MARKED_ONLY: Final = "marked_only"


@dataclass(frozen=True, slots=True)
class LoadedProblems:
    """Problems, how many rows were left out by reason, and the data section that says how they are asked."""

    problems: list[Problem]
    dropped: Mapping[str, int]
    data: ProblemData


def load_problems(data: ProblemData) -> LoadedProblems:
    """The problems of a data section, in the order of their rows.

    A row whose problem or gold (the tests, of a code problem) is empty is left out and counted; a row without the
    columns is an error.

    Raises:
        DataError: the source or one of its rows cannot be used, or no row is left.
        EnvironmentError_: the hub cannot be reached.
    """
    problems: list[Problem] = []
    dropped: Counter[str] = Counter()
    ids = IdRegister()
    for row in map(_in_own_form, read_rows(data)):
        problem = _read_problem(row, data)
        reason = _why_unusable(problem, row, data)
        if reason is not None:
            dropped[reason] += 1
            continue
        ids.add(problem.id, row.place)
        problems.append(problem)
    if not problems:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in dropped.items())
        raise DataError(f"{data.path}: none of its {dropped.total()} rows can be used: {reasons}")
    return LoadedProblems(problems, dict(dropped), data)


def _in_own_form(row: Row) -> Row:
    try:
        return replace(row, values=in_own_form(row.values))
    except ValueError as error:
        raise DataError(f"{row.place}: its tests cannot be read: {error}") from error


def _read_problem(row: Row, data: ProblemData) -> Problem:
    columns = data.columns
    text = text_in(row, columns.problem, _required(row, columns.problem, data, "columns.problem"))
    kind = _kind(row, data)
    used = {columns.problem, columns.answer, columns.id, columns.kind, _MARKED_ONLY}
    code: CodeGold | None = None
    if kind is ProblemKind.CODE:
        code = read_code_gold(row, text, data)
        text = with_shown_tests(text, row.values, data.shown_tests)
        used |= {columns.solution, *TEST_FIELDS}
    return Problem(
        id=row_id(row, columns.id, "id" in columns.model_fields_set),
        problem=text,
        answers=_answers(row, data, kind),
        kind=kind,
        extra={name: value for name, value in row.values.items() if name not in used},
        marked_only=data.marked_only or _is_marked_only(row),
        code=code,
    )


def _why_unusable(problem: Problem, row: Row, data: ProblemData) -> str | None:
    if not problem.problem.strip():
        return "no problem text"
    if problem.kind is ProblemKind.CODE and problem.code is None:
        return "no tests"
    if problem.answers or problem.kind is not ProblemKind.MATH:
        return None
    if data.answer_after is not None and row.values[data.columns.answer]:
        return f"no {data.answer_after} before the answer"
    return "no answer"


def _required(row: Row, column: str, data: ProblemData, option: str) -> object:
    return require(row, column, f"{data.columns.problem} and {data.columns.answer}", option)


def _kind(row: Row, data: ProblemData) -> ProblemKind:
    column, is_asked_for = data.columns.kind, "kind" in data.columns.model_fields_set
    value = require(row, column, column, "columns.kind") if is_asked_for else row.values.get(column)
    if value is None:
        return ProblemKind(data.kind)
    known = [kind.value for kind in ProblemKind]
    if value not in known:
        raise wrong_type(row, column, value, f"one of: {', '.join(known)}")
    return ProblemKind(value)


def _is_marked_only(row: Row) -> bool:
    value = row.values.get(_MARKED_ONLY, False)
    if not isinstance(value, bool):
        raise wrong_type(row, _MARKED_ONLY, value, "true or false")
    return value


def _answers(row: Row, data: ProblemData, kind: ProblemKind) -> tuple[str, ...]:
    """Accepted answers without surrounding space; empty ones are left away. Code has tests instead."""
    column = data.columns.answer
    if kind is ProblemKind.CODE:
        return ()
    if kind is not ProblemKind.MATH and column not in row.values:
        return ()
    value = _required(row, column, data, "columns.answer")
    items = value if isinstance(value, list) else [] if value is None else [value]
    texts = (_after_mark(_answer_text(row, column, item), data.answer_after) for item in items)
    return tuple(text for text in texts if text)


def _answer_text(row: Row, column: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong_type(row, column, value, "a string, a number or a list of them")
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong_type(row, column, value, "a finite number")
    return str(value)


def _after_mark(text: str, mark: str | None) -> str:
    """What follows the last occurrence of the mark; empty when it does not occur."""
    return text.strip() if mark is None else text.rpartition(mark)[2].strip() if mark in text else ""
