"""Rebuilds `problems.jsonl` and `validation.jsonl` of this folder.

    python data/code/make_code_problems.py

Exits with 1, and writes nothing, when a result written by hand, a solution and its second way do not agree.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import level_1_numbers
import level_1_text_and_lists
import level_2_lists
import level_2_numbers
import level_2_text
import level_3_grids_and_numbers
import level_3_lists
import level_3_text
import level_4_graphs
import level_4_tables
import programs_1_2
import programs_3
import programs_4
from authoring import Call, Task, tasks_of

_FOLDER: Final = Path(__file__).parent
_MODULES: Final = (
    level_1_numbers,
    level_1_text_and_lists,
    level_2_numbers,
    level_2_text,
    level_2_lists,
    level_3_text,
    level_3_lists,
    level_3_grids_and_numbers,
    level_4_graphs,
    level_4_tables,
    programs_1_2,
    programs_3,
    programs_4,
)
# Of every five problems of a level the third is held out, so both files have the same mixture of levels.
_SPLIT_EVERY, _SPLIT_AT = 5, 2


class DisagreementError(Exception):
    """A task that contradicts itself."""


def main() -> int:
    """Writes both files; returns the exit code."""
    try:
        files = code_files()
    except DisagreementError as error:
        print(error, file=sys.stderr)
        return 1
    for name, content in files.items():
        (_FOLDER / name).write_text(content, encoding="utf-8", newline="\n")
    return 0


def code_files() -> dict[str, str]:
    """What each JSONL file holds, by its name; raises `DisagreementError` where a task contradicts itself."""
    train, validation = split(all_tasks())
    rows = [row_of(number, task) for number, task in enumerate(train + validation, start=1)]
    return {
        "problems.jsonl": _lines(rows[: len(train)]),
        "validation.jsonl": _lines(rows[len(train) :]),
    }


def all_tasks() -> list[Task]:
    """Every task, by level; within a level functions come before programs."""
    return sorted((task for module in _MODULES for task in tasks_of(module)), key=lambda task: task.level)


def split(tasks: list[Task]) -> tuple[list[Task], list[Task]]:
    """The tasks to train on, and those held out."""
    train: list[Task] = []
    validation: list[Task] = []
    for level in sorted({task.level for task in tasks}):
        for place, task in enumerate(task for task in tasks if task.level == level):
            (validation if place % _SPLIT_EVERY == _SPLIT_AT else train).append(task)
    return train, validation


def row_of(number: int, task: Task) -> dict[str, Any]:
    """One line of the file; raises `DisagreementError`."""
    for question, by_hand in task.shown:
        if not same(answer(task, question), by_hand):
            raise DisagreementError(f"{task.name}({question}): the solution does not give {by_hand!r}")
    questions = [question for question, _ in task.shown] + list(task.hidden)
    tests = [_test(task, question) for question in questions]
    name = {} if task.is_program else {"entry_point": task.name}
    return {
        "id": f"code-{number:03}",
        "kind": "code",
        "level": task.level,
        "problem": problem_text(task),
        **name,
        "tests": tests[: len(task.shown)],
        "hidden_tests": tests[len(task.shown) :],
        "solution": task.source,
    }


def problem_text(task: Task) -> str:
    """The statement with its examples."""
    if not task.is_program:
        examples = "\n".join(f"{task.name}({question}) returns {result!r}" for question, result in task.shown)
        return f"Write a Python function `{task.signature}`.\n\n{task.statement}\n\nExamples:\n{examples}"
    parts = [f"Write a Python program.\n\n{task.statement}"]
    for text, printed in task.shown:
        parts.append(f"Example input:\n```\n{text.rstrip()}\n```\nIts output:\n```\n{printed.rstrip()}\n```")
    return "\n\n".join(parts)


def answer(task: Task, question: Any) -> Any:
    """What the solution gives for a question; raises `DisagreementError` when the second way differs."""
    if task.second is None:
        raise DisagreementError(f"{task.name} has no second way")
    first = output_of(task.source, question) if task.is_program else _called(task.solution, question)
    second = task.again(question) if task.is_program else _called(task.again, question)
    if not same(first, second) or not same(first, json.loads(json.dumps(first))):
        raise DisagreementError(f"{task.name}({question}): {first!r} and {second!r}")
    return first


def output_of(program: str, text: str) -> str:
    """What a program of ours prints when it reads `text`."""
    printed, before = io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(text)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})  # noqa: S102
    finally:
        sys.stdin = before
    return printed.getvalue()


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type, so that 1, 1.0 and True are three things."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _called(function: Callable[..., Any], question: Call) -> Any:
    """The function's result; raises `DisagreementError` when it changed what it was given."""
    args, kwargs = copy.deepcopy((question.args, dict(question.kwargs)))
    result = function(*args, **kwargs)
    if (args, kwargs) != (question.args, question.kwargs):
        raise DisagreementError(f"{function.__name__}({question}) changed its arguments")
    return result


def _test(task: Task, question: Any) -> dict[str, Any]:
    result = answer(task, question)
    if task.is_program:
        return {"stdin": question, "stdout": result}
    kwargs = {"kwargs": dict(question.kwargs)} if question.kwargs else {}
    return {"call": task.name, "args": list(question.args), **kwargs, "expected": result}


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
