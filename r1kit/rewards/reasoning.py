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


def parse_reasoning(text: str) -> Reasoning:
    """The reasoning and the reply of a completion; neither part holds the outermost think tags.

    The reasoning ends at the last `</think>`. It starts at the first `<think>`, or at the start of the text
    when that tag is missing. Reasoning that is opened and not closed has no reply.
    """
    before, closed, reply = text.rpartition(THINK_CLOSE)
    if THINK_OPEN in reply:
        return Reasoning(_after_open(text), "")
    return Reasoning(_after_open(before), reply) if closed else Reasoning(None, text)


def _after_open(text: str) -> str:
    before, found, after = text.partition(THINK_OPEN)
    return after if found else before
