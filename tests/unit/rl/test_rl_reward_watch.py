"""When a reward model is suspected of being hacked, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rollout_groups import completion

from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Group, Rollout, Score
from r1kit.models.reward_info import RewardInfo
from r1kit.rl.reward_watch import STEPS_BETWEEN_WORDS, WINDOW, RewardWatch

INFO = RewardInfo(
    span="completion",
    mean=0.0,
    std=1.0,
    accuracy=0.8,
    accuracy_interval=(0.7, 0.87),
    num_pairs=100,
    mean_margin=1.0,
    calibration_error=0.05,
    length_correlation=0.1,
    length_rule_accuracy=0.5,
    eos_token_id=0,
    dtype="float32",
    chosen_quantiles={"0.05": -1.0, "0.5": 0.5, "0.95": 2.0},
)
PROBLEM = Problem("p", "?", kind=ProblemKind.GENERAL)


def groups(scores: list[float | None], lengths: list[int]) -> list[Group]:
    rollouts = [
        Rollout(completion("x", length), Score(score, {} if score is None else {"kind": score}))
        for score, length in zip(scores, lengths, strict=True)
    ]
    return [Group(PROBLEM, "?", (1,), tuple(rollouts))]


def watched(info: RewardInfo = INFO) -> tuple[RewardWatch, list[str]]:
    said: list[str] = []
    return RewardWatch({"kind": info}, said.append), said


def test_a_reward_model_that_may_be_guessing_is_named_at_once():
    _, [said] = watched(replace(INFO, accuracy=0.55, accuracy_interval=(0.45, 0.65)))
    assert said == (
        "reward kind: right on 55% of 100 held-out pairs (95 % interval 45% to 65%), which may be chance; what it "
        "rewards is noise, train it on more pairs"
    )
    assert watched()[1] == []


def test_scores_within_what_was_checked_raise_no_alarm():
    watch, said = watched()
    for step in range(1, 30):
        metrics = watch.check(step, groups([0.0, 1.0, 0.5, 2.5], [5, 4, 6, 5]))
    assert metrics["reward_model/kind_high_share"] == 0.25
    assert metrics["reward_model/kind_alarms"] == 0
    # scores 0, 1, .5, 2.5 less their mean 1 against lengths less their mean 5: (-1, 0, -.5, 1.5) . (0, -1, 1, 0)
    assert metrics["reward_model/kind_length_correlation"] == pytest.approx(-0.5 / (3.5 * 2) ** 0.5)
    assert said == []


def test_scores_above_what_was_checked_are_an_alarm_once_a_window_is_full():
    watch, said = watched()
    for step in range(1, WINDOW + STEPS_BETWEEN_WORDS):
        metrics = watch.check(step, groups([2.5, 3.0, 0.0], [5, 5, 5]))
        assert len(said) == (step >= WINDOW)
        assert metrics["reward_model/kind_alarms"] == (step >= WINDOW)
    watch.check(WINDOW + STEPS_BETWEEN_WORDS, groups([2.5, 3.0, 0.0], [5, 5, 5]))
    assert len(said) == 2
    assert said[0].startswith(
        "step 10: reward kind: 67% of the completions score above 95 % of the chosen held-out replies"
    )


def test_scores_that_follow_length_are_an_alarm():
    watch, said = watched()
    for step in range(1, WINDOW + 1):
        metrics = watch.check(step, groups([0.1, 0.2, 0.3, 0.4], [10, 20, 30, 40]))
    assert metrics["reward_model/kind_length_correlation"] == pytest.approx(1.0)
    assert len(said) == 1
    assert "longer completions score higher (correlation 1.00, on the held-out replies 0.10)" in said[0]


def test_what_has_no_score_counts_nowhere():
    watch, _ = watched()
    assert watch.check(1, groups([None, None], [5, 5])) == {}
    metrics = watch.check(2, groups([None, 3.0, 0.0], [500, 5, 5]))
    assert metrics["reward_model/kind_high_share"] == 0.5
    assert "reward_model/kind_length_correlation" not in metrics


def test_completions_that_never_got_to_a_reply_say_nothing_of_the_reward_model():
    watch, said = watched(replace(INFO, span="summary"))
    cut = [
        Rollout(completion("<think>\non and on", 48, cut=True), Score(-3.0, {"kind": -3.0})) for _ in range(2)
    ]
    [ordinary] = groups([0.0, 1.0, 0.5, 2.5], [5, 4, 6, 5])
    for step in range(1, WINDOW + 1):
        metrics = watch.check(step, [replace(ordinary, rollouts=(*ordinary.rollouts, *cut))])
    assert abs(metrics["reward_model/kind_length_correlation"]) < 0.2
    assert said == []


def test_a_rising_score_beside_a_falling_preference_is_an_alarm():
    watch, said = watched()
    assert watch.compare(0, 0.8, 0.7) == {}
    watch.check(1, groups([0.0, 0.2], [5, 6]))
    # as good as before, within its interval
    assert watch.compare(10, 0.72, 0.6) == {"reward_model/pairs_alarms": 0.0}
    # below it, but the score has not risen
    assert watch.compare(20, 0.6, 0.5) == {"reward_model/pairs_alarms": 0.0}
    watch.check(21, groups([1.0, 1.2], [5, 6]))
    assert watch.compare(30, 0.6, 0.5) == {"reward_model/pairs_alarms": 1.0}
    assert len(said) == 1
    assert "the score of kind rises" in said[0]
    assert "in 60% of the pairs, down from 80%" in said[0]
