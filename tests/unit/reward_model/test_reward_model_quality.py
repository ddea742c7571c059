"""Figures on held-out pairs, by hand."""

from __future__ import annotations

import math
import random

import pytest

from r1kit.reward_model.quality import (
    Quality,
    ScoredPair,
    alarms,
    calibration_error,
    in_words,
    measure,
)

PAIRS = [
    ScoredPair("a", 2.0, 0.0, 10, 5),
    ScoredPair("b", 1.0, 3.0, 4, 4),
    ScoredPair("c", 1.0, 1.0, 3, 9),
    ScoredPair("d", 4.0, 1.0, 8, 2),
]


def test_accuracy_counts_a_tie_as_a_half_and_has_its_interval() -> None:
    quality = measure(PAIRS, seed=0)
    assert quality.accuracy == 2.5 / 4
    low, high = quality.accuracy_interval
    assert 0 < low < 0.625 < high < 1
    assert quality.length_rule_accuracy == 2.5 / 4


def test_margin_loss_mean_and_deviation_are_those_of_the_scores() -> None:
    quality = measure(PAIRS, seed=0)
    scores = [2.0, 0.0, 1.0, 3.0, 1.0, 1.0, 4.0, 1.0]
    centre = sum(scores) / 8
    spread = math.sqrt(sum((score - centre) ** 2 for score in scores) / 7)
    assert quality.mean == pytest.approx(centre)
    assert quality.std == pytest.approx(spread)
    assert quality.mean_margin == pytest.approx((2 - 2 + 0 + 3) / 4 / spread)
    assert quality.loss == pytest.approx(sum(math.log(1 + math.exp(-ahead)) for ahead in (2, -2, 0, 3)) / 4)
    chosen = sorted((score - centre) / spread for score in (2, 1, 1, 4))
    assert quality.chosen_quantiles["0.5"] == pytest.approx((chosen[1] + chosen[2]) / 2)
    assert quality.chosen_quantiles["0.25"] == pytest.approx(chosen[0] + 0.75 * (chosen[1] - chosen[0]))


def test_the_length_correlation_is_pearsons_over_all_replies() -> None:
    longer_is_better = [ScoredPair(str(i), float(i + 5), float(i), i + 5, i) for i in range(4)]
    assert measure(longer_is_better, seed=0).length_correlation == pytest.approx(1.0)
    same_length = [ScoredPair("a", 1.0, 0.0, 7, 7), ScoredPair("b", 2.0, 0.0, 7, 7)]
    quality = measure(same_length, seed=0)
    assert quality.length_correlation is None
    assert "reward_model/length_correlation" not in quality.metrics()


def test_a_reward_model_that_says_nothing_is_at_chance_and_its_scores_can_be_normalised() -> None:
    quality = measure([ScoredPair(str(i), 0.0, 0.0, 1, 1) for i in range(9)], seed=0)
    assert (quality.accuracy, quality.std, quality.mean_margin) == (0.5, 1.0, 0.0)


def test_chances_that_come_true_as_often_as_they_say_have_no_calibration_error() -> None:
    draw = random.Random(1)
    ahead = []
    for _ in range(40000):
        size = draw.uniform(0, 4)
        right = draw.random() < 1 / (1 + math.exp(-size))
        ahead.append(size if right else -size)
    assert calibration_error(ahead, seed=0) < 0.02
    # five times as sure, and no more often right
    assert calibration_error([5 * value for value in ahead], seed=0) > 0.1


def test_the_calibration_error_of_two_pairs_by_hand() -> None:
    # 0.9 for what came true, in whichever way round each is put: a gap of 0.1 in the bins of 0.9 and of 0.1
    ahead = [math.log(9)] * 8
    assert calibration_error(ahead, seed=0) == pytest.approx(0.1)
    assert calibration_error([-value for value in ahead], seed=0) == pytest.approx(0.9)


def test_scores_far_apart_are_no_accident() -> None:
    assert calibration_error([1e4, -1e4], seed=0) == pytest.approx(0.5)


def said(pairs: list[ScoredPair]) -> str:
    quality: Quality = measure(pairs, seed=0)
    return "\n".join(alarms(quality))


def test_an_accuracy_like_a_coins_is_an_alarm() -> None:
    assert "4 held-out pairs do not tell this reward model from a coin" in said(PAIRS)


def test_a_reward_model_that_is_mostly_wrong_is_an_alarm() -> None:
    assert "the right way round?" in said([ScoredPair(str(i), 0.0, 1.0, 3, 3) for i in range(30)])


@pytest.mark.parametrize(("sign", "kind"), [(1, "long"), (-1, "short")])
def test_scores_that_follow_the_length_are_an_alarm(sign: int, kind: str) -> None:
    pairs = [ScoredPair(str(i), sign * (i + 9.0), sign * float(i), i + 9, i) for i in range(20)]
    assert f"likes {kind} replies" in said(pairs)


def test_pairs_that_teach_nothing_but_length_are_an_alarm() -> None:
    pairs = [ScoredPair(str(i), 1.0, 0.0, 2, 1) for i in range(30)]
    assert "no less than the reward model" in said(pairs)


def test_a_good_reward_model_raises_no_alarm_and_its_figures_are_said() -> None:
    pairs = [ScoredPair(str(i), 1.0, 0.0, 5 + i % 3, 6) for i in range(30)]
    assert said(pairs) == ""
    words = in_words(measure(pairs, seed=0))
    assert words.startswith("100.0% of 30 held-out pairs right (88.6% to 100.0%)")
    assert "'longer is better': 50.0%" in words
