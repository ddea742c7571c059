"""How many rows and prompts are in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from r1kit.generation.rows import Row

_FIRST_LENGTH: Final = 64
"""Tokens that a row has room for at first; doubled as rows grow."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Most rows at a time, and most tokens whose keys and values are held (None: as many as the rows need)."""

    batch_size: int
    kv_tokens: int | None

    def halved(self, num_slots: int) -> Limits:
        """For half of the `num_slots` rows that were too many."""
        return replace(self, batch_size=max(1, num_slots // 2))


@dataclass(frozen=True, slots=True)
class Shape:
    """Slots and their length for rows; slots for prompts."""

    num_rows: int
    row_length: int
    num_prompts: int


@dataclass(frozen=True, slots=True)
class Room:
    """What the rows of one call can need, and the limits they live under.

    Attributes:
        longest_prompt, longest_row: most tokens of a prompt, and of a completion.
        group_size: most completions of a prompt.
        num_requests: distinct prompts.
    """

    limits: Limits
    longest_prompt: int
    longest_row: int
    group_size: int
    num_requests: int

    @classmethod
    def of(cls, rows: Sequence[Row], limits: Limits) -> Room:
        """For all of `rows`."""
        completions = Counter(row.request for row in rows)
        return cls(
            limits=limits,
            longest_prompt=max(len(row.prompt_ids) for row in rows),
            longest_row=max(row.limit for row in rows),
            group_size=max(completions.values()),
            num_requests=len(completions),
        )

    def shape(self, longest: int, num_left: int) -> Shape:
        """The most slots that fit when the longest row in memory has to have room for `longest` tokens.

        No more than `num_left`, the rows that have not ended.
        """
        length = _FIRST_LENGTH
        while length < longest:
            length *= 2
        length = min(length, self.longest_row)
        rows = max(1, min(self.limits.batch_size, num_left))
        while rows > 1 and not self._fits(rows, length):
            rows -= 1
        return Shape(rows, length, self._prompts_beside(rows))

    def _fits(self, rows: int, length: int) -> bool:
        budget = self.limits.kv_tokens
        return budget is None or rows * length + self._prompts_beside(rows) * self.longest_prompt <= budget

    def _prompts_beside(self, rows: int) -> int:
        # Twice what full groups need: groups end one row at a time, and the next must not wait for the last.
        spread = 2 * -(-rows // self.group_size) + 1
        return min(rows, spread, self.num_requests)
