"""The checker on tables of answers that a person labelled, one file a kind of answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from r1kit.rewards.math import check, gold_is_usable

TABLES = sorted((Path(__file__).parent / "answers").glob("*.jsonl"))
# Right answers that are spelled as these are accepted, and nothing else can be.
UNUSABLE = {"(x+1)^{10^6}", "10^{-10^9}", "10^{1000000000}", "2^{65536}", "50000!", "9^{9^{9^{9}}}"}


def rows_of(table: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]


def golds_of(row: dict[str, Any]) -> list[str]:
    return [row["gold"]] if isinstance(row["gold"], str) else row["gold"]


def test_the_tables_are_there_and_hold_both_right_and_wrong_answers() -> None:
    rows = [row for table in TABLES for row in rows_of(table)]
    right = sum(row["verdict"] == "correct" for row in rows)
    assert min(right, len(rows) - right) > 800


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_every_answer_of_a_table_gets_its_verdict(table: Path) -> None:
    differing = []
    for row in rows_of(table):
        got, wanted = check(row["gold"], row["completion"]).verdict.value, row["verdict"]
        if got != wanted:
            differing.append(f"{row['gold']!r} | {row['completion']!r} | {got}, not {wanted}: {row['why']}")
    assert not differing, "\n" + "\n".join(differing)


def test_every_gold_of_the_tables_is_usable_but_for_those_too_large_to_compute() -> None:
    golds = {gold for table in TABLES for row in rows_of(table) for gold in golds_of(row)}
    assert {gold for gold in golds if gold_is_usable(gold) is not None} == UNUSABLE
