"""`r1kit grade --kind code` as a program: real processes, real pipes, real jails."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from r1kit.cli.grade_code import read_program
from r1kit.cli.main import app
from r1kit.core.errors import DataError
from r1kit.sandbox.layers import LANDLOCK, LIMITS, Layer, Layers

COMMAND = [sys.executable, "-m", "r1kit", "grade", "--kind", "code"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
# Else nothing would have to be flushed.
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)
SECONDS = 30
RIGHT = "def double(n):\n    return 2 * n\n"
WRONG = "def double(n):\n    return 3 * n\n"
CALLS = [{"call": "double", "args": [n], "expected": 2 * n} for n in (0, 1, -5)]
CHECK = "def check(candidate):\n    assert candidate(4) == 8\n    assert candidate('a') == 'aa'\n"
PROMPT = 'import math\n\n\ndef floor_of(x):\n    """The floor."""\n'
FLOOR = {"test": "def check(f):\n    assert f(2.5) == 2\n", "entry_point": "floor_of", "prompt": PROMPT}


def run(rows: list[Any], *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input="".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows),
        capture_output=True,
        check=False,
        text=True,
        env=ENVIRONMENT | environment,
        timeout=SECONDS,
    )


def start(*arguments: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stdin=pipe, stdout=pipe, stderr=pipe)


def ask(process: subprocess.Popen[bytes], row: dict[str, Any]) -> dict[str, Any]:
    """Write one row and wait for its answer; the process is killed if none comes."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(row).encode() + b"\n")
    process.stdin.flush()
    has_answered = bool(select.select([process.stdout], [], [], SECONDS)[0])
    if not has_answered:
        process.kill()
    assert has_answered, "no answer while stdin is open"
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def answers(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def fenced(code: str) -> str:
    return f"<think>\n```python\nnonsense(\n```\n</think>\nSo:\n```python\n{code}```\nThat is it."


STDIO = [{"stdin": "3 4\n", "stdout": "7\n"}, {"stdin": "1 1", "stdout": "2"}]
MBPP = {"test_list": ["assert double(3) == LIMIT"], "test_setup_code": "LIMIT = 6"}
CASES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "bare code": ({"pred": RIGHT, "tests": CALLS}, (True, "passed", 3, 3)),
    "a completion": ({"pred": fenced(RIGHT), "tests": CALLS}, (True, "passed", 3, 3)),
    "a wrong one": ({"pred": fenced(WRONG), "tests": CALLS}, (False, "failed", 1, 3)),
    "HumanEval": ({"pred": RIGHT, "test": CHECK, "entry_point": "double"}, (True, "passed", 2, 2)),
    "HumanEval, wrong": ({"pred": WRONG, "test": CHECK, "entry_point": "double"}, (False, "failed", 0, 2)),
    "a continuation": ({"pred": "    return math.floor(x)\n", **FLOOR}, (True, "passed", 1, 1)),
    "without the imports of its prompt": (
        {"pred": fenced("def floor_of(x):\n    return math.floor(x)\n"), **FLOOR},
        (True, "passed", 1, 1),
    ),
    "MBPP": ({"pred": RIGHT, **MBPP}, (True, "passed", 1, 1)),
    "MBPP, wrong": ({"pred": WRONG, **MBPP}, (False, "failed", 0, 1)),
    "a program": ({"pred": "print(sum(map(int, input().split())))", "tests": STDIO}, (True, "passed", 2, 2)),
    "a program, wrong": ({"pred": "print(7)", "tests": STDIO}, (False, "failed", 1, 2)),
    "no Python": ({"pred": "It is 2n.", "tests": CALLS}, (False, "error", 0, 3)),
    "no block of Python": ({"pred": "```json\n{}\n```", "tests": CALLS}, (False, "failed", 0, 3)),
    "a block cut off": ({"pred": f"```python\n{RIGHT}", "tests": CALLS}, (False, "failed", 0, 3)),
    "reasoning without end": ({"pred": f"<think>\n{RIGHT}", "tests": CALLS}, (False, "failed", 0, 3)),
    "nothing, where nothing is wanted": (
        {"pred": " ", "tests": [{"stdin": "", "stdout": ""}]},
        (False, "failed", 0, 1),
    ),
    "a fence in a docstring": (
        {"pred": f'"""\n```python\ndouble(1)\n```\n"""\n{RIGHT}', "tests": CALLS},
        (True, "passed", 3, 3),
    ),
    "no tests": ({"pred": RIGHT, "tests": []}, (False, "failed", 0, 0)),
    "an endless loop": ({"pred": "while True: pass", "tests": CALLS[:1]}, (False, "timed_out", 0, 1)),
    "an early exit": ({"pred": "import os; os._exit(0)", "tests": CALLS}, (False, "error", 0, 3)),
}


@pytest.fixture(scope="module")
def judged() -> tuple[list[dict[str, Any]], str]:
    rows = [{"id": name, **row} for name, (row, _) in CASES.items()]
    done = run(rows, "--sandbox.test-seconds", "1")
    assert done.returncode == 0, done.stderr
    return answers(done), done.stderr


def test_all_rows_are_answered_in_order_with_these_keys(judged):
    assert [row["id"] for row in judged[0]] == list(CASES)
    keys = ["id", "correct", "result", "num_passed", "num_tests"]
    assert all(list(row) == keys for row in judged[0])


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_row_has_its_result(name, judged):
    [row] = [row for row in judged[0] if row["id"] == name]
    assert tuple(row[key] for key in ("correct", "result", "num_passed", "num_tests")) == CASES[name][1]


