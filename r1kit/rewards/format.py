"""The format reward: one block of thinking, then one answer (DeepSeek-R1 2025, section 2.2.2)."""

from __future__ import annotations

from r1kit.core.problem import ProblemKind
from r1kit.rewards.code.extract import extract_code
from r1kit.rewards.math.extract import ANSWER_CLOSE, ANSWER_OPEN, boxes
from r1kit.rewards.reasoning import THINK_CLOSE, THINK_OPEN, Reasoning, parse_reasoning

__all__ = ["Reasoning", "format_reward", "parse_reasoning"]


def format_reward(text: str, kind: ProblemKind = ProblemKind.MATH) -> float:
    r"""1.0 for a completion in the format, else 0.0; whether the answer is right plays no part.

    The format: `<think>` ... `</think>` once, with nothing before it and something in it; then either
    `<answer>` ... `</answer>` and nothing else, or a reply of any words with exactly one `\boxed{...}`. The
    answer is not empty. The reply to a code problem may be one of any words with a block of code instead; the reply
    to a general problem is any words, or `<answer>` ... `</answer>` around all of them.
    """
    text = text.lstrip()
    if not text.startswith(THINK_OPEN):
        return 0.0
    thinking, closed, reply = text.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
    is_one_block = bool(closed and thinking.strip()) and not _holds_any(thinking, THINK_OPEN, ANSWER_OPEN)
    return float(is_one_block and _is_reply(reply.strip(), kind))


def _is_reply(reply: str, kind: ProblemKind) -> bool:
    if kind is ProblemKind.GENERAL:
        return _is_any_words(reply)
    return _is_one_answer(reply) or (kind is ProblemKind.CODE and _is_code(reply))


def _is_any_words(reply: str) -> bool:
    if reply.startswith(ANSWER_OPEN) and reply.endswith(ANSWER_CLOSE):
        reply = reply.removeprefix(ANSWER_OPEN).removesuffix(ANSWER_CLOSE).strip()
    return bool(reply) and not _holds_any(reply, THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)


def _is_code(reply: str) -> bool:
    if _holds_any(reply, THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE):
        return False
    return extract_code(reply) is not None


def _is_one_answer(reply: str) -> bool:
    if _holds_any(reply, THINK_OPEN, THINK_CLOSE):
        return False
    if not _holds_any(reply, ANSWER_OPEN, ANSWER_CLOSE):
        found = boxes(reply)
        return found is not None and len(found) == 1 and bool(found[0][2].strip())
    if not (reply.startswith(ANSWER_OPEN) and reply.endswith(ANSWER_CLOSE)):
        return False
    content = reply.removeprefix(ANSWER_OPEN).removesuffix(ANSWER_CLOSE)
    found = boxes(content)
    has_one = found is not None and len(found) <= 1 and all(box[2].strip() for box in found)
    return has_one and bool(content.strip()) and not _holds_any(content, ANSWER_OPEN, ANSWER_CLOSE)


def _holds_any(text: str, *tags: str) -> bool:
    return any(tag in text for tag in tags)
