"""The language of a text."""

import pytest

from r1kit.rewards.language import (
    count_words,
    detect_language,
    is_mixed,
    language_reward,
    language_share,
)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("first we add the numbers", {"en": 5}),
        ("先算加法", {"zh": 4}),
        ("first 先", {"en": 1, "zh": 1}),
        ("then然后", {"en": 1, "zh": 2}),
        ("the café is a naïve idea", {"en": 5}),
        ("先 7-5 = 2, 所以 2", {"zh": 3}),
        ("let x be 3 and y1 be 4", {"en": 4}),
        (r"\frac{a}{b} is $\text{the} x + y$ small", {"en": 2}),
        ("run `print(value)` now\n```python\nfor word in words: pass\n```", {"en": 2}),
        ("<think>word</think> <answer>", {"en": 1}),
        ("слово and word", {"en": 2, "other": 1}),
        ("α + β = 3x − 2", {}),
        ("12 + 30 = 42", {}),
        ("", {}),
    ],
)
def test_words_are_counted_by_script_and_mathematics_is_not(text: str, counts: dict[str, int]) -> None:
    assert count_words(text) == counts


def test_the_share_is_that_of_the_words() -> None:
    assert language_share("so we get 三 four", "en") == pytest.approx(4 / 5)
    assert language_share("so we get 三 four", "zh") == pytest.approx(1 / 5)
    assert language_share("слово word", "en") == pytest.approx(1 / 2)


def test_a_text_without_words_has_no_language() -> None:
    assert language_share("3 + 4 = 7", "en") is None
    assert detect_language("3 + 4 = 7") is None
    assert not is_mixed("3 + 4 = 7")


@pytest.mark.parametrize(
    ("text", "language"), [("then 3", "en"), ("然后 3", "zh"), ("then 然后", "mixed"), ("потом", "other")]
)
def test_the_language_is_detected_by_script(text: str, language: str) -> None:
    assert detect_language(text) == language
    assert is_mixed(text) is (language == "mixed")


def test_the_reward_of_reasoning_without_a_word_is_zero() -> None:
    assert language_reward("then 3", "en") == 1.0
    assert language_reward("3 + 4", "en") == 0.0
    assert language_reward(None, "en") == 0.0


def test_more_formulas_do_not_change_the_share() -> None:
    text = "so 因 we get"
    assert language_share(text + r" $x^2$ \sqrt{2} 17 y" * 50, "en") == language_share(text, "en")
