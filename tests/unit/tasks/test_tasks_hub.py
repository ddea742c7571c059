"""Data sets through `datasets`, offline: a local folder stands in for the hub's files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from r1kit.config.data import ProblemData
from r1kit.core.errors import DataError
from r1kit.tasks.hub import read_hub


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of three rows that `datasets` can load, with its cache beside it."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [{"question": f"q{n}", "answer": f"so #### {n}"} for n in range(3)]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_rows_come_in_order_with_all_columns(folder: Path) -> None:
    rows = list(read_hub(ProblemData(path=str(folder), split="test")))
    assert [dict(row) for row in rows] == [{"question": f"q{n}", "answer": f"so #### {n}"} for n in range(3)]


def test_an_unknown_split_or_subset_names_those_there_are(folder: Path) -> None:
    with pytest.raises(DataError, match=r"split dev\): .*test") as caught:
        list(read_hub(ProblemData(path=str(folder), split="dev")))
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"\(subset mian, split test\): .*default"):
        list(read_hub(ProblemData(path=str(folder), subset="mian", split="test")))


def test_without_a_network_the_error_says_so_and_what_to_do() -> None:
    code = (
        "from r1kit.config.data import ProblemData\n"
        "from r1kit.core.errors import EnvironmentError_\n"
        "from r1kit.tasks.problems import load_problems\n"
        "try:\n    load_problems(ProblemData(path='openai/never-cached', subset='main', revision='abc'))\n"
        "except EnvironmentError_ as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HF_HUB_OFFLINE": "1", "PYTHONPATH": ":".join(sys.path), "HF_HOME": "/nonexistent"},
    )
    assert done.stdout == (
        "data set openai/never-cached (subset main, split train, revision abc): the hub cannot be reached and the "
        "data set is not in the cache; connect once, or give a JSONL file as path\n"
    )
