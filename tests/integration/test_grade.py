"""`r1kit grade` as a program: real processes, real pipes, real files."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/grade.md"
COMMAND = [sys.executable, "-m", "r1kit", "grade"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
SECONDS = 20


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env=ENVIRONMENT | environment,
        timeout=SECONDS,
    )


def start(*arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe, **pipes}
    return subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, **streams)


def ask(process: subprocess.Popen[bytes], row: bytes) -> dict[str, Any]:
    """Write one row and wait for its answer, as a caller on a pipe does; the process is killed if none comes."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(row)
    process.stdin.flush()
    has_answered = bool(select.select([process.stdout], [], [], SECONDS)[0])
    if not has_answered:
        process.kill()
    assert has_answered, "no answer while stdin is open"
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def line(gold: Any, answer: str, **more: Any) -> bytes:
    return json.dumps({"gold": gold, "pred": rf"\boxed{{{answer}}}", **more}).encode() + b"\n"


def answers(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in done.stdout.splitlines()]


def problems_file(tmp_path: Path, *rows: Mapping[str, Any]) -> str:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_every_row_gets_its_verdict_in_order_with_its_id_and_the_text_judged():
    rows = [
        line("1/2", "0.5", id="a"),
        b"\n",
        line("7", "8", id=2),
        json.dumps({"gold": "7", "pred": "I give up, there is no way to tell from this"}).encode() + b"\n",
        line("7", "1/0", category="kept out"),
        line(["1", "2"], "2", id=None),
    ]
    done = run(stdin=b"".join(rows))
    assert done.returncode == 0
    assert answers(done) == [
        {"id": "a", "correct": True, "verdict": "correct", "extracted": "0.5"},
        {"id": 2, "correct": False, "verdict": "wrong", "extracted": "8"},
        {"correct": False, "verdict": "no_answer", "extracted": None},
        {"correct": False, "verdict": "unparsable", "extracted": "1/0"},
        {"id": None, "correct": True, "verdict": "correct", "extracted": "2"},
    ]
    counts = "2 correct, 1 wrong, 1 no_answer, 1 unparsable, 0 timed_out; 1 could not be judged"
    assert re.fullmatch(rf"5 answers: {counts}; [\d,]+ checks/s\n", done.stderr.decode())


def test_a_caller_that_writes_one_line_and_waits_gets_its_answer():
    with start("--workers", "2") as process:
        for number in range(5):
            row = line("3", rf"\sqrt{{{number}^2}}", id=number)
            assert ask(process, row)["correct"] == (number == 3)
        rest, summary = process.communicate(timeout=SECONDS)
    assert (rest, process.returncode) == (b"", 0)
    assert summary.startswith(b"5 answers: 1 correct")


def test_many_rows_on_two_workers_come_back_in_order(tmp_path):
    path = tmp_path / "rows.jsonl"
    hard = [r"\sqrt{%d}+\sqrt{3}", "%d", r"\frac{%d}{7}", "(x+%d)^2"]
    golds = [hard[i % 4] % i for i in range(80)]
    path.write_bytes(b"".join(line(gold, gold if i % 3 else "-1", id=i) for i, gold in enumerate(golds)))
    found = answers(run(str(path), "--workers", "2"))
    assert [row["id"] for row in found] == list(range(80))
    assert [row["correct"] for row in found] == [i % 3 != 0 for i in range(80)]


def test_labelled_rows_are_summed_up_as_accuracy_and_errors_of_both_kinds():
    rows = [
        line("7", "7", expected=True),
        line("7", "7", expected=False),
        line("7", "8", expected=False),
        line("7", "8", expected=True),
        line("7", "9", expected=True),
        line("7", "7"),
    ]
    said = run(stdin=b"".join(rows)).stderr.decode().splitlines()[1]
    assert said == "5 labelled: accuracy 0.4000, 1 false positives, 2 false negatives"


def test_no_rows_are_no_answers_and_no_error():
    done = run(stdin=b"\n")
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"0 answers: ")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b'{"gold": "1"', "not JSON: Expecting ',' delimiter at column 1"),
        (b'{"pred": "1"}', 'field "gold" is missing; each line needs gold and pred'),
        (b'{"gold": "1"}', 'field "pred" is missing; each line needs gold and pred'),
        (b'{"gold": 1, "pred": "1"}', 'field "gold" is not a string or a list of strings'),
        (b'{"gold": [], "pred": "1"}', 'field "gold" is not a string or a list of strings'),
        (b'{"gold": ["1", 2], "pred": "1"}', 'field "gold" is not a string or a list of strings'),
        (b'{"gold": "1", "pred": null}', 'field "pred" is not a string'),
        (b'{"gold": "1", "pred": "1", "expected": 1}', 'field "expected" is not true or false'),
        (b'["1", "1"]', "a JSON list; each line must be one JSON object"),
        (b'{"gold": "\xff", "pred": "1"}', "not UTF-8 text (byte 11 of the line)"),
        (b"[" * 100_000, "JSON that cannot be read: maximum recursion depth exceeded"),
    ],
)
def test_a_malformed_row_is_one_line_with_its_place_after_the_answers_before_it(row, said):
    done = run(stdin=line("7", "7") + b"\n" + row + b"\n" + line("7", "7"))
    assert done.returncode == 2
    assert len(answers(done)) == 1
    [told] = done.stderr.decode().splitlines()
    assert told.startswith(f"error: stdin:3: {said}")


def test_a_malformed_row_of_a_file_is_named_by_the_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{}\n")
    done = run(str(path))
    assert done.stderr.decode().startswith(f'error: {path}:1: field "gold" is missing')
    assert (done.returncode, done.stdout) == (2, b"")


