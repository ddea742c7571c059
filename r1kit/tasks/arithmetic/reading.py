"""Reads replies back: the answer, the language of the thinking, and whether every step was worked.

For describing what a model does. Rewards have their own, stricter readers.
"""

from __future__ import annotations

import re
from typing import Final

from r1kit.tasks.arithmetic.chains import parse_chain
from r1kit.tasks.arithmetic.traces import Language

_THINK: Final = re.compile(r"<think>(.*?)</think>", re.DOTALL)
_ANSWER: Final = re.compile(r"<answer>([^<]*)</answer>")
_LATIN: Final = re.compile(r"[A-Za-z]")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")


def answer_in(reply: str) -> str | None:
    """What stands in the last complete `<answer>` block, None without one; a bare number is no answer."""
    found = _ANSWER.findall(reply)
    return str(found[-1]).strip() if found else None


def thinking_in(reply: str) -> str | None:
    """What stands in the first complete `<think>` block, None without one."""
    match = _THINK.search(reply)
    return match[1].strip() if match else None


def language_of(thinking: str) -> Language | None:
    """The language the connectives are written in, None if there are no words."""
    has_latin, has_han = bool(_LATIN.search(thinking)), bool(_HAN.search(thinking))
    if has_latin and has_han:
        return Language.MIXED
    if has_latin or has_han:
        return Language.ENGLISH if has_latin else Language.CHINESE
    return None


def works_every_step(problem: str, reply: str) -> bool:
    """Whether the thinking has a line for each operation, each one step shorter than the line before.

    The numbers may be wrong: this is about the habit, not the skill.
    """
    lines = (thinking_in(reply) or "").splitlines()
    left = [_operations_left(line) for line in lines]
    return left == list(reversed(range(parse_chain(problem).num_operations)))


def _operations_left(line: str) -> int | None:
    try:
        return parse_chain(line.rpartition(" ")[2]).num_operations
    except ValueError:
        return None
