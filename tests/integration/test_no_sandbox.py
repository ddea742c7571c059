"""On a machine where nothing holds, code is not run: for real, under a kernel that refuses all that a jail is made of."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = {"id": 1, "pred": "def f(x): return x", "tests": [{"call": "f", "args": [1], "expected": 1}]}

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
    reason="such a kernel is imitated by a filter for x86-64",
)


def r1kit(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-P",
        str(ROOT / "tests/refusing_kernel.py"),
        sys.executable,
        "-m",
        "r1kit",
        *map(str, words),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW))
    return path


def test_grading_is_refused_with_the_way_out(rows: Path) -> None:
    done = r1kit("grade", "--kind", "code", rows)
    assert (done.returncode, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: no sandbox holds on this machine")
    assert all(f"{layer}: " in line for layer in ("namespaces", "bubblewrap", "landlock", "seccomp"))
    assert "apt install bubblewrap" in line
    assert "--sandbox.unsafe" in line


def test_a_run_with_code_is_refused_before_anything_is_loaded_or_written(tmp_path: Path) -> None:
    flags = ("--rewards", "code", "--steps", "1", "-o", tmp_path / "run")
    # No such model: it is not looked for.
    done = r1kit("grpo", "--model", tmp_path / "none", "--data", "data/code/problems.jsonl", *flags)
    assert done.returncode == 4
    assert "no sandbox holds on this machine" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_doctor_says_so_and_ends_with_4() -> None:
    done = r1kit("doctor", "--json")
    assert done.returncode == 4
    assert "not sufficient" in done.stderr


def test_who_insists_goes_without_and_is_told(rows: Path) -> None:
    done = r1kit("grade", "--kind", "code", "--sandbox.unsafe", rows)
    assert done.returncode == 0
    assert json.loads(done.stdout)["result"] == "passed"
    assert "without a jail" in done.stderr
