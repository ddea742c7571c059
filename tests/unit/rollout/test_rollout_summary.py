"""Figures of groups, by hand."""

from __future__ import annotations

import pytest
from rollout_groups import completion, group, worked

from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Group, Rollout, Score, Verdict
from r1kit.rollout.summary import count_verdicts, reward_figures, summarise, summarise_by_level


def test_accuracy_of_one_sample_a_problem():
    groups = [group([worked("7")]), group([worked("8")]), group(["7, I think"]), group([worked("7")])]
    figures = summarise(groups)
    assert figures["num_problems"] == 4
    assert figures["pass@1"] == 0.5
    # four values 1, 0, 0, 1: variance 4 * 0.25 / 3, error sqrt(1/3 / 4)
    assert figures["pass@1_stderr"] == pytest.approx((1 / 12) ** 0.5)
    assert figures["no_answer_rate"] == 0.25
    assert figures["format_rate"] == 0.75
    assert not [name for name in figures if name.startswith(("pass@2", "cons@"))]


def test_several_samples_give_pass_at_k_for_powers_of_two_and_k_and_the_vote_of_all():
    three_of_five = group([worked("7"), worked("8"), worked("7"), worked("8"), worked("7")])
    one_of_five = group([worked("7"), worked("8"), worked("8"), worked("9"), "nothing"])
    figures = summarise([three_of_five, one_of_five])
    assert figures["pass@1"] == pytest.approx((3 / 5 + 1 / 5) / 2)
    # 1 - C(2,2)/C(5,2) = .9 and 1 - C(4,2)/C(5,2) = .4; 1 - 0 and 1 - C(4,4)/C(5,4) = .8
    assert figures["pass@2"] == pytest.approx((0.9 + 0.4) / 2)
    assert figures["pass@4"] == pytest.approx((1.0 + 0.8) / 2)
    assert "pass@8" not in figures
    assert figures["pass@5"] == 1.0
    assert figures["cons@5"] == 0.5
    assert figures["pass@1_stderr"] == pytest.approx(0.2)


def test_rates_are_over_all_samples_and_lengths_are_means():
    groups = [
        group([completion(worked("7"), 10), completion("<think>\nfirst", 48, cut=True)]),
        group([completion(worked("8"), 20), completion("7", 2)]),
    ]
    figures = summarise(groups)
    assert figures["truncated_rate"] == 0.25
    assert figures["mean_tokens"] == 20
    assert figures["format_rate"] == 0.5


def test_the_language_rate_is_over_the_completions_whose_reasoning_has_words():
    groups = [
        group([worked("7", "first 3+4\nso 7")]),
        group([worked("7", "先 3+4\n所以 7")]),
        group([worked("7", "3+4=7")]),
        group(["seven of course"]),
    ]
    assert summarise(groups, "en")["language_rate"] == 0.5
    # 2 English words; 1 + 2 Chinese characters, all of their text: each share is of one completion.
    assert summarise([groups[0]], "zh")["language_rate"] == 0
    assert "language_rate" not in summarise(groups)
    assert "language_rate" not in summarise(groups[2:], "en")


def test_without_samples_there_are_no_figures():
    assert summarise([]) == {}
    assert summarise([group([])]) == {}
    assert summarise_by_level([]) == {}


def test_one_problem_has_no_standard_error():
    assert "pass@1_stderr" not in summarise([group([worked("7"), worked("8")])])


def test_problems_that_nothing_judges_have_no_accuracy_but_lengths():
    figures = summarise([group(["an essay"], kind=ProblemKind.GENERAL)])
    assert "pass@1" not in figures
    assert "no_answer_rate" not in figures
    assert figures["mean_tokens"] == 5


def test_problems_that_nothing_judges_leave_the_accuracy_of_the_others_alone():
    mixed = [group([worked("7")]), group([worked("8")]), group(["an essay"], kind=ProblemKind.GENERAL)]
    assert (summarise(mixed)["num_problems"], summarise(mixed)["pass@1"]) == (2, 0.5)


def test_levels_are_summarised_apart_and_problems_without_one_are_in_none():
    groups = [
        group([worked("7")], level=4),
        group([worked("8")], level=4),
        group([worked("7")], level="5"),
        group([worked("7")]),
    ]
    levels = summarise_by_level(groups)
    assert {level: figures["pass@1"] for level, figures in levels.items()} == {"4": 0.5, "5": 1.0}
    assert levels["4"]["num_problems"] == 2


def test_verdicts_are_counted():
    counts = count_verdicts([group([worked("7"), worked("8"), "I do not know"]), group([worked("7")])])
    assert counts == {Verdict.CORRECT: 2, Verdict.WRONG: 1, Verdict.NO_ANSWER: 1}


def scored(kind: ProblemKind, *scores: Score) -> Group:
    rollouts = tuple(Rollout(completion("x"), score) for score in scores)
    return Group(Problem("p", "?", ("7",), kind), "?", (1,), rollouts)


def test_rewards_are_means_over_the_rollouts_that_have_them_and_by_kind():
    groups = [
        scored(
            ProblemKind.MATH,
            Score(1.2, {"math": 1.0, "format": 1.0}),
            Score(0.0, {"math": 0.0, "format": 0.0}),
            Score(None, {"math": None, "format": 1.0}),
        ),
        scored(ProblemKind.GENERAL, Score(-0.6, {"format": 0.0, "helpful": -0.6})),
    ]
    assert reward_figures(groups) == pytest.approx(
        {
            "mean": 0.2,
            "math": 0.5,
            "format": 0.5,
            "helpful": -0.6,
            "math/mean": 0.6,
            "math/format": 2 / 3,
            "general/mean": -0.6,
            "general/format": 0.0,
        }
    )


def test_rewards_of_one_kind_are_not_named_by_kind():
    groups = [scored(ProblemKind.GENERAL, Score(1.0, {"helpful": 2.0}), Score(0.0, {"helpful": -1.0}))]
    assert reward_figures(groups) == {"mean": 0.5, "helpful": 0.5}
    assert reward_figures([scored(ProblemKind.MATH, Score(None, {"math": None}))]) == {}
    assert reward_figures([]) == {}


def test_rewards_beside_the_verdict_have_a_mean_and_an_error_over_the_problems_they_judge():
    groups = [
        scored(ProblemKind.GENERAL, Score(None, {"helpful": 1.0}), Score(None, {"helpful": 3.0})),
        scored(ProblemKind.GENERAL, Score(None, {"helpful": 0.0}), Score(None, {"helpful": None})),
        scored(ProblemKind.MATH, Score(1.0, {"math": 1.0, "runnable": 1.0}, Verdict.CORRECT)),
    ]
    figures = summarise(groups)
    # problems 2 and 0: mean 1, variance 2, error sqrt(2 / 2)
    assert {name: value for name, value in figures.items() if name.startswith("reward/")} == pytest.approx(
        {"reward/helpful": 1.0, "reward/helpful_stderr": 1.0}
    )
    assert figures["pass@1"] == 1
    assert "reward/helpful_stderr" not in summarise(groups[1:])
