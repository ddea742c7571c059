"""Which part of a completion a reward model is shown."""

from __future__ import annotations

import pytest

from r1kit.rewards.span import span_of


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("<think> why </think> Because.", "Because."),
        ("why </think>\n\nBecause.\n", "Because."),
        ("<think>why</think><answer> Because. </answer>", "Because."),
        ("<think>why</think>So: <answer>Because.</answer>", "So: <answer>Because.</answer>"),
        (
            "<think>why</think><answer>a</answer> or <answer>b</answer>",
            "<answer>a</answer> or <answer>b</answer>",
        ),
        ("A plain reply.", "A plain reply."),
        ("<think>a</think>first<think>b</think>last", "last"),
    ],
)
def test_the_summary_is_what_follows_the_reasoning(text: str, summary: str) -> None:
    assert span_of(text, "summary") == summary


@pytest.mark.parametrize(
    "text",
    [
        "<think> and so on without an end",
        "<think>why</think>  \n",
        "<think>why</think><answer> </answer>",
        "",
    ],
)
def test_a_completion_without_a_summary_has_none(text: str) -> None:
    assert span_of(text, "summary") is None


@pytest.mark.parametrize("text", ["<think> why </think> Because.", "<think> no end", ""])
def test_the_completion_is_all_of_it(text: str) -> None:
    assert span_of(text, "completion") == text
