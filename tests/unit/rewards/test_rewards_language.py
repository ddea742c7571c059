"""The language of a text."""

import time

import pytest

from r1kit.config.rewards import RewardConfig
from r1kit.core.errors import ConfigError
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason
from r1kit.rewards.compose import build_scorer
from r1kit.rewards.language import (
    count_words,
    detect_language,
    is_mixed,
    language_reward,
    language_share,
    main_language,
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
        ("二〇二四年", {"zh": 5}),
        ("等等，我再想一想。所以答案是 7。", {"zh": 12}),
        ("“等等”—then—《so》", {"en": 2, "zh": 2}),
        ("那么f(x)=2x，于是sin(x)", {"en": 1, "zh": 4}),
        ("我用Python写，用for循环", {"en": 2, "zh": 6}),
        ("don't, well-known", {"en": 3}),
        ("x² + y₁ = z³", {}),
        ("① first ② 然后", {"en": 1, "zh": 2}),
        ("x ∈ ℝ and 𝑦 ∈ ℂ", {"en": 1}),
        ("Ｈｅｌｌｏ ３＋４", {"en": 1}),
        ("cafe\u0301 cliche\u0301", {"en": 2}),
        ("tiếng Việt", {"en": 2}),
        ("5 µm, 3 kΩ", {}),
        ("ひらがな カタカナ", {"other": 2}),
        ("한국어 문장", {"other": 2}),
        (r"\( a because \( b \) so", {"en": 2}),
        (r"\[ x \text{ when } \] so", {"en": 1}),
        (r"\[ never closed so", {"en": 3}),
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


@pytest.mark.parametrize(
    "piece", [r"\(", r"\[", r"\begin{", r"\(a", "$", "$$", "`", "```", "<a", r"\[\]", "<"]
)
def test_a_flood_of_marks_that_open_something_is_counted_in_linear_time(piece: str) -> None:
    started = time.perf_counter()
    count_words(piece * 100_000)
    # Linear work takes a fraction of a second; reading on from every mark to the end, minutes.
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is 2+2?", "en"),
        ("2+2等于几？", "zh"),
        ("请用 Python 写一个函数", "zh"),
        ("Translate 春眠 into English, please.", "en"),
        ("Translate: 春眠不觉晓", "zh"),
        ("so 春", None),
        ("3+4", None),
        ("", None),
        ("Что такое word", None),
        ("Что такое because and so on", "en"),
    ],
)
def test_the_main_language_is_the_one_most_words_are_in(text: str, language: str | None) -> None:
    assert main_language(text) == language


def consistency(problem: str, reasoning: str, **options: object) -> float | None:
    """The language reward of a completion to `problem`."""
    scorer = build_scorer([RewardConfig(name="language", options=options)], default_max_tokens=9)
    text = f"<think>{reasoning}</think>7"
    return scorer.score(Problem("p", problem), Completion(text, (1,), (-1.0,), FinishReason.STOP)).reward


@pytest.mark.parametrize(
    ("problem", "reasoning", "share"),
    [
        ("What is 3+4?", "first 3+4 so 7", 1.0),
        ("What is 3+4?", "先 3+4 所以 7", 0.0),
        ("3+4等于几？", "先 3+4 所以 7", 1.0),
        ("3+4等于几？", "first 3+4 so 7", 0.0),
        ("3+4等于几？", "first 先 3+4 so 所以 7", 3 / 5),
        ("What is 3+4?", "first 先 3+4 so 所以 7", 2 / 5),
        ("3+4", "first 3+4", 1.0),
        ("3+4", "先 3+4", 0.0),
        ("3+4等于几？", "3+4=7", 0.0),
    ],
)
def test_the_reasoning_is_to_keep_to_the_language_of_the_problem(
    problem: str, reasoning: str, share: float
) -> None:
    assert consistency(problem, reasoning, language="prompt") == pytest.approx(share)


def test_where_the_problem_has_no_language_another_can_be_named() -> None:
    assert consistency("3+4", "先 3+4 so", language="prompt", otherwise="zh") == 0.5
    assert consistency("3+4", "先加 so", language="prompt", otherwise="zh") == pytest.approx(2 / 3)
    assert consistency("What is 3+4?", "先加 so", language="prompt", otherwise="zh") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "problem"}, "language is 'problem'; it must be en or zh, or prompt"),
        ({"language": "prompt", "otherwise": "fr"}, "otherwise is 'fr'; it must be en or zh"),
        ({"language": "zh", "otherwise": "en"}, "otherwise is 'en'; .* and language must be prompt"),
    ],
)
def test_wrong_languages_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        consistency("3+4", "so", **options)
