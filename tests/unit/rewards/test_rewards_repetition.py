"""The repetition penalty."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1kit.config.rewards import RewardConfig
from r1kit.core.errors import ConfigError
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason
from r1kit.rewards.compose import build_scorer
from r1kit.rewards.repetition import repetition_penalty


@pytest.mark.parametrize(
    ("text", "ngram", "penalty"),
    [
        # 6 pairs: (a b)(b a)(a b)(b a)(a b)(b c): 3 different of 6
        ("aa bb aa bb aa bb cc", 2, -3 / 6),
        # 4 runs of 4, the last is the first again
        ("so it is so it is so", 4, -1 / 4),
        ("the cat sat on the mat", 4, 0.0),
        ("the cat The CAT", 2, -1 / 3),
        # one character a word: 3 pairs, the last is the first again
        ("我们我们", 2, -1 / 3),
        ("先算加法，先算乘法", 2, -1 / 7),
        ("3 + 4 = 7, 3 + 4 = 8", 2, -1 / 5),
        ("1.5 and 1.25", 1, 0.0),
        ("1.5 or 1.5", 1, -1 / 3),
        ("then然后then然后", 2, -2 / 5),
        ("потом потом потом", 1, -2 / 3),
    ],
)
def test_the_penalty_is_the_share_of_runs_that_occurred_before(text: str, ngram: int, penalty: float) -> None:
    assert repetition_penalty(text, ngram=ngram) == pytest.approx(penalty)


@pytest.mark.parametrize("text", ["", "   ", "= + = + =", "wait", "wait wait wait", "wait wait wait wait"])
def test_texts_too_short_to_repeat_a_run_are_not_punished(text: str) -> None:
    assert repetition_penalty(text) == 0.0


def test_going_round_in_circles_comes_near_minus_one() -> None:
    assert repetition_penalty("wait, let me check that again. " * 200) < -0.99
    assert repetition_penalty("嗯" * 500) < -0.99


@given(st.lists(st.sampled_from(["a", "bb", "七", "12"]), max_size=40), st.integers(1, 5))
def test_it_equals_a_naive_count_and_stays_within_its_bounds(words: list[str], ngram: int) -> None:
    seen: list[list[str]] = []
    num_repeated = 0
    for start in range(len(words) - ngram + 1):
        run = words[start : start + ngram]
        num_repeated += run in seen
        seen.append(run)
    value = repetition_penalty(" ".join(words), ngram=ngram)
    assert value == pytest.approx(-num_repeated / len(seen) if len(seen) > 1 else 0.0)
    assert -1 <= value <= 0


@pytest.mark.parametrize("flood", ["wait ", "嗯", "so 3 then 4 ", "$\\frac{", "a1b2", "1.", "...."])
def test_a_flood_takes_no_longer_a_character_than_a_short_text(flood: str) -> None:
    started = time.perf_counter()
    repetition_penalty(flood * (600_000 // len(flood)), ngram=20)
    # Linear work takes a fraction of a second here; a quadratic one, minutes.
    assert time.perf_counter() - started < 5


def test_it_is_a_reward_with_an_option() -> None:
    done = Completion("aa bb aa bb aa bb cc", (1,), (-1.0,), FinishReason.STOP)
    configs = [
        RewardConfig(name="repetition", weight=0.5, options={"ngram": 2}),
        RewardConfig(name="repetition", label="long"),
    ]
    score = build_scorer(configs, default_max_tokens=9).score(Problem("p", "?"), done)
    # runs of 4: (a b a b)(b a b a)(a b a b)(b a b c)
    assert dict(score.parts) == pytest.approx({"repetition": -1 / 2, "long": -1 / 4})
    assert score.reward == pytest.approx(-0.25 - 0.25)
    for ngram in (0, 2.5, True, "4"):
        with pytest.raises(ConfigError, match=r"option ngram is .*; it must be a whole number of at least 1"):
            build_scorer([RewardConfig(name="repetition", options={"ngram": ngram})], default_max_tokens=9)