def test_lone_surrogates_and_any_locale_pass_through():
    rows = line("7", "\ud800", id="\ud800é") + line("é", "é", id="é")
    done = run("-", stdin=rows, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    first, second = answers(done)
    assert (first["id"], first["extracted"], first["correct"]) == ("\ud800é", "\ud800", False)
    assert (second["id"], second["extracted"]) == ("é", "é")


def test_a_missing_file_and_flags_for_something_else_are_told_in_a_line(tmp_path):
    cases = {
        (str(tmp_path / "no.jsonl"),): f"{tmp_path}/no.jsonl: cannot be read: No such file or directory",
        ("--json",): "--json: only for --audit; leave it out",
        ("--data.split", "test"): "--data.split: only for --audit; leave it out",
        ("--audit",): "FILE: missing; --audit reads a problem set: a JSONL file or a hub data set",
        ("x", "--audit", "--marked-only"): "--marked-only: only for judging answers; leave it out",
    }
    for arguments, said in cases.items():
        done = run(*arguments)
        assert (done.returncode, done.stderr.decode()) == (2, f"error: {said}\n")


def test_a_terminal_without_a_file_is_told_what_to_give():
    terminal, stdin = pty.openpty()
    with start(stdin=stdin) as process:
        _, stderr = process.communicate(timeout=SECONDS)
    os.close(stdin)
    os.close(terminal)
    assert process.returncode == 2
    assert stderr.startswith(b"error: FILE: missing; name a JSONL file, or pipe rows")


def test_a_reader_that_goes_away_ends_it_quietly():
    with start() as process:
        assert ask(process, line("7", "7"))["correct"]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(line("7", "7") * 3)
        process.stdin.flush()
        # stdin stays open: it must not wait for more
        assert process.wait(timeout=SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_at_once_while_it_waits_for_a_row(number, code):
    with start() as process:
        assert ask(process, line("7", "7"))["correct"]
        process.send_signal(number)
        assert process.wait(timeout=SECONDS) == code
        assert process.stderr is not None
        [said] = process.stderr.read().decode().splitlines()
    assert said.endswith("what was written so far stays")


def test_only_marked_answers_count_where_that_is_asked():
    row = json.dumps({"gold": "14", "pred": "The answer is 14."}).encode()
    assert [one["verdict"] for one in answers(run("--marked-only", stdin=row))] == ["no_answer"]
    assert [one["verdict"] for one in answers(run(stdin=row))] == ["correct"]


def test_a_good_set_passes_its_audit(tmp_path):
    rows = [{"problem": "1+1", "answer": "2"}, {"problem": "1/2?", "answer": [r"\frac12", "0.5"]}]
    done = run("--audit", problems_file(tmp_path, *rows))
    assert done.returncode == 0, done.stdout
    first, last = done.stdout.decode().splitlines()
    assert first.endswith("problems.jsonl: 2 problems, 0 findings")
    counts = re.fullmatch(r"self-test: (\d+) of (\d+) answers judged as they should be", last)
    assert counts is not None
    assert counts[1] == counts[2]


def test_notes_alone_do_not_fail_an_audit(tmp_path):
    rows = [{"problem": "1+1", "answer": "2"}, {"problem": "1+1 ", "answer": "3"}]
    done = run("--audit", problems_file(tmp_path, *rows))
    assert done.returncode == 0
    assert b"contradicting" in done.stdout


BAD = [
    {"id": "a", "question": "1/0?", "gold": "5/0"},
    {"id": "b", "question": "2?", "gold": "2"},
    {"id": "b", "question": "3?", "gold": "3"},
    {"id": "c", "question": "empty", "gold": ""},
]
COLUMNS = ["--data.columns.problem", "question", "--data.columns.answer", "gold"]


def test_an_audit_finds_everything_at_once_and_exits_with_2(tmp_path):
    path = problems_file(tmp_path, *BAD)
    done = run("--audit", path, *COLUMNS, "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert report["num_problems"] == 4
    assert report["selftest"]["failed"] == []
    found = [(one["kind"], one["ids"], one["golds"], one["error"]) for one in report["findings"]]
    assert found == [
        ("no gold", ["c"], [], True),
        ("unusable gold", ["a"], ["5/0"], True),
        ("repeated id", ["b"], [], True),
    ]
    table = run("--audit", path, *COLUMNS, "--limit", "1").stdout.decode().splitlines()
    assert table[0].endswith("problems.jsonl: 1 problems, 1 findings")
    assert table[2].split()[:4] == ["error", "1", "unusable", "gold"]


def test_an_audit_of_a_file_that_cannot_be_read_is_one_line(tmp_path):
    path = problems_file(tmp_path, *BAD)
    done = run("--audit", path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f'error: {path}:1: field "problem" is missing; each line needs ')


def test_the_examples_of_the_page_print_what_the_page_says(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    for name, text in re.findall(r"^```json (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "r1kit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m r1kit "$@"\n', encoding="utf-8")
    (tmp_path / "r1kit").chmod(0o755)
    environment = ENVIRONMENT | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "COLUMNS": "100"}
    examples = re.findall(r"^\$ (.+)\n((?:(?!\$ ).+\n)*)", "".join(bash_blocks(page)), re.MULTILINE)
    assert len(examples) >= 3
    for command, said in examples:
        done = subprocess.run(
            ["bash", "-c", f"{{ {command}; }} 2>&1"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert without_rate(done.stdout) == without_rate(said), command


def bash_blocks(page: str) -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def without_rate(text: str) -> list[str]:
    return [re.sub(r"[\d,.]+ (checks|programs)/s", "N a second", row).rstrip() for row in text.splitlines()]
