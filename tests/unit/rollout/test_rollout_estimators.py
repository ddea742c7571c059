"""pass@k, cons@k and standard errors, by hand and against counting every subset."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1kit.rollout.estimators import majority_is_correct, mean, pass_at_k, standard_error


@pytest.mark.parametrize("num_samples", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(num_samples):
    for num_correct in range(num_samples + 1):
        samples = [True] * num_correct + [False] * (num_samples - num_correct)
        for k in range(1, num_samples + 1):
            subsets = list(combinations(samples, k))
            share = sum(map(any, subsets)) / len(subsets)
            assert pass_at_k(num_samples, num_correct, k) == pytest.approx(share, abs=1e-12)


def test_pass_at_k_by_hand():
    # 10 samples, 3 correct: 1 - C(7, 2) / C(10, 2) = 1 - 21 / 45
    assert pass_at_k(10, 3, 2) == pytest.approx(24 / 45)
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10, 3, 8) == 1.0


@given(st.integers(1, 300), st.data())
def test_pass_at_k_is_a_probability_that_grows_with_k_and_with_correct_samples(num_samples, data):
    num_correct = data.draw(st.integers(0, num_samples))
    k = data.draw(st.integers(1, num_samples))
    value = pass_at_k(num_samples, num_correct, k)
    assert 0 <= value <= 1
    if k < num_samples:
        assert pass_at_k(num_samples, num_correct, k + 1) >= value
    if num_correct < num_samples:
        assert pass_at_k(num_samples, num_correct + 1, k) >= value


@pytest.mark.parametrize(("num_samples", "num_correct", "k"), [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1)])
def test_impossible_counts_are_refused(num_samples, num_correct, k):
    with pytest.raises(ValueError, match="must be in"):
        pass_at_k(num_samples, num_correct, k)


def test_the_most_frequent_answer_decides():
    assert majority_is_correct(["7", "7", "8"], [True, True, False]) == 1
    assert majority_is_correct(["7", "8", "8"], [True, False, False]) == 0


def test_equally_frequent_answers_share_the_vote():
    assert majority_is_correct(["7", "8"], [True, False]) == 0.5
    assert majority_is_correct(["7", "8", "9", "9", "7"], [True, False, False, False, True]) == 0.5
    assert majority_is_correct(["1", "2", "3"], [False, True, False]) == pytest.approx(1 / 3)


def test_samples_without_an_answer_do_not_vote():
    assert majority_is_correct([None, None, None, "7"], [False, False, False, True]) == 1
    assert majority_is_correct([None, None], [False, False]) == 0


def test_spaces_in_an_answer_make_no_other_answer():
    assert majority_is_correct(["x + 1", "x+1", "2"], [True, True, False]) == 1
    assert majority_is_correct(["x + 1", "x+1", "2", "2", "2"], [True, True, False, False, False]) == 0


def test_the_standard_error_by_hand():
    # values 0, 1, 1: mean 2/3, variance (4/9 + 1/9 + 1/9) / 2 = 1/3, error sqrt(1/9)
    assert standard_error([0, 1, 1]) == pytest.approx(1 / 3)
    assert standard_error([0.5] * 9) == 0
    # a rate p over n problems: about sqrt(p (1 - p) / (n - 1))
    assert standard_error([1.0] * 30 + [0.0] * 70) == pytest.approx(math.sqrt(0.3 * 0.7 / 99))


def test_one_value_has_no_standard_error():
    assert standard_error([0.3]) is None
    assert standard_error([]) is None


def test_the_mean_of_many_small_values_loses_nothing():
    assert mean([0.1] * 10) == 0.1
    assert mean([1e16, 1.0, -1e16, 1.0]) == 0.5
