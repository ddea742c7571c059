"""docs/math.md tells the truth: every row of its tables gets the verdict that it shows, and its example runs."""

from __future__ import annotations

import doctest
import re
from inspect import signature
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check
from r1kit.rewards.math.checker import MAX_CACHED
from r1kit.rewards.math.workers.pool import Pool

PAGE: Final = (Path(__file__).parents[3] / "docs/math.md").read_text(encoding="utf-8")

_SECTION: Final = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
_TABLE: Final = re.compile(r"^\| gold \| (answer|completion) \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_CELL_END: Final = re.compile(r"(?<!\\)\|")
_CODE: Final = re.compile(r"`([^`]+)`")


class Row(NamedTuple):
    """One row of a table; `completion` is the whole text to judge."""

    golds: tuple[str, ...]
    completion: str
    verdict: str


def rows_of(section: str) -> list[Row]:
    """The rows of all tables of a section that have a gold."""
    return [read(line, kind) for kind, lines in _TABLE.findall(section) for line in lines.splitlines()]


def read(line: str, kind: str) -> Row:
    """A row as it is shown; a pipe is escaped in Markdown, and the sign for a new line is one."""
    cells = [cell.replace(r"\|", "|") for cell in _CELL_END.split(line)[1:-1]]
    gold, answer, verdict, _why = cells
    [text] = _CODE.findall(answer)
    completion = text.replace("⏎", "\n") if kind == "completion" else rf"\boxed{{{text}}}"
    return Row(tuple(_CODE.findall(gold)), completion, _CODE.findall(verdict)[0])


SECTIONS: Final = {name: rows for name, text in _SECTION.findall(PAGE) if (rows := rows_of(text))}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_of_a_section_gets_the_verdict_it_shows(section: str) -> None:
    got = [(row, check(row.golds, row.completion).verdict.value) for row in SECTIONS[section]]
    assert [f"{row}: {verdict}" for row, verdict in got if verdict != row.verdict] == []


def test_every_line_that_looks_like_a_row_is_run() -> None:
    lines = re.findall(rf"^\|.*\| `(?:{'|'.join(Verdict)})` \|", PAGE, re.MULTILINE)
    assert len(lines) == sum(map(len, SECTIONS.values()))


def test_every_kind_has_a_table_that_shows_more_than_one_verdict() -> None:
    one_sided = [name for name, rows in SECTIONS.items() if len({row.verdict for row in rows}) < 2]
    assert len(SECTIONS) >= 18
    assert one_sided == ["Safety"]


def test_every_verdict_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \| [^|`]", PAGE.partition("\n## ")[0], re.MULTILINE)
    assert set(explained) == {verdict.value for verdict in Verdict}


def test_no_answer_counts_that_is_only_announced_when_answers_have_to_be_marked() -> None:
    is_marked = re.compile(r"<answer>|\\boxed")
    rows = [row for row in SECTIONS["Where the answer is looked for"] if not is_marked.search(row.completion)]
    assert len(rows) >= 10
    verdicts = {check(row.golds, row.completion, marked_only=True).verdict for row in rows}
    assert verdicts == {Verdict.NO_ANSWER}


def test_the_example_prints_what_it_shows() -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest(example, {}, "docs/math.md", None, None)
    failed, tried = doctest.DocTestRunner().run(test)
    assert (failed, tried) == (0, 7)


def wide(count: int, joiner: str, item: str) -> str:
    return joiner.join([item] * count)


@pytest.mark.parametrize(
    ("limit", "gold", "within", "beyond"),
    [
        ("20,000 characters", "5", f"5{' ' * 19_990}+0", f"5{' ' * 20_000}+0"),
        ("4,000 symbols", "2000", wide(2000, "+", "1"), wide(2001, "+", "1")),
        ("40 levels", "1", f"{'(0+' * 40}1{')' * 40}", f"{'(0+' * 41}1{')' * 41}"),
        ("4,000 digits", "10^{3999}", f"1{'0' * 3999}", f"1{'0' * 4000}"),
        ("`e` of 1,000", "10^{1000}", "1e1000", "1e1001"),
        ("500 items", r"\{x,1\}", rf"\{{{wide(499, ',', 'x')},1\}}", rf"\{{{wide(500, ',', 'x')},1\}}"),
        ("1000!", "1", r"1000!-1000\cdot999!+1", r"1001!-1001\cdot1000!+1"),
        ("`2^{60000}`", "1", "2^{60000}+1-4^{30000}", "2^{70000}+1-4^{35000}"),
    ],
)
def test_the_limits_are_those_of_the_checker(limit: str, gold: str, within: str, beyond: str) -> None:
    assert limit in PAGE.partition("\n## Limits\n")[2].partition("\n## ")[0]
    verdicts = [check(gold, rf"\boxed{{{answer}}}").verdict for answer in (within, beyond)]
    assert verdicts == [Verdict.CORRECT, Verdict.UNPARSABLE]


def test_the_limits_of_the_processes_are_those_of_the_pool() -> None:
    defaults = {name: parameter.default for name, parameter in signature(Pool).parameters.items()}
    assert (defaults["limit_seconds"], defaults["memory_mb"]) == (1.0, 1024)
    assert f"{MAX_CACHED:,} pairs" in PAGE
