"""The benchmark of the sandbox runs the same programs on both sides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "sandbox.py"


def _run(*arguments: str) -> str:
    command = [sys.executable, str(_BENCHMARK), "--quick", "--cores", "1", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    ).stdout


def test_the_report_has_a_figure_for_every_program_and_both_kinds() -> None:
    report = json.loads(_run("--json"))
    assert list(report["one"]) == ["nothing", "a small function", "three imports"]
    assert all(taken.keys() == {"jail", "subprocess"} for taken in report["one"].values())
    assert all(1 < taken["subprocess"] < 10_000 for taken in report["one"].values())
    assert 0 < report["life"] < report["one"]["nothing"]["jail"] * 5
    assert report["many"].keys() == {"1"}
    assert "limits" in report["layers"]


def test_a_program_that_fails_in_the_jail_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(_BENCHMARK.parent)
    import sandbox

    try:
        with pytest.raises(SystemExit, match="a program failed in the jail"):
            sandbox.run_jailed(sandbox.open_sandbox(), "assert False")
        with pytest.raises(subprocess.CalledProcessError):
            sandbox.run_plain("import sys; sys.exit(1)")
    finally:
        del sys.modules["sandbox"]
