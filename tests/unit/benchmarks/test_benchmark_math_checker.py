"""The benchmark of the math checker counts what it says it counts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

_BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    """The script, which is in no package; its processes find it on the path too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_BENCHMARKS)
        import math_checker

        yield math_checker
    for name in ("math_checker", "math_judges"):
        sys.modules.pop(name)


@pytest.fixture
def judges(benchmark) -> ModuleType:
    """The processes that judge."""
    return sys.modules["math_judges"]


def _pair(benchmark: ModuleType, expected: bool, *, adversarial: bool = False, category: str = "root"):
    return benchmark.Pair((r"x(x+1)(x+2)",), r"\boxed{x^3+3x^2+2x}", expected, category, adversarial)


def test_rows_are_adversarial_by_their_category_or_by_their_own_word(benchmark, tmp_path):
    rows = [
        {"gold": "1", "pred": "1", "expected": True, "category": "adv_hang"},
        {"gold": "1", "pred": "1", "expected": True, "category": "root", "adversarial": True},
        {"gold": ["1", "2"], "pred": "1", "expected": True, "category": "root"},
        {"gold": "1", "pred": "\u2028", "expected": False},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    pairs = benchmark.read_pairs([path])
    assert [pair.is_adversarial for pair in pairs] == [True, True, False, False]
    assert [pair.golds for pair in pairs] == [("1",), ("1",), ("1", "2"), ("1",)]
    assert pairs[3].pred == "\u2028"


def test_rows_of_the_test_tables_are_pairs_too(benchmark, tmp_path):
    row = {"gold": "5", "completion": "5", "verdict": "correct", "why": "same"}
    refused = row | {"completion": "9^{9^9}", "verdict": "unparsable"}
    path = tmp_path / "too_large.jsonl"
    path.write_text(f"{json.dumps(row)}\n{json.dumps(refused)}\n", encoding="utf-8")
    assert benchmark.read_pairs([path]) == [
        benchmark.Pair(("5",), "5", True, "too_large", True),
        benchmark.Pair(("5",), "9^{9^9}", False, "too_large", True),
    ]


def test_a_hang_or_a_crash_counts_as_not_correct(benchmark):
    judged = [
        (_pair(benchmark, True), benchmark.Outcome(True, 0.1)),
        (_pair(benchmark, False), benchmark.Outcome(True, 0.2)),
        (_pair(benchmark, True), benchmark.Outcome(False, 5.0, "hang")),
        (_pair(benchmark, False), benchmark.Outcome(False, 0.3, "crash")),
    ]
    score = benchmark.score(judged)
    assert score == benchmark.Score(4, 0.5, 1, 1, 1, 1, 5.0)


def test_each_category_has_its_own_accuracy(benchmark):
    pairs = [_pair(benchmark, True, category=name) for name in ("root", "base", "root")]
    outcomes = [benchmark.Outcome(correct, 0.1) for correct in (True, False, False)]
    assert benchmark.accuracies(pairs, outcomes) == {"base": (1, 0.0), "root": (2, 0.5)}


def test_rows_that_one_checker_hung_on_are_timed_for_neither(benchmark):
    pairs = [_pair(benchmark, True), _pair(benchmark, True), _pair(benchmark, True, adversarial=True)]
    fine, hung = benchmark.Outcome(True, 0.1), benchmark.Outcome(False, 5.0, "hang")
    questions = benchmark.ordinary_questions(pairs, [[fine, fine, fine], [hung, fine, fine]])
    assert questions == [(pairs[1].golds, pairs[1].pred)]


def test_the_cheap_questions_are_distinct_and_half_of_them_are_right(benchmark, judges):
    questions = benchmark.cheap_questions()
    judge = judges.judge_of("r1kit")
    assert len(set(questions)) == len(questions) == benchmark.CHEAP_ROWS
    assert sum(judge(*question) for question in questions) == benchmark.CHEAP_ROWS // 2


def test_a_row_over_the_limit_costs_that_row_and_no_other(benchmark):
    cores = sorted(os.sched_getaffinity(0))[:1]
    pair = _pair(benchmark, True)
    with benchmark.Checker("r1kit", cores) as checker:
        over, within = checker.judge(pair, 0.0), checker.judge(pair, 60.0)
    assert (over.correct, over.trouble) == (False, "hang")
    assert (within.correct, within.trouble) == (True, "")


def test_an_exception_of_a_checker_is_no_verdict(judges):
    def judge(golds, pred):
        raise ZeroDivisionError(pred)

    assert judges.verdict(judge, ("1",), "1") is None
