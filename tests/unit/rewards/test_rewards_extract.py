"""Which part of a completion is its final answer."""

import time

import pytest

from r1kit.rewards.math.extract import extract_answer
from r1kit.rewards.reasoning import Reasoning, parse_reasoning


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{14}", "14"),
        (r"\boxed {14}", "14"),
        (r"first \boxed{7}, but then \boxed{14}.", "14"),
        (r"\boxed{\frac{1}{\sqrt{2}}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"<think>\boxed{7}</think> so \boxed{14}", "14"),
        ("<think>it is 7</think><answer>14</answer>", "14"),
        ("<think>a</think> no <think>b</think><answer>14</answer>", "14"),
        ("working without an opening tag</think><answer> 14 </answer>", "14"),
        (r"<answer>\boxed{14}</answer>", "14"),
        (r"\boxed{7} <answer>14</answer>", "14"),
        ("<answer>7</answer><answer>14</answer>", "14"),
        (r"$\boxed{1}$ and $\boxed{3}$", "1, 3"),
        (r"\boxed{1}, \boxed{2}, \boxed{3}", "1, 2, 3"),
        (r"\boxed{7}\boxed{14}", "7, 14"),
        ("\\boxed{14}\n\n\\boxed{14}", "14"),
        (r"\boxed{1} \text{or} \boxed{2}", "1, 2"),
    ],
)
def test_the_last_answer_after_the_reasoning_counts(text: str, answer: str) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "14",
        "Answer: 14",
        r"\boxed{}",
        r"\boxed{ }",
        r"\boxed{14",
        r"\boxed{14} no, \boxed{1",
        r"\boxed{14} Final answer: \boxed{}",
        r"\boxed{14}, \boxed{}",
        "<answer></answer>",
        "<answer>14",
        "<answer>14</answer> or <answer>15",
        r"<answer>\boxed{1</answer>",
        r"<think>\boxed{14}",
        r"<think>a</think> \boxed{14} <think>wait",
        r"<think>\boxed{14}</think> done",
    ],
)
def test_an_empty_unfinished_or_missing_answer_is_none(text: str) -> None:
    assert extract_answer(text) is None


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>a</think>b", Reasoning("a", "b")),
        ("a</think>b", Reasoning("a", "b")),
        ("b", Reasoning(None, "b")),
        ("<think>a", Reasoning("a", "")),
        ("x<think>a</think>b<think>c", Reasoning("a</think>b<think>c", "")),
        ("<think>a</think>b</think>c", Reasoning("a</think>b", "c")),
        ("", Reasoning(None, "")),
    ],
)
def test_a_completion_splits_into_reasoning_and_reply(text: str, reasoning: Reasoning) -> None:
    assert parse_reasoning(text) == reasoning


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{" * 100_000,
        r"\boxed{1} \text{ " * 50_000,
        r"\boxed{" + "{" * 1_000_000,
        r"\boxed{1}," * 50_000 + "x",
        "<answer>" * 100_000,
        "<think>" * 100_000 + "</think>" * 100_000,
        r"\boxed{1}" + r"\text{ " * 50_000 + "x" + r"\boxed{2}",
    ],
)
def test_extraction_is_fast_on_hostile_texts(text: str) -> None:
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 1.0
