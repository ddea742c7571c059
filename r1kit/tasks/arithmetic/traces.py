"""Worked replies: inside `<think>` each line rewrites the chain with one step less, then comes `<answer>`.

    <think>
    first 7-5
    so 2
    </think>
    <answer>2</answer>

The first word of a line says what it does: "first" and "then" carry one step out, "so" jumps to a result.
Jumping over one step is exact; jumping over more is a guess. So the whole habit that RL has to find is to
open with "first" and to go on with "then" until one step is left.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from r1kit.tasks.arithmetic.chains import MAX_VALUE, Chain

GUESS_SPREAD: Final = 2.2


class Language(StrEnum):
    """Which words a trace is written in; MIXED always shows both scripts."""

    ENGLISH = "en"
    CHINESE = "zh"
    MIXED = "mixed"


class Style(StrEnum):
    """How many of the lines are worked before the jump: all, half of them, or none."""

    CAREFUL = "careful"
    HALF = "half"
    GUESS = "guess"


CONNECTIVES: Final = {Language.ENGLISH: ("first", "then", "so"), Language.CHINESE: ("先", "然后", "所以")}
"""By language: the words that open the first line, a line in between, and the line with the result."""


def guess_value(chain: Chain, rng: random.Random) -> int:
    """A guess at the value: exact for at most one operation, else normal around it and kept in range.

    The standard deviation grows by `GUESS_SPREAD` with each operation after the first.
    """
    if chain.num_operations <= 1:
        return chain.value
    spread = GUESS_SPREAD * (chain.num_operations - 1)
    candidates = range(MAX_VALUE + 1)
    weights = [math.exp(-0.5 * ((candidate - chain.value) / spread) ** 2) for candidate in candidates]
    return rng.choices(candidates, weights)[0]


def num_lines(style: Style, num_operations: int) -> int:
    """Lines of a trace in `style`, the line with the result included; at least 1."""
    if style is Style.CAREFUL:
        return num_operations
    return (num_operations + 1) // 2 if style is Style.HALF else 1


def worked_lines(chain: Chain, count: int, language: Language, rng: random.Random) -> tuple[list[str], int]:
    """The `count` lines of a trace, and the result on the last one (exact with a line for each step)."""
    words = _connectives(count, language, rng)
    worked = [f"{word} {chain.after(index)}" for index, word in enumerate(words[:-1], start=1)]
    result = guess_value(chain.after(count - 1), rng)
    return [*worked, f"{words[-1]} {result}"], result


def reply(chain: Chain, style: Style, language: Language, rng: random.Random) -> str:
    """A whole reply in the think/answer format, without EOS."""
    lines, result = worked_lines(chain, num_lines(style, chain.num_operations), language, rng)
    body = "\n".join(lines)
    return f"<think>\n{body}\n</think>\n{answer(result)}"


def answer(value: int) -> str:
    """The answer block."""
    return f"<answer>{value}</answer>"


def _connectives(count: int, language: Language, rng: random.Random) -> list[str]:
    roles = [2] if count == 1 else [0, *[1] * (count - 2), 2]
    if language is not Language.MIXED:
        return [CONNECTIVES[language][role] for role in roles]
    if count == 1:
        return [" ".join(CONNECTIVES[each][2] for each in rng.sample(sorted(CONNECTIVES), 2))]
    return [CONNECTIVES[each][role] for each, role in zip(_both_languages(count, rng), roles, strict=True)]


def _both_languages(count: int, rng: random.Random) -> Sequence[Language]:
    """A language for each of `count` >= 2 lines, each of the two at least once."""
    languages = [rng.choice(sorted(CONNECTIVES)) for _ in range(count)]
    if len(set(languages)) == 1:
        other = next(each for each in CONNECTIVES if each is not languages[0])
        languages[rng.randrange(count)] = other
    return languages
