"""The format reward."""

import pytest

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
