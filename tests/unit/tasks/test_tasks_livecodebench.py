"""LiveCodeBench's rows: packed tests are unpacked, and a pickle that asks for more than text is refused."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemData
from r1kit.config.stages import EvalTask
from r1kit.core.errors import DataError, EnvironmentError_
from r1kit.core.problem import Problem
from r1kit.sandbox.judge.tests import FunctionTest, StdioTest
from r1kit.tasks import livecodebench
from r1kit.tasks.benchmarks import BENCHMARKS, load_benchmark
from r1kit.tasks.livecodebench import release_files
from r1kit.tasks.problems import load_problems
from r1kit.tasks.prompts import build_messages

STARTER = "class Solution:\n    def addUp(self, nums: List[int], k: int) -> int:\n        "


def packed(value: object) -> str:
    """The form of the hidden tests: base64 of zlib of a pickle."""
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def cases(*pairs: tuple[str, str], kind: str = "stdin") -> str:
    return json.dumps([{"input": given, "output": wanted, "testtype": kind} for given, wanted in pairs])


def row(**changes: Any) -> dict[str, Any]:
    return {
        "question_title": "Sum",
        "question_content": "Print the sum.",
        "platform": "atcoder",
        "question_id": "abc_a",
        "difficulty": "easy",
        "starter_code": "",
        "public_test_cases": cases(("1 2\n", "3\n")),
        "private_test_cases": packed(cases(("40 2\n", "42\n"))),
        "metadata": "{}",
        **changes,
    }


def write(tmp_path: Path, *rows: dict[str, Any]) -> ProblemData:
    path = tmp_path / "test6.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return ProblemData(path=str(path))


def load_one(tmp_path: Path, **changes: Any) -> Problem:
    [problem] = load_problems(write(tmp_path, row(**changes))).problems
    return problem


def test_public_and_hidden_tests_are_judged_and_only_the_question_is_asked(tmp_path):
    data = write(tmp_path, row())
    loaded = load_benchmark(EvalTask(name="livecodebench", data=data))
    [problem] = loaded.problems
    assert problem.code is not None
    assert problem.code.tests == (StdioTest("1 2\n", "3\n"), StdioTest("40 2\n", "42\n"))
    assert (problem.id, problem.extra) == ("abc_a", {"level": "easy"})
    question = build_messages(problem, loaded.data)[0].content
    assert question.startswith("Print the sum.\n\nThe program reads standard input and prints")
    assert "```python and ```" in question
    assert "42" not in question


def test_functional_tests_call_the_method_with_an_argument_a_line(tmp_path):
    hidden = packed(cases(("[1, 2]\n3", "6"), ('["a"]\n0', "null"), kind="functional"))
    changes = {"starter_code": STARTER, "metadata": '{"func_name": "addUp"}', "private_test_cases": hidden}
    problem = load_one(tmp_path, public_test_cases=cases(("[]\n-1", "-1"), kind="functional"), **changes)
    assert problem.code is not None
    assert all(isinstance(test, FunctionTest) for test in problem.code.tests)
    found = [(test.call, test.args, test.expected) for test in problem.code.tests]
    call = "Solution().addUp"
    assert found == [(call, ([], -1), -1), (call, ([1, 2], 3), 6), (call, (["a"], 0), None)]
    assert STARTER.rstrip() in problem.problem


def test_without_a_class_in_the_starter_code_a_function_is_called(tmp_path):
    public = cases(("1", "2"), kind="functional")
    changes = {"starter_code": "def f(x):", "metadata": '{"func_name": "f"}', "private_test_cases": "[]"}
    problem = load_one(tmp_path, public_test_cases=public, **changes)
    assert problem.code is not None
    assert [test.call for test in problem.code.tests] == ["f"]


def test_a_row_without_any_test_is_left_out_and_counted(tmp_path):
    data = write(tmp_path, row(), row(question_id="b", public_test_cases="[]", private_test_cases="[]"))
    loaded = load_problems(data)
    assert ([one.id for one in loaded.problems], loaded.dropped) == (["abc_a"], {"no tests": 1})


def test_hidden_tests_may_be_plain_json(tmp_path):
    problem = load_one(tmp_path, private_test_cases=cases(("5\n", "6\n")))
    assert problem.code is not None
    assert problem.code.tests[1] == StdioTest("5\n", "6\n")


class Evil:
    """Pickled, it asks for a command to be run when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_that_asks_for_a_function_is_refused_and_nothing_runs(tmp_path):
    trap = tmp_path / "trap"
    with pytest.raises(DataError, match=r"test6.jsonl:1: its tests cannot be read: .* it asks for "):
        load_one(tmp_path, private_test_cases=packed(Evil(trap)))
    assert not trap.exists()
    pickle.loads(pickle.dumps(Evil(trap)))
    assert trap.exists()


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ("not base64!", "the packed tests are damaged"),
        (base64.b64encode(b"no zlib").decode(), "the packed tests are damaged"),
        (packed(cases())[:-12] + "AAAAAAAAAAA=", "the packed tests are"),
        (base64.b64encode(zlib.compress(b"no pickle")).decode(), "the packed tests are damaged"),
        (packed([1, 2]), "the packed tests are list, not text"),
        (packed('{"a": 1}'), "the test cases are no list"),
        (packed('[{"input": "1"}]'), "'output'"),
        (packed("[1]"), "subscriptable"),
    ],
    ids=["base64", "zlib", "cut", "pickle", "list", "object", "field", "case"],
)
def test_damaged_tests_are_one_clear_line(tmp_path, hidden, message):
    with pytest.raises(DataError, match=rf"test6.jsonl:1: its tests cannot be read: .*{message}") as caught:
        load_one(tmp_path, private_test_cases=hidden)
    assert "\n" not in str(caught.value)


def test_tests_that_unpack_to_more_than_they_may_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(livecodebench, "_MOST_BYTES", 1000)
    load_one(tmp_path)
    with pytest.raises(DataError, match="larger than 1000 bytes"):
        load_one(tmp_path, private_test_cases=packed(cases(("1" * 5000, "2"))))


@pytest.mark.parametrize(
    ("release", "files"),
    [
        ("v1", ["test.jsonl"]),
        ("v6", ["test6.jsonl"]),
        ("release_v1", ["test.jsonl"]),
        ("release_v3", ["test.jsonl", "test2.jsonl", "test3.jsonl"]),
    ],
)
def test_a_release_names_its_files(release, files):
    assert release_files(release) == files


def test_another_release_is_refused_with_those_there_are():
    with pytest.raises(
        DataError, match=r"no release 'v7'; data.subset is v1 to v6 .* release_v1 to release_v6"
    ):
        release_files("v7")


def test_the_benchmark_reads_the_files_of_its_pinned_release(tmp_path, monkeypatch):
    asked: list[tuple[str, str, str, str]] = []

    def fetched(repo: str, name: str, *, repo_type: str, revision: str) -> str:
        asked.append((repo, name, repo_type, revision))
        return write(tmp_path, row()).path

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetched)
    [problem] = load_benchmark(EvalTask(name="livecodebench")).problems
    assert problem.id == "abc_a"
    data = BENCHMARKS["livecodebench"].data
    assert data is not None
    assert asked == [(data.path, "test6.jsonl", "dataset", data.revision)]


def test_a_hub_that_cannot_be_reached_is_an_environment_error_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentError_, match=r"test6.jsonl.*connect once, or give the file with --data"):
        load_benchmark(EvalTask(name="livecodebench"))
