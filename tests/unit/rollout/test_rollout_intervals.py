"""Intervals of shares, and correlations, against numbers by hand and other implementations."""

from __future__ import annotations

import numpy as np
import pytest

from r1kit.rollout.estimators import correlation, wilson_interval


def test_the_interval_of_nine_in_ten_by_hand() -> None:
    # (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with z = 1.96, n = 10
    low, high = wilson_interval(9, 10)
    assert low == pytest.approx(0.5958, abs=1e-4)
    assert high == pytest.approx(0.9821, abs=1e-4)


@pytest.mark.parametrize("num_trials", [1, 2, 7, 100, 5000])
def test_the_interval_holds_the_share_and_stays_between_0_and_1(num_trials: int) -> None:
    for num_successes in {0, 1, num_trials // 2, num_trials - 1, num_trials}:
        low, high = wilson_interval(num_successes, num_trials)
        assert 0 <= low <= num_successes / num_trials <= high <= 1
        other_low, other_high = wilson_interval(num_trials - num_successes, num_trials)
        assert (low, high) == pytest.approx((1 - other_high, 1 - other_low))


def test_the_bounds_are_where_the_normal_test_just_accepts() -> None:
    share, num_trials = 0.3, 50
    for bound in wilson_interval(share * num_trials, num_trials):
        distance = abs(share - bound) / (bound * (1 - bound) / num_trials) ** 0.5
        assert distance == pytest.approx(1.959964, abs=1e-6)


def test_no_trials_and_more_successes_than_trials_are_no_share() -> None:
    for num_successes, num_trials in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(ValueError, match="no share"):
            wilson_interval(num_successes, num_trials)


def test_the_correlation_is_numpys() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=40)
    second = 0.3 * first + generator.normal(size=40)
    expected = float(np.corrcoef(first, second)[0, 1])
    assert correlation(first.tolist(), second.tolist()) == pytest.approx(expected, rel=1e-12)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    assert correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert correlation([1.0], [2.0]) is None
