"""The rules by which completions are kept, each by a case."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from rollout_groups import completion, group, worked

from r1kit.config.stages import KeepConfig
from r1kit.core.problem import ProblemKind
from r1kit.core.rollout import Completion, Group
from r1kit.reject_sample.keep import decide


def reasons(given: Group, seed: int = 0, **rules: Any) -> list[str | None]:
    decisions = decide(given, KeepConfig(**rules), random.Random(seed))
    assert [d.rollout for d in decisions] == list(given.rollouts)
    return [d.reason for d in decisions]


def distinct(lengths: list[int]) -> list[Completion]:
    """Acceptable completions that differ, of these lengths."""
    return [completion(worked("7", f"first {n}-{n}\nso 7"), length) for n, length in enumerate(lengths)]


MIXED = worked("7", "first 3+4\n所以 7")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (worked("7"), None),
        (completion(worked("7"), cut=True), "truncated"),
        (worked("8"), "wrong"),
        ("<think>\nfirst 3+4\n</think>\nit is seven", "no_answer"),
        ("<answer>7</answer>", "format"),
        (worked("7") + " indeed", "format"),
        (MIXED, "mixed languages"),
    ],
)
def test_each_flaw_is_named(written, reason):
    assert reasons(group([written])) == [reason]


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (worked("8"), "require_correct"),
        ("<answer>7</answer>", "require_format"),
        (MIXED, "require_one_language"),
    ],
)
def test_each_rule_can_be_switched_off(written, rule):
    assert reasons(group([written]), **{rule: False}) == [None]
    others = {"require_correct", "require_format", "require_one_language"} - {rule}
    assert reasons(group([written]), **dict.fromkeys(others, False)) != [None]


def test_a_truncated_completion_is_never_kept():
    cut = completion(worked("7"), cut=True)
    off = dict.fromkeys(("require_correct", "require_format", "require_one_language"), False)
    assert reasons(group([cut]), **off) == ["truncated"]


def test_the_first_rule_that_fails_names_the_reason():
    assert reasons(group([completion("8, 所以 first", cut=True), "then it is 所以 8"])) == [
        "truncated",
        "no_answer",
    ]


def test_what_nothing_judges_is_kept_only_when_correctness_is_not_required():
    essay = group([worked("7")], kind=ProblemKind.GENERAL)
    assert reasons(essay) == ["no reward"]
    assert reasons(essay, require_correct=False) == [None]


def rewarded(*rewards: float | None) -> Group:
    texts = [f"<think>word {number}</think>all is well" for number in range(len(rewards))]
    essay = group([completion(text) for text in texts], kind=ProblemKind.GENERAL)
    scored = [
        replace(one, score=replace(one.score, reward=reward))
        for one, reward in zip(essay.rollouts, rewards, strict=True)
    ]
    return replace(essay, rollouts=tuple(scored))


def test_a_general_completion_is_kept_from_a_reward_on():
    essay = rewarded(0.5, -0.1, None, 0.0)
    assert reasons(essay) == [None, "low reward", "no reward", None]
    assert reasons(essay, min_reward=0.25) == [None, "low reward", "no reward", "low reward"]


def test_the_best_are_those_of_the_highest_reward():
    essay = rewarded(0.5, 0.9, 0.1, 0.7)
    assert reasons(essay, select="best", max_per_problem=2) == ["enough kept", None, "enough kept", None]


def test_the_language_is_looked_for_in_the_reasoning():
    # In the reply a single foreign word is a name or a quotation.
    assert reasons(group(["<think>\nfirst 3+4\n</think>\n答案 is \\boxed{7}"])) == [None]
    assert reasons(group(["答案 is \\boxed{7}"]), require_format=False) == ["mixed languages"]


def test_a_text_that_occurs_again_is_a_duplicate_whatever_space_is_around_it():
    given = group([worked("7"), worked("8"), worked("7") + "\n", "  " + worked("7"), worked("8")])
    assert reasons(given) == [None, "wrong", "duplicate", "duplicate", "wrong"]


def test_no_more_than_the_limit_is_kept_and_the_rest_says_so():
    given = group(distinct([9, 8, 7, 6, 5]))
    for select in ("shortest", "first", "random"):
        why = reasons(given, select=select, max_per_problem=2)
        assert sorted(map(str, why)) == ["None", "None", "enough kept", "enough kept", "enough kept"]
        assert reasons(given, select=select, max_per_problem=9) == [None] * 5


def kept(given: Group, **rules: Any) -> list[int]:
    return [number for number, reason in enumerate(reasons(given, **rules)) if reason is None]


def test_the_shortest_or_the_first_are_taken():
    given = group(distinct([9, 5, 7, 6, 5]))
    assert kept(given, select="shortest", max_per_problem=3) == [1, 3, 4]
    assert kept(given, select="shortest", max_per_problem=1) == [1]
    assert kept(given, select="first", max_per_problem=3) == [0, 1, 2]


def test_a_random_choice_is_the_seeds_and_all_are_chosen_as_often():
    given = group(distinct([9, 8, 7, 6]))
    assert kept(given, seed=3, max_per_problem=2) == kept(given, seed=3, max_per_problem=2)
    chosen = [number for seed in range(400) for number in kept(given, seed=seed, max_per_problem=2)]
    assert all(abs(chosen.count(number) - 200) < 40 for number in range(4))


def test_only_what_is_acceptable_counts_against_the_limit():
    given = group([worked("8"), *distinct([9, 8]), "<answer>7</answer>"])
    assert reasons(given, select="first", max_per_problem=2) == ["wrong", None, None, "format"]
