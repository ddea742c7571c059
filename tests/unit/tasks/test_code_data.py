"""The code problems that ship in `data/code`: complete, solvable, graded, and held out."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[3] / "data/code"


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines()]


TRAIN, VALIDATION = _rows("problems.jsonl"), _rows("validation.jsonl")
ROWS = TRAIN + VALIDATION
every_problem = pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])


def _tests(row: dict[str, Any]) -> list[dict[str, Any]]:
    return row["tests"] + row["hidden_tests"]


def _expected(test: dict[str, Any]) -> Any:
    return test["stdout"] if "stdin" in test else test["expected"]


def _exact(value: Any) -> str:
    """1, 1.0 and True are three things, and the order of keys is none."""
    return json.dumps(value, sort_keys=True)


def _failed(source: str, row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    program = compile(source, "<solution>", "exec")
    tests = _tests(row)
    return [test for test in tests if _exact(_result(program, test, monkeypatch)) != _exact(_expected(test))]


def _result(program: CodeType, test: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the program gives for the test; it is our own, so it needs no jail."""
    space: dict[str, Any] = {"__name__": "__main__"}
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(test.get("stdin", "")))
    with contextlib.redirect_stdout(printed):
        exec(program, space)
    if "stdin" in test:
        return printed.getvalue()
    args, kwargs = copy.deepcopy((test["args"], test.get("kwargs", {})))
    result = space[test["call"]](*args, **kwargs)
    assert (args, kwargs) == (test["args"], test.get("kwargs", {})), "the solution changes what it is given"
    return result


@every_problem
def test_a_row_has_every_field_and_no_other(row: dict[str, Any]) -> None:
    fields = {"id", "kind", "level", "problem", "tests", "hidden_tests", "solution"}
    is_program = "stdin" in row["tests"][0]
    assert set(row) == fields | (set() if is_program else {"entry_point"})
    assert row["kind"] == "code"
    assert row["level"] in (1, 2, 3, 4)
    for test in _tests(row):
        if is_program:
            assert set(test) == {"stdin", "stdout"}
        else:
            assert set(test) - {"kwargs"} == {"call", "args", "expected"}
            assert test["call"] == row["entry_point"]


@every_problem
def test_a_statement_names_the_function_and_shows_the_shown_tests(row: dict[str, Any]) -> None:
    for test in row["tests"]:
        if "stdin" in test:
            assert f"```\n{test['stdin'].rstrip()}\n```" in row["problem"]
            assert f"```\n{test['stdout'].rstrip()}\n```" in row["problem"]
        else:
            words = [repr(value) for value in test["args"]]
            words += [f"{name}={value!r}" for name, value in test.get("kwargs", {}).items()]
            example = f"{test['call']}({', '.join(words)}) returns {test['expected']!r}"
            assert example in row["problem"].splitlines()
    if "entry_point" in row:
        head = row["solution"].splitlines()[0].removeprefix("def ").removesuffix(":")
        assert f"`{head}`" in row["problem"]
        assert head.startswith(row["entry_point"] + "(")


@every_problem
def test_a_problem_has_enough_tests_and_none_of_them_twice(row: dict[str, Any]) -> None:
    questions = [_exact({**test, "expected": 0, "stdout": 0}) for test in _tests(row)]
    assert 2 <= len(row["tests"]) <= 4
    assert 5 <= len(row["hidden_tests"]) <= 12
    assert len(set(questions)) == len(questions)


@every_problem
def test_a_solution_passes_all_its_tests(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert _failed(row["solution"], row, monkeypatch) == []


def _lazy_programs(row: dict[str, Any]) -> Iterator[str]:
    """Programs that know no more than the first test, or that hand back what they were given."""
    if "entry_point" not in row:
        yield ""
        yield f"print({row['tests'][0]['stdout']!r}, end='')"
        yield "import sys\nprint(sys.stdin.read(), end='')"
        return
    given = {"None", "0", "False", "''", "[]", repr(row["tests"][0]["expected"]), "([*args, None])[0]"}
    for result in sorted(given):
        yield f"def {row['entry_point']}(*args, **kwargs): return {result}"


@every_problem
def test_a_lazy_program_fails_a_hidden_test(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for source in _lazy_programs(row):
        assert _failed(source, {**row, "tests": []}, monkeypatch), source


def test_no_problem_is_in_the_set_twice() -> None:
    assert [row["id"] for row in ROWS] == [f"code-{number:03}" for number in range(1, len(ROWS) + 1)]
    for key in ("problem", "solution"):
        assert len({row[key] for row in ROWS}) == len(ROWS)
    names = [row["entry_point"] for row in ROWS if "entry_point" in row]
    assert len(set(names)) == len(names)


def test_both_files_have_the_same_mixture_of_levels() -> None:
    assert Counter(row["level"] for row in TRAIN) == {1: 24, 2: 24, 3: 16, 4: 8}
    assert Counter(row["level"] for row in VALIDATION) == {1: 6, 2: 6, 3: 4, 4: 2}


def test_each_file_has_functions_and_programs() -> None:
    assert Counter("entry_point" in row for row in TRAIN) == {True: 56, False: 16}
    assert Counter("entry_point" in row for row in VALIDATION) == {True: 14, False: 4}


def test_the_files_come_out_of_their_source_byte_for_byte() -> None:
    program = "import json, make_code_problems as m; print(json.dumps(m.code_files()))"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=True)
    files = json.loads(run.stdout)
    assert files == {path.name: path.read_text(encoding="utf-8") for path in sorted(_FOLDER.glob("*.jsonl"))}


@pytest.mark.parametrize(
    ("shown", "second", "says"),
    [
        ("[(call(3), 7)]", "lambda n: n + n", "the solution does not give 7"),
        ("[(call(3), 6)]", "lambda n: 6", "twice(4): 8 and 6"),
        ("[(call(3), 6)]", "lambda n: n * 2.0", "twice(3): 6 and 6.0"),
    ],
)
def test_a_task_that_contradicts_itself_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, second: str, says: str
) -> None:
    source = (
        "from authoring import call, function_task\n"
        f"@function_task(1, shown={shown}, hidden=[call(4)])\n"
        'def twice(n: int) -> int:\n    """Return it twice."""\n    return 2 * n\n'
        f"twice.other_way({second})\n"
    )
    (tmp_path / "a_task.py").write_text(source, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = "import a_task, make_code_problems as m; m.row_of(1, a_task.twice)"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=_FOLDER, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert says in run.stderr
