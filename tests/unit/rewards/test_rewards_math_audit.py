"""The audit of golds: each thing that can be wrong with a set is found, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Verdict
from r1kit.rewards.math import selftest
from r1kit.rewards.math.audit import (
    Audit,
    Finding,
    FindingKind,
    audit,
    audit_problems,
    fault_of,
    faulty_golds,
    gold_fault,
)

UNDEFINED = "5/0"


def problem(name: str, text: str, *golds: str, kind: ProblemKind = ProblemKind.MATH) -> Problem:
    return Problem(name, text, golds, kind)


def found(*problems: Problem) -> list[tuple[FindingKind, tuple[str, ...], tuple[str, ...]]]:
    return [(finding.kind, finding.ids, finding.golds) for finding in audit_problems(problems)]


@pytest.mark.parametrize("gold", ["7", r"\frac{1}{2}", "(1,2)", "x^2-4", r"\sqrt{2}", "C", r"5\text{ cm}"])
def test_a_good_gold_has_no_fault(gold):
    assert gold_fault(gold) is None


@pytest.mark.parametrize("gold", [UNDEFINED, "10^{10^{10^{10}}}", "((1"])
def test_a_gold_without_a_value_is_unusable_and_the_checkers_reason_is_kept(gold):
    fault = gold_fault(gold)
    assert fault is not None
    assert fault.kind is FindingKind.UNUSABLE
    assert fault.reason


def test_a_good_set_has_no_findings():
    assert found(problem("a", "1+1", "2"), problem("b", "1+2", "3", r"\frac{6}{2}")) == []


def test_each_unusable_gold_is_found_even_beside_a_good_one():
    problems = [problem("a", "p", "7", UNDEFINED), problem("b", "q", "1")]
    assert found(*problems) == [(FindingKind.UNUSABLE, ("a",), (UNDEFINED,))]


def test_one_good_gold_of_several_is_enough_to_be_judged():
    good, bad = problem("a", "p", UNDEFINED, "7"), problem("b", "q", UNDEFINED, "6/0")
    faults = faulty_golds([good, bad])
    assert set(faults) == {UNDEFINED, "6/0"}
    assert fault_of(good, faults) is None
    assert fault_of(bad, faults) == faults[UNDEFINED]


def test_a_math_problem_without_golds_is_found_and_other_kinds_need_none():
    poem = problem("poem", "write", kind=ProblemKind.GENERAL)
    code = problem("code", "sort", UNDEFINED, kind=ProblemKind.CODE)
    assert found(problem("a", "p"), poem, code) == [(FindingKind.NO_GOLD, ("a",), ())]


def test_an_id_of_several_problems_is_found_once():
    problems = [problem("a", "p", "1"), problem("a", "q", "2"), problem("a", "r", "3")]
    assert audit_problems(problems) == [Finding(FindingKind.REPEATED_ID, "3 rows", ("a",))]


def test_the_same_problem_up_to_blanks_is_found_with_whether_its_golds_agree():
    halves = [problem("a", "Half\n of 1?", "1/2"), problem("b", " Half of 1? ", "0.5")]
    third = problem("c", "Half of 1?", "1/3")
    assert found(*halves) == [(FindingKind.REPEATED, ("a", "b"), ("1/2", "0.5"))]
    assert found(*halves, third) == [(FindingKind.CONTRADICTION, ("a", "b", "c"), ("1/2", "0.5", "1/3"))]
    assert found(halves[0], replace(third, answers=("1/3", "1/2")))[0][0] is FindingKind.REPEATED
    assert found(halves[0], problem("d", "half of 1?", "1/3")) == []


def test_repeated_problems_are_notes_and_the_rest_are_errors():
    notes = {kind for kind in FindingKind if not kind.is_error}
    assert notes == {FindingKind.REPEATED, FindingKind.CONTRADICTION}


def test_the_table_groups_by_reason_and_names_three_problems():
    findings = [Finding(FindingKind.UNUSABLE, "zero", (name,), (UNDEFINED,)) for name in "abcd"]
    findings.append(Finding(FindingKind.REPEATED, "", ("a\x1b", "b"), ("1",)))
    assert list(Audit(9, findings, []).rows()) == [
        ("error", "4", "unusable gold", "zero", "a: '5/0'\nb: '5/0'\nc: '5/0'\n..."),
        ("note", "1", "repeated problem, equal golds", "", "'a\\x1b', b: '1'"),
    ]


def test_the_checker_passes_its_self_test():
    assert [failure.in_words() for failure in selftest.failures(num_workers=1)] == []
    assert len(selftest.CASES) >= 40


def test_the_self_test_tells_a_checker_that_errs(monkeypatch):
    wrong = selftest.Case("7", r"\boxed{8}", frozenset({Verdict.CORRECT}))
    monkeypatch.setattr(selftest, "CASES", (*selftest.CASES[:1], wrong))
    [failure] = selftest.failures(num_workers=1)
    assert failure == selftest.Failure(wrong, Verdict.WRONG)
    report = audit([problem("a", "p", "1")], [], num_workers=1)
    assert report.failures == [failure]
    assert "gold '7', '\\\\boxed{8}': wrong" in "\n".join(report.selftest_in_words())
    assert report.as_dict()["selftest"]["failed"] == [
        {"gold": "7", "completion": r"\boxed{8}", "verdict": "wrong"}
    ]
