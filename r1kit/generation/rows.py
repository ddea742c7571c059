"""Completions in the making: what every engine that draws token by token keeps of one, and when one ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from r1kit.config.sampling import SamplingConfig
from r1kit.core.errors import DataError
from r1kit.core.rollout import Completion, FinishReason
from r1kit.generation.engine import GenerationRequest, OnGroup, OnProgress
from r1kit.models.policy import Policy

_BLOCK = 256


class UniformStream:
    """Uniform numbers in [0, 1), float32: the n-th depends on the seed and on n alone.

    Philox is a counter-based generator (Salmon et al. 2011); numbers are drawn in blocks.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(seed))
        self._block: list[float] = []
        self._first = 0

    def at(self, n: int) -> float:
        """The n-th number. Raises ValueError for one of a block that has been left behind."""
        if n < self._first:
            raise ValueError(f"number {n} was drawn long ago; the stream only goes on")
        while n >= self._first + len(self._block):
            self._first += len(self._block)
            self._block = self._generator.random(_BLOCK, dtype=np.float32).tolist()
        return self._block[n - self._first]


@dataclass(slots=True)
class Row:
    """One completion in the making: the request it belongs to, its place there, and what was drawn so far."""

    request: int
    prompt_ids: tuple[int, ...]
    uniforms: UniformStream
    limit: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None

    @property
    def next_uniform(self) -> float:
        """The number that the next token is drawn with."""
        return self.uniforms.at(len(self.token_ids))


class RowRules:
    """How rows start, go on and end under one policy and sampling configuration, and who is told of it."""

    def __init__(
        self,
        policy: Policy,
        sampling: SamplingConfig,
        on_progress: OnProgress | None = None,
        on_group: OnGroup | None = None,
    ) -> None:
        self.policy = policy
        self.sampling = sampling
        self._on_progress = on_progress
        self._on_group = on_group
        self._eos = frozenset(policy.eos_token_ids)
        self._groups: list[list[Row]] = []
        self._num_open: list[int] = []
        self._whole: dict[int, tuple[Completion, ...]] = {}
        self._news = (0, 0)

    def start(self, requests: Sequence[GenerationRequest]) -> list[list[Row]]:
        """The rows of each request, in the order of its seeds.

        Raises:
            DataError: a prompt is empty, or leaves no room in the model's context.
        """
        limits = [self._limit(number, request) for number, request in enumerate(requests)]
        self._groups = [
            [Row(number, request.prompt_ids, UniformStream(seed), limits[number]) for seed in request.seeds]
            for number, request in enumerate(requests)
        ]
        self._num_open = [len(group) for group in self._groups]
        return self._groups

    def _limit(self, number: int, request: GenerationRequest) -> int:
        """Most tokens a completion of this request can have: the configured number, or the context's rest."""
        length, context = len(request.prompt_ids), self.policy.context_length
        if length == 0:
            raise DataError(f"prompt {number} has no tokens; check the problem and the chat template")
        if context is not None and length >= context:
            raise DataError(
                f"prompt {number} has {length} tokens and the model's context is {context}, which leaves no room "
                "for a completion; set data.max_prompt_tokens to leave such problems out"
            )
        most = self.sampling.max_new_tokens
        return most if context is None else min(most, context - length)

    def accept(self, row: Row, token: int, logprob: float) -> None:
        """Add a token to `row`, and end the row where that is due."""
        row.token_ids.append(token)
        row.logprobs.append(logprob)
        if token in self._eos or (self.sampling.stop and self._hit_stop_string(row)):
            row.finish_reason = FinishReason.STOP
        elif len(row.token_ids) == row.limit:
            row.finish_reason = FinishReason.LENGTH
        num_ended, num_tokens = self._news
        self._news = (num_ended + (row.finish_reason is not None), num_tokens + 1)
        if row.finish_reason is not None:
            self._num_open[row.request] -= 1

    def report(self, rows: Iterable[Row]) -> None:
        """Tell of what has happened since the last time; `rows` are those that took part."""
        if self._on_progress is not None and self._news != (0, 0):
            self._on_progress(*self._news)
        self._news = (0, 0)
        for request in {row.request for row in rows if row.finish_reason is not None}:
            if self._num_open[request] == 0 and request not in self._whole:
                self._whole[request] = tuple(self._completion(row) for row in self._groups[request])
                if self._on_group is not None:
                    self._on_group(request, self._whole[request])

    def finished(self) -> list[tuple[Completion, ...]]:
        """The completions of every request, once all rows have ended. Raises KeyError when one has not."""
        return [self._whole[number] if group else () for number, group in enumerate(self._groups)]

    def _hit_stop_string(self, row: Row) -> bool:
        # A token is at least a byte, a character at most four bytes: this tail holds any stop string that just ended.
        tail = row.token_ids[-4 * max(map(len, self.sampling.stop)) :]
        text = self._decode(tail)
        return any(stop in text for stop in self.sampling.stop)

    def _completion(self, row: Row) -> Completion:
        """`row`, which has ended, as a completion; its EOS token is not in the text."""
        token_ids = row.token_ids
        if row.finish_reason is None:
            raise RuntimeError("a row was left unfinished")
        ended = bool(token_ids) and token_ids[-1] in self._eos
        text = self._decode(token_ids[:-1] if ended else token_ids)
        return Completion(text, tuple(token_ids), tuple(row.logprobs), row.finish_reason)

    def _decode(self, token_ids: Sequence[int]) -> str:
        """The text of one completion's tokens, spaces and special tokens as they were written."""
        text = self.policy.tokenizer.decode(
            list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        # One list of ids gives one text; transformers' types also know batches.
        return cast("str", text)
