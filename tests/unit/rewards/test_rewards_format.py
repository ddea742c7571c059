"""The format reward."""

import pytest

from r1kit.core.problem import ProblemKind
from r1kit.rewards.format import format_reward

RIGHT = [
    "<think>2+2=4</think><answer>4</answer>",
    "<think>\nfirst 2+2\nso 4\n</think>\n<answer>4</answer>\n",
    "\n<think>a</think>\n\nThe sum is \\boxed{4}.\nThat is all.",
    "<think>is it \\boxed{5}? no</think><answer>\\boxed{4}</answer>",
]
WRONG = [
    "",
    "4",
    "<answer>4</answer>",
    "<think>a</think>",
    "<think></think><answer>4</answer>",
    "<think> \n </think><answer>4</answer>",
    "<think>a<answer>4</answer>",
    "a</think><answer>4</answer>",
    "Well. <think>a</think><answer>4</answer>",
    "<think>a</think><think>b</think><answer>4</answer>",
    "<think>a<think>b</think><answer>4</answer>",
    "<think>a</think></think><answer>4</answer>",
    "<think>a</think><answer></answer>",
    "<think>a</think><answer> </answer>",
    "<think>a</think><answer>4</answer><answer>5</answer>",
    "<think>a</think><answer>4<answer>5</answer>",
    "<think>a</think><answer>4</answer> and more",
    "<think>a</think>so <answer>4</answer>",
    "<think>a</think><answer>4</answer></answer>",
    "<think>a</think><answer>4",
    "<think>a<answer>4</answer></think><answer>4</answer>",
    "<think>a</think>4",
    "<think>a</think>\\boxed{}",
    "<think>a</think>\\boxed{4} or \\boxed{5}",
    "<think>a</think>\\boxed{4",
    "<think>a</think><answer>\\boxed{4}\\boxed{5}</answer>",
    "<think>a</think><answer>\\boxed{}</answer>",
    "</think><think>a<answer>4</answer>",
]


@pytest.mark.parametrize("text", RIGHT)
def test_one_block_of_thinking_and_one_answer_is_the_format(text: str) -> None:
    assert format_reward(text) == 1.0


@pytest.mark.parametrize("text", WRONG)
def test_anything_missing_repeated_or_beside_it_is_not(text: str) -> None:
    assert format_reward(text) == 0.0


GENERAL_RIGHT = [
    "<think>a rhyme</think>Roses are red.",
    "\n<think>\na\n</think>\n\nRoses\nare red.\n",
    "<think>想一想</think>春眠不觉晓",
    "<think>a</think><answer>Roses are red.</answer>",
    "<think>a</think>\n<answer>\nRoses\n</answer>\n",
    "<think>a</think>either \\boxed{4} or \\boxed{5}",
    "<think>a</think>```python\nprint()\n```",
    "<think>a </answer> b</think>Roses",
]
GENERAL_WRONG = [
    "",
    "Roses",
    "<answer>Roses</answer>",
    "<think>a</think>",
    "<think>a</think>  \n",
    "<think>a",
    "<think></think>Roses",
    "<think> </think>Roses",
    "Well. <think>a</think>Roses",
    "a</think>Roses",
    "<think>a</think>Roses<think>b</think>",
    "<think>a</think>Roses</think>",
    "<think>a<think>b</think>Roses",
    "<think>a<answer>b</think>Roses",
    "<think>a</think><answer></answer>",
    "<think>a</think><answer> </answer>",
    "<think>a</think><answer>Roses",
    "<think>a</think>Roses</answer>",
    "<think>a</think>Well: <answer>Roses</answer>",
    "<think>a</think><answer>Roses</answer> are red",
    "<think>a</think><answer>a</answer><answer>b</answer>",
    "<think>a</think><answer><answer>b</answer></answer>",
]


@pytest.mark.parametrize("text", GENERAL_RIGHT)
def test_to_a_general_problem_the_reply_may_be_any_words(text: str) -> None:
    assert format_reward(text, ProblemKind.GENERAL) == 1.0


@pytest.mark.parametrize("text", GENERAL_WRONG)
def test_to_a_general_problem_the_reply_is_not_empty_and_holds_no_loose_tags(text: str) -> None:
    assert format_reward(text, ProblemKind.GENERAL) == 0.0


def test_what_a_general_problem_allows_a_math_problem_does_not() -> None:
    assert format_reward("<think>a</think>Roses are red.", ProblemKind.MATH) == 0.0
    assert format_reward("<think>a</think>Roses are red.", ProblemKind.CODE) == 0.0
