"""docs/code.md tells the truth: every row of its tables has the result that it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from r1kit.sandbox import Sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.judge.tests import AssertTests, StdioTest

PAGE: Final = (Path(__file__).parents[4] / "docs/code.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| `([a-z_]+)` \|$", re.MULTILINE)
VALUES: Final = ROW.findall(PAGE[PAGE.index("## Values") : PAGE.index("## Outputs")])
OUTPUTS: Final = ROW.findall(PAGE[PAGE.index("## Outputs") :])


def test_all_rows_are_found() -> None:
    tables = PAGE[PAGE.index("## Values") : PAGE.index("\n## ", PAGE.index("## Outputs"))]
    endings = re.findall(r"\| `(?:passed|failed|error)` \|$", tables, re.MULTILINE)
    assert len(VALUES) + len(OUTPUTS) == len(endings) == 27


@pytest.mark.parametrize(("test", "value", "result"), VALUES)
def test_a_value_has_the_result_that_is_shown(sandbox: Sandbox, test: str, value: str, result: str) -> None:
    assert judge(sandbox, f"def f(): return {value}", AssertTests(test)).result == result


@pytest.mark.parametrize(("expected", "printed", "result"), OUTPUTS)
def test_an_output_has_the_result_that_is_shown(
    sandbox: Sandbox, expected: str, printed: str, result: str
) -> None:
    test = StdioTest("", expected.replace("⏎", "\n"))
    source = f"import sys\nsys.stdout.write({printed.replace('⏎', chr(10))!r})"
    assert judge(sandbox, source, (test,)).result == result


def test_every_result_is_named() -> None:
    assert all(f"`{result}`" in PAGE for result in Result)
