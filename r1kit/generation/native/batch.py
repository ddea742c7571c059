"""The rows that are in memory: which come, which go, and what each round draws.

Legend: S rows in memory, P prompts in memory, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

from r1kit.generation.native.limits import Limits, Room, Shape
from r1kit.generation.native.memory import KvStore, closing_moves
from r1kit.generation.native.prefill import Reading, read
from r1kit.generation.native.steps import PlainSteps, RecordedSteps, Recorder, Round, Stepper
from r1kit.generation.rows import Row, RowRules
from r1kit.generation.sampling import sample
from r1kit.models.logprobs import head_logits

_Held = TypeVar("_Held")

_REFILL: Final = 0.125
"""Waiting rows are let in when this share of the slots is free: each time costs a pass over their prompts."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt in memory: whose it is, its tokens, and the hidden state [D] that its first tokens come from."""

    request: int
    length: int
    hidden: Tensor


class Batch:
    """Rows being decoded, the rows that wait, and the keys and values of the former."""

    def __init__(
        self, rules: RowRules, waiting: Sequence[Row], limits: Limits, record: Recorder | None = None
    ) -> None:
        self._rules = rules
        self._policy = rules.policy
        self._waiting = deque(waiting)
        self._room = Room.of(waiting, limits)
        self._shape = self._room.shape(1, len(waiting))
        self._rows: list[Row] = []
        self._prompts: list[_Prompt] = []
        self._row_store = KvStore(self._shape.num_rows, self._shape.row_length)
        self._prompt_store = KvStore(self._shape.num_prompts, self._room.longest_prompt)
        self._steps = self._stepper(record)

    def _stepper(self, record: Recorder | None) -> Stepper:
        stores = (self._prompt_store, self._row_store)
        if record is None:
            return PlainSteps(self._policy, *stores)
        return RecordedSteps(self._policy, *stores, group_size=self._room.group_size, record=record)

    @property
    def num_slots(self) -> int:
        """Rows that there is room for."""
        return self._shape.num_rows

    def unfinished(self) -> list[Row]:
        """Every row that has not ended, those in memory first."""
        return [row for row in (*self._rows, *self._waiting) if row.finish_reason is None]

    def run(self) -> None:
        """Decode until no row is left."""
        while self._rows or self._waiting:
            self._fit(_longest(self._rows))
            if self._has_space():
                self._refill()
            if self._rows:  # else each of them ended with its first token
                self._advance()
                self._leave()

    def _advance(self) -> None:
        """Read each row's newest token and draw its next."""
        slot_of = {prompt.request: slot for slot, prompt in enumerate(self._prompts)}
        round_ = Round(
            newest=[row.token_ids[-1] for row in self._rows],
            places=[len(row.token_ids) - 1 for row in self._rows],
            prompt_of=[slot_of[row.request] for row in self._rows],
            prompt_lengths=[prompt.length for prompt in self._prompts],
        )
        self._draw(self._rows, self._steps.logits(round_))

    def _draw(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Draw the next token of `rows` from their `logits` [S, V]."""
        uniforms = torch.tensor([row.next_uniform for row in rows], device=logits.device)
        tokens, logprobs = sample(logits, self._rules.sampling, uniforms)
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            self._rules.accept(row, token, logprob)
        self._rules.report(rows)

    # Rows come --------------------------------------------------------------------------------------------------

    def _has_space(self) -> bool:
        free = self._shape.num_rows - len(self._rows)
        return bool(self._waiting) and (not self._rows or free >= _REFILL * self._shape.num_rows)

    def _refill(self) -> None:
        """Let waiting rows in, read what is not in memory of them, and draw each one's next token."""
        if self._room.limits.kv_tokens is not None:
            # Long rows may have left: there may be room for more and shorter ones.
            self._reshape(self._room.shape(_longest(self._rows), len(self.unfinished())))
        entering: list[Row] = []
        for row in self._waiting:
            if not self._admits(entering, row):
                break
            entering.append(row)
        if not entering:
            return  # there are slots for rows, but none for another prompt
        # Before they leave the queue: should memory run out here, no row is lost.
        self._fit(_longest([*self._rows, *entering]))
        for row in entering:
            self._rows.append(row)
            self._waiting.popleft()
        self._read(entering)
        self._leave()

    def _admits(self, entering: Sequence[Row], row: Row) -> bool:
        """Whether `row` fits beside what is in memory and `entering`, without anything being set aside."""
        together = [*self._rows, *entering, row]
        shape = self._room.shape(_longest(together), len(self._rows) + len(self._waiting))
        held = {prompt.request for prompt in self._prompts}
        requests = held | {other.request for other in together}
        return len(together) <= shape.num_rows and len(requests) <= shape.num_prompts

    def _read(self, entering: Sequence[Row]) -> None:
        """Run prompts and earlier tokens of `entering` (the last rows) through the model; draw a token of each."""
        first = len(self._rows) - len(entering)
        slot_of = {prompt.request: slot for slot, prompt in enumerate(self._prompts)}
        readings: dict[int, Reading] = {}
        for slot, row in enumerate(entering, start=first):
            if row.request not in slot_of or row.token_ids:
                place = slot_of.setdefault(row.request, len(slot_of))
                reading = readings.setdefault(row.request, Reading(row.prompt_ids, place))
                if row.token_ids:
                    reading.rows.append((slot, tuple(row.token_ids)))
        hidden = read(self._policy, list(readings.values()), self._prompt_store, self._row_store)
        for (request, reading), state in zip(readings.items(), hidden.prompts, strict=True):
            if reading.slot == len(self._prompts):
                self._prompts.append(_Prompt(request, len(reading.prompt_ids), state))
        states = [
            hidden.rows[slot] if row.token_ids else self._prompts[slot_of[row.request]].hidden
            for slot, row in enumerate(entering, start=first)
        ]
        self._draw(entering, head_logits(self._policy, torch.stack(states)))

    # Rows go ----------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Drop the rows that have ended, and the prompts that nobody needs any more."""
        self._drop_rows([row.finish_reason is not None for row in self._rows])

    def _drop_rows(self, dropped: Sequence[bool]) -> None:
        if not any(dropped):
            return
        used = min(_longest(self._rows), self._shape.row_length)
        self._rows = _close(self._row_store, self._rows, dropped, used)
        needed = {row.request for row in self._rows} | {row.request for row in list(self._waiting)[:1]}
        unneeded = [prompt.request not in needed for prompt in self._prompts]
        self._prompts = _close(self._prompt_store, self._prompts, unneeded, self._room.longest_prompt)

    def _fit(self, longest: int) -> None:
        """Room for rows of `longest` tokens; the rows with the fewest are set aside if need be."""
        if longest <= self._shape.row_length:
            return
        shape = self._room.shape(longest, len(self.unfinished()))
        surplus = len(self._rows) - shape.num_rows
        if surplus > 0:
            by_length = sorted(range(len(self._rows)), key=lambda slot: len(self._rows[slot].token_ids))
            aside = set(by_length[:surplus])
            self._waiting.extendleft(self._rows[slot] for slot in aside)
            self._drop_rows([slot in aside for slot in range(len(self._rows))])
        self._reshape(shape)

    def _reshape(self, shape: Shape) -> None:
        if shape == self._shape:
            return
        tokens = min(_longest(self._rows), shape.row_length, self._shape.row_length)
        self._row_store.resize(shape.num_rows, shape.row_length, (len(self._rows), tokens))
        num_prompts = max(shape.num_prompts, len(self._prompts))
        if num_prompts != self._prompt_store.num_slots:
            self._prompt_store.resize(
                num_prompts, self._room.longest_prompt, (len(self._prompts), self._room.longest_prompt)
            )
        self._shape = shape


def _longest(rows: Sequence[Row]) -> int:
    """Tokens that the longest of `rows` has to have room for: those it has, and its next."""
    return max((len(row.token_ids) for row in rows), default=0) + 1


def _close(store: KvStore, held: Sequence[_Held], dropped: Sequence[bool], used: int) -> list[_Held]:
    """`held` without what is dropped, each at the slot its keys and values have moved to."""
    moves = closing_moves(dropped)
    store.move(moves, used)
    kept = list(held)
    for to, source in moves:
        kept[to] = held[source]
    return kept[: len(held) - sum(dropped)]
