"""Problems from JSONL files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemColumns, ProblemData
from r1kit.core.errors import DataError
from r1kit.core.problem import ProblemKind
from r1kit.tasks.problems import load_problems
from r1kit.tasks.rows import names_a_file

Write = Callable[..., ProblemData]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows to a file and gives the data section that reads it."""

    def _write(*rows: Any, **fields: Any) -> ProblemData:
        path = tmp_path / "train.jsonl"
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        path.write_text("\n".join(lines), encoding="utf-8")
        return ProblemData(path=str(path), **fields)

    return _write


def test_a_row_becomes_a_problem_and_keeps_its_other_columns(write: Write) -> None:
    row = {"id": "m/1", "problem": "1+1", "answer": " 2 ", "level": 3, "subject": "sums"}
    loaded = load_problems(write(row))
    (problem,) = loaded.problems
    assert (problem.id, problem.problem, problem.answers, problem.kind) == (
        "m/1",
        "1+1",
        ("2",),
        ProblemKind.MATH,
    )
    assert problem.extra == {"level": 3, "subject": "sums"}
    assert loaded.dropped == {}


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (18, ("18",)),
        (-0.5, ("-0.5",)),
        ("\\frac12", ("\\frac12",)),
        (["1/2", 0.5, ""], ("1/2", "0.5")),
    ],
)
def test_answers_become_strings(write: Write, answer: object, answers: tuple[str, ...]) -> None:
    assert load_problems(write({"problem": "p", "answer": answer})).problems[0].answers == answers


def test_rows_without_an_id_are_named_after_their_line(write: Write) -> None:
    data = write(
        {"problem": "a", "answer": 1},
        "",
        {"problem": "b", "answer": 2},
        {"id": 7, "problem": "c", "answer": 3},
    )
    assert [problem.id for problem in load_problems(data).problems] == ["train/1", "train/3", "7"]


def test_the_answer_is_what_follows_the_last_mark(write: Write) -> None:
    data = write({"problem": "p", "answer": "4 #### no\n#### 1,000 "}, answer_after="####")
    assert load_problems(data).problems[0].answers == ("1,000",)


def test_columns_are_mapped_and_the_unused_default_names_are_kept_as_extra(write: Write) -> None:
    columns = ProblemColumns(problem="question", answer="gold", id="uid")
    data = write({"question": "q", "gold": "1", "uid": "u", "answer": "worked text"}, columns=columns)
    (problem,) = load_problems(data).problems
    assert (problem.problem, problem.answers, problem.id) == ("q", ("1",), "u")
    assert problem.extra == {"answer": "worked text"}


def test_rows_with_nothing_to_ask_or_judge_are_left_out_and_counted(write: Write) -> None:
    good = {"problem": "p", "answer": "#### 1"}
    data = write(
        good,
        {"problem": " ", "answer": "#### 1"},
        {"problem": "p", "answer": None},
        {"problem": "p", "answer": ""},
        {"problem": "p", "answer": []},
        {"problem": "p", "answer": "no mark"},
        answer_after="####",
    )
    loaded = load_problems(data)
    assert len(loaded.problems) == 1
    assert loaded.dropped == {"no problem text": 1, "no answer": 3, "no #### before the answer": 1}


def test_only_math_needs_a_gold(write: Write) -> None:
    data = write(
        {"problem": "write a poem", "kind": "general"}, {"problem": "sing", "kind": "general", "answer": None}
    )
    problems = load_problems(data).problems
    assert [(p.kind, p.answers) for p in problems] == [(ProblemKind.GENERAL, ())] * 2


def test_a_limit_takes_the_first_rows_and_reads_no_further(write: Write) -> None:
    data = write({"problem": "a", "answer": 1}, {"problem": "b", "answer": 2}, "not json", limit=2)
    assert [problem.problem for problem in load_problems(data).problems] == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([{"problem": "p"}], {}, r'train.jsonl:1: field "answer" is missing; each line needs problem and answer; .* has problem'),
        ([{"problem": "p", "anwser": 1}], {}, r"did you mean anwser\? \(columns are mapped with columns.answer\)"),
        ([{"question": "p", "answer": 1}], {}, r'field "problem" is missing.*this one has question, answer \(columns'),
        ([{"problem": 5, "answer": 1}], {}, 'field "problem" is 5, not a string'),
        ([{"problem": "p", "answer": True}], {}, 'field "answer" is True, not a string, a number or a list'),
        ([{"problem": "p", "answer": {"x": 1}}], {}, "train.jsonl:1: field \"answer\" is {'x': 1}, not"),
        ([{"problem": "p", "answer": [[1]]}], {}, r'field "answer" is \[1\], not'),
        ([r'{"problem": "p", "answer": NaN}'], {}, 'field "answer" is nan, not a finite number'),
        ([{"problem": "p", "answer": 1, "kind": "maths"}], {}, "'maths', not one of: math, code, general"),
        ([{"problem": "p", "answer": 1, "id": 1.5}], {}, 'field "id" is 1.5, not a string or a whole number'),
        ([{"id": "a", "problem": "p", "answer": 1}] * 2, {}, 'jsonl:2: id "a" was used before, at .*train.jsonl:1'),
        ([{"problem": "p", "answer": 1}], {"columns": {"id": "uid"}}, 'field "uid" is missing'),
        ([{"problem": "p", "answer": 1}], {"columns": {"kind": "type"}}, 'field "type" is missing'),
        ([{"problem": "p", "answer": ""}], {}, r"none of its 1 rows can be used: no answer \(1\)"),
        (["", " "], {}, "train.jsonl is empty; it needs at least one row"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_clear_line(
    write: Write, rows: list[Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_problems(write(*rows, **fields))
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_its_nearest_neighbour(write: Write, tmp_path: Path) -> None:
    write({"problem": "p", "answer": 1})
    with pytest.raises(DataError, match=r"trian.jsonl: no such file; did you mean train.jsonl\?"):
        load_problems(ProblemData(path=str(tmp_path / "trian.jsonl")))
    with pytest.raises(DataError, match=r"zzz.jsonl: no such file; the folder holds train.jsonl"):
        load_problems(ProblemData(path=str(tmp_path / "zzz.jsonl")))
    with pytest.raises(DataError, match=r"no such file; folder .*/no does not exist"):
        load_problems(ProblemData(path=str(tmp_path / "no" / "x.jsonl")))


def test_a_folder_and_a_table_are_refused_with_the_next_move(write: Write, tmp_path: Path) -> None:
    write({"problem": "p", "answer": 1})
    with pytest.raises(DataError, match=r"is a folder; name a JSONL file in it: train.jsonl"):
        load_problems(ProblemData(path=str(tmp_path)))
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"\.parquet files are not read"):
        load_problems(ProblemData(path=str(tmp_path / "x.parquet")))


@pytest.mark.parametrize("path", ["x.jsonl", "a/b.json", "./x", "/x", "~/x", "a/b/c", "two words"])
def test_these_paths_mean_files(path: str) -> None:
    assert names_a_file(path)


@pytest.mark.parametrize(
    "path", ["gsm8k", "openai/gsm8k", "HuggingFaceH4/aime_2024", "open-r1/OpenR1-Math-220k"]
)
def test_these_paths_mean_the_hub(path: str) -> None:
    assert not names_a_file(path)
