"""Decoding over transformers' own modules: one batched forward pass a token, prompts prefilled once.

It serves every causal model that transformers has, over the policy's own weights. Rows are decoded in waves
of `batch_size`; within a wave each distinct prompt runs through the model once and its keys and values are
repeated for its completions, and finished rows leave the batch. Left out: paged memory and refilling of the
slots that finished rows leave (a wave lasts as long as its longest completion).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from transformers import DynamicCache

from r1kit.config.sampling import SamplingConfig
from r1kit.core.errors import DataError
from r1kit.core.rollout import Completion, FinishReason
from r1kit.generation.engine import GenerationRequest, OnFinished
from r1kit.generation.sampling import UniformStreams, draw, sampling_logprobs
from r1kit.models.policy import Policy
from r1kit.ops.padding import pad_left, positions_from_mask

_COMPACT_BELOW = 0.75
"""Finished rows leave the batch once less than this share of it is still being decoded."""


@dataclass(slots=True)
class _Row:
    """One completion in the making."""

    request: int
    index: int
    seed: int
    limit: int
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None


class TransformersEngine:
    """Samples from `policy` through the plain forward pass of its model."""

    def __init__(self, policy: Policy, batch_size: int) -> None:
        self._policy = policy
        self._batch_size = batch_size

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        on_finished: OnFinished | None = None,
    ) -> list[tuple[Completion, ...]]:
        """The completions of each request; see `Engine.generate`."""
        limits = [self._limit(number, request, sampling) for number, request in enumerate(requests)]
        # Longest prompts first: waves of like lengths waste little padding, and running out of memory shows early.
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].prompt_ids))
        rows = [_Row(i, n, seed, limits[i]) for i in order for n, seed in enumerate(requests[i].seeds)]
        with self._policy.sampling():
            for start in range(0, len(rows), self._batch_size):
                wave = rows[start : start + self._batch_size]
                _Wave(self._policy, sampling, requests, wave, on_finished).run()
        finished: list[list[Completion]] = [[] for _ in requests]
        for row in rows:
            finished[row.request].append(self._completion(row))
        return [tuple(completions) for completions in finished]

    def _limit(self, number: int, request: GenerationRequest, sampling: SamplingConfig) -> int:
        """Most tokens a completion of this request can have: the configured number, or the context's rest."""
        length, context = len(request.prompt_ids), self._policy.context_length
        if length == 0:
            raise DataError(f"prompt {number} has no tokens; check the problem and the chat template")
        if context is not None and length >= context:
            raise DataError(
                f"prompt {number} has {length} tokens and the model's context is {context}, which leaves no room "
                "for a completion; set data.max_prompt_tokens to leave such problems out"
            )
        return sampling.max_new_tokens if context is None else min(sampling.max_new_tokens, context - length)

    def _completion(self, row: _Row) -> Completion:
        token_ids = row.token_ids
        ended = bool(token_ids) and token_ids[-1] in self._policy.eos_token_ids
        text = _decode(self._policy, token_ids[:-1] if ended else token_ids)
        if row.finish_reason is None:
            raise RuntimeError("a row was left unfinished")
        return Completion(text, tuple(token_ids), tuple(row.logprobs), row.finish_reason)


def _decode(policy: Policy, token_ids: Sequence[int]) -> str:
    """The text of one completion's tokens, spaces and special tokens as they were written."""
    text = policy.tokenizer.decode(
        list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    # One list of ids gives one text; transformers' types also know batches.
    return cast("str", text)


class _Wave:
    """Rows that are decoded together, with their cache."""

    def __init__(
        self,
        policy: Policy,
        sampling: SamplingConfig,
        requests: Sequence[GenerationRequest],
        rows: list[_Row],
        on_finished: OnFinished | None,
    ) -> None:
        self._policy = policy
        self._sampling = sampling
        self._requests = requests
        self._rows = rows
        self._on_finished = on_finished
        self._streams = UniformStreams([row.seed for row in rows])
        self._eos = torch.tensor(policy.eos_token_ids, device=policy.device)
        self._cache = DynamicCache(config=policy.model.config)

    def run(self) -> None:
        """Decode every row to its end."""
        logits = self._prefill()
        while True:
            tokens = self._sample(logits)
            if not self._retire():
                return
            logits = self._forward(tokens[self._alive])

    def _prefill(self) -> Tensor:
        """Run each distinct prompt once; logits [B, V] of every row's first token."""
        distinct = sorted({row.request for row in self._rows})
        prompts = [self._requests[request].prompt_ids for request in distinct]
        device = self._policy.device
        input_ids, mask = (t.to(device) for t in pad_left(prompts, self._policy.pad_token_id))
        position_ids = positions_from_mask(mask)
        logits = self._model(input_ids, mask, position_ids)
        owner = {request: position for position, request in enumerate(distinct)}
        repeats = torch.tensor([owner[row.request] for row in self._rows], device=device)
        self._cache.batch_select_indices(repeats)
        # The mask's last column is the token being fed, so that a step only has to append one.
        self._mask = mask[repeats]
        self._positions = position_ids[repeats, -1:]
        return logits[repeats]

    def _forward(self, tokens: Tensor) -> Tensor:
        """Feed `tokens` [B]; logits [B, V] of the next ones."""
        self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=True)
        # Rows that have ended are fed on until they leave; they must not run past the context meanwhile.
        last = self._policy.context_length
        self._positions = (self._positions + 1).clamp(max=None if last is None else last - 1)
        return self._model(tokens[:, None], self._mask, self._positions)

    def _model(self, input_ids: Tensor, mask: Tensor, position_ids: Tensor) -> Tensor:
        output = self._policy.model(
            input_ids=input_ids,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits[:, -1]

    def _sample(self, logits: Tensor) -> Tensor:
        """Draw a token a row, record it, and mark the rows that it ends; token ids [B]."""
        logprobs = sampling_logprobs(logits, self._sampling)
        tokens = draw(logprobs, self._streams.draw().to(logits.device))
        chosen = logprobs.gather(-1, tokens[:, None]).squeeze(-1).tolist()
        ended = torch.isin(tokens, self._eos).tolist()
        for row, token, logprob, is_end in zip(self._rows, tokens.tolist(), chosen, ended, strict=True):
            if row.finish_reason is not None:
                continue
            row.token_ids.append(token)
            row.logprobs.append(logprob)
            if is_end or (self._sampling.stop and self._hit_stop_string(row)):
                row.finish_reason = FinishReason.STOP
            elif len(row.token_ids) == row.limit:
                row.finish_reason = FinishReason.LENGTH
            if row.finish_reason is not None and self._on_finished is not None:
                self._on_finished(1, len(row.token_ids))
        return tokens

    def _hit_stop_string(self, row: _Row) -> bool:
        # A token is at least a byte, a character at most four bytes: this tail holds any stop string that just ended.
        tail = row.token_ids[-4 * max(map(len, self._sampling.stop)) :]
        text = _decode(self._policy, tail)
        return any(stop in text for stop in self._sampling.stop)

    def _retire(self) -> bool:
        """Whether any row goes on; rows that ended leave the batch once they are many."""
        alive = [number for number, row in enumerate(self._rows) if row.finish_reason is None]
        self._alive = torch.arange(len(self._rows), device=self._policy.device)
        if not alive:
            return False
        if len(alive) < _COMPACT_BELOW * len(self._rows):
            self._alive = torch.tensor(alive, device=self._policy.device)
            self._rows = [self._rows[number] for number in alive]
            self._streams.keep(alive)
            self._cache.batch_select_indices(self._alive)
            self._mask, self._positions = self._mask[self._alive], self._positions[self._alive]
        return True
