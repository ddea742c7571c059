"""Splits a completion into its reasoning and its reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

THINK_OPEN: Final = "<think>"
THINK_CLOSE: Final = "</think>"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """`think` is the text of the reasoning, None if there is none; `reply` is what follows it."""

    think: str | None
    reply: str


def parse_reasoning(text: str, *, think_is_open: bool = False) -> Reasoning:
    """The reasoning and the reply of a completion; neither part holds the outermost think tags.

    The reasoning ends at the last `</think>`. It starts at the first `<think>`, or at the start of the text
    when the tag is missing because the prompt opened it. Reasoning that is opened and not closed has no
    reply. `think_is_open` says that the prompt ends in `<think>`: a text without any tag is all reasoning.
    """
    before, closed, reply = text.rpartition(THINK_CLOSE)
    if THINK_OPEN in reply or (think_is_open and not closed):
        return Reasoning(_after_open(text), "")
    return Reasoning(_after_open(before), reply) if closed else Reasoning(None, text)


def _after_open(text: str) -> str:
    before, found, after = text.partition(THINK_OPEN)
    return after if found else before
