"""The length penalty."""

import pytest

from r1kit.rewards.length import overlong_penalty


@pytest.mark.parametrize(
    ("num_tokens", "penalty"), [(0, 0.0), (80, 0.0), (81, -0.05), (90, -0.5), (100, -1.0), (1000, -1.0)]
)
def test_the_penalty_falls_linearly_over_the_buffer(num_tokens: int, penalty: float) -> None:
    assert overlong_penalty(num_tokens, max_tokens=100, buffer=20) == pytest.approx(penalty)


def test_the_numbers_of_the_article() -> None:
    # DAPO: 16,384 tokens expected and a cache of 4,096.
    assert overlong_penalty(16_384, max_tokens=20_480, buffer=4_096) == 0.0
    assert overlong_penalty(18_432, max_tokens=20_480, buffer=4_096) == -0.5
    assert overlong_penalty(20_480, max_tokens=20_480, buffer=4_096) == -1.0
