"""Which part of a completion is judged (DeepSeek-R1 2025, section 2.3.4).

Helpfulness is judged by the summary alone, so that the reasoning is left as free as it is; harmlessness by all of
the completion, since harm can stand in the reasoning as well.
"""

from __future__ import annotations

from typing import Literal

from r1kit.rewards.math.extract import ANSWER_CLOSE, ANSWER_OPEN
from r1kit.rewards.reasoning import parse_reasoning

Span = Literal["summary", "completion"]


def span_of(text: str, span: Span) -> str | None:
    """The part of a completion that `span` means, or None where a summary is asked for and there is none.

    "completion": all of it, as it stands. "summary": what follows the reasoning, without white space around it and
    without the <answer> tags where they hold all of it; a text without think tags is all summary, reasoning that was
    not closed has none.
    """
    if span == "completion":
        return text
    return _unwrapped(parse_reasoning(text).reply.strip()) or None


def _unwrapped(reply: str) -> str:
    """`reply` without one pair of <answer> tags around all of it."""
    if not (reply.startswith(ANSWER_OPEN) and reply.endswith(ANSWER_CLOSE)):
        return reply
    content = reply.removeprefix(ANSWER_OPEN).removesuffix(ANSWER_CLOSE)
    # with more tags inside, the outer two are no pair
    return reply if ANSWER_OPEN in content or ANSWER_CLOSE in content else content.strip()