def test_the_counts_by_result_go_to_stderr(judged):
    found = [result for _, (_, result, _, _) in CASES.values()]
    counts = [f"{found.count(result)} {result}" for result in ("passed", "failed", "error", "timed_out")]
    assert re.fullmatch(
        rf"{len(CASES)} programs: {', '.join(counts)}, 0 out_of_memory, 0 output_limit, 0 killed, "
        r"0 sandbox_error; [\d,.]+ programs/s\n",
        judged[1],
    )


def test_a_bad_row_is_one_line_after_the_answers_before_it():
    good = {"pred": RIGHT, "tests": CALLS}
    done = run([good, "\n", {"pred": "x"}, good])
    assert done.returncode == 2
    assert [row["correct"] for row in answers(done)] == [True]
    [said] = done.stderr.splitlines()
    assert said.startswith("error: stdin:3: no tests: one of the fields")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'{"tests": []}', 'field "pred" is missing; each line needs pred and tests'),
        (b'{"pred": 1, "tests": []}', 'field "pred" is not a string'),
        (b"[1]", "a JSON list; each line must be one JSON object"),
        (b'{"pred": "x", "tests": [{"call": "f("}]}', "field \"tests[0].call\" is 'f(', not a function"),
        (b'{"pred": "x", "test": "assert f(", "entry_point": "f"}', 'field "test" is not Python: '),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(row, said):
    with pytest.raises(DataError, match=re.escape(f"rows:7: {said}")):
        read_program(row, "rows:7")


def test_without_a_sandbox_it_refuses_with_the_way_out_and_reads_nothing(monkeypatch):
    layers = Layers((Layer(LIMITS, holds=True, detail=""), Layer(LANDLOCK, holds=False, detail="no kernel")))
    monkeypatch.setattr("r1kit.sandbox.sandbox.probed", lambda: layers)
    result = CliRunner().invoke(app, ["grade", "--kind", "code", "no_such_file.jsonl"])
    assert (result.exit_code, result.stdout) == (4, "")
    [said] = result.stderr.splitlines()
    assert said.startswith(
        "error: no sandbox holds on this machine (landlock: no kernel); install bubblewrap"
    )
    assert said.endswith("--sandbox.unsafe")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "prose"], "--kind: 'prose' is not one of math, code"),
        (["--kind", "code", "--marked-only", "x"], "--marked-only: only for judging answers; leave it out"),
        (["--kind", "code", "--json", "x"], "--json: only for --audit; leave it out"),
        (["--sandbox.unsafe", "x"], "--sandbox.unsafe: only for --kind code; leave it out"),
        (["--details", "x"], "--details: only for judging code; leave it out"),
        (
            ["--kind", "code", "--sandbox.test-seconds", "0", "x"],
            "--sandbox.test-seconds: must be more than 0, got 0",
        ),
    ],
)
def test_flags_that_do_not_fit_are_told_in_a_line(arguments, said):
    result = CliRunner().invoke(app, ["grade", *arguments])
    assert (result.exit_code, result.stderr) == (2, f"error: {said}\n")


def test_a_row_is_answered_while_the_pipe_stays_open_and_ctrl_c_leaves_nothing(tmp_path):
    marker = tmp_path.name.encode()
    with start() as process:
        assert ask(process, {"pred": RIGHT, "tests": CALLS, "id": 1}) == {
            "id": 1,
            "correct": True,
            "result": "passed",
            "num_passed": 3,
            "num_tests": 3,
        }
        assert not ask(process, {"pred": WRONG, "tests": CALLS})["correct"]
        assert process.stdin is not None
        loop = {"pred": f"x = {marker.decode()!r}\nwhile True: pass", "tests": CALLS}
        process.stdin.write(json.dumps(loop).encode() + b"\n")
        process.stdin.flush()
        children = wait_for_children(process.pid)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
    assert stderr == b"interrupted; what was written so far stays\n"
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def wait_for_children(pid: int) -> list[str]:
    """The processes that a process has started, as soon as there are any."""
    for _ in range(200):
        found = [
            child
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
        if found:
            return found
        select.select([], [], [], 0.05)
    raise AssertionError("no jail was started")


def test_many_rows_on_two_workers_come_back_in_order_with_details_where_asked(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"id": n, "pred": RIGHT if n % 3 else WRONG, "tests": CALLS, "expected": n != 4} for n in range(12)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = run([], str(path), "--workers", "2", "--details")
    assert [row["id"] for row in answers(done)] == list(range(12))
    assert [row["correct"] for row in answers(done)] == [n % 3 != 0 for n in range(12)]
    first = answers(done)[0]
    assert [first.pop(name) for name in ("runs", "num_weak")] == [True, 0]
    assert first.pop("detail").startswith("gave 3;")
    assert first == {"id": 0, "correct": False, "result": "failed", "num_passed": 1, "num_tests": 3}
    assert done.stderr.splitlines()[1] == "12 labelled: accuracy 0.5833, 1 false positives, 4 false negatives"


def test_an_audit_names_the_problems_whose_own_solution_fails(tmp_path):
    path = tmp_path / "problems.jsonl"
    rows = [
        {"id": name, "problem": "Double it.", "tests": CALLS, "solution": code}
        for name, code in (("good", RIGHT), ("bad", WRONG))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = run([], "--audit", str(path), "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert (report["num_problems"], list(report["faults"])) == (2, ["bad"])


def test_without_a_jail_it_says_so():
    done = run([{"pred": RIGHT, "tests": CALLS}], "--sandbox.unsafe")
    assert [row["result"] for row in answers(done)] == ["passed"]
    assert done.stderr.startswith("warning: --sandbox.unsafe: code is run without a jail")
