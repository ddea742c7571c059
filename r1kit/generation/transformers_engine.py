"""Decoding over transformers' own modules: one batched forward pass a token, prompts prefilled once.

It serves every causal model that transformers has, over the policy's own weights. Rows are decoded in waves
of `batch_size`; within a wave each distinct prompt runs through the model once and its keys and values are
repeated for its completions, and finished rows leave the batch. The native engine does better where it can.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from r1kit.config.sampling import SamplingConfig
from r1kit.core.rollout import Completion
from r1kit.generation.engine import GenerationRequest, OnGroup, OnProgress
from r1kit.generation.rows import Row, RowRules
from r1kit.generation.sampling import sample
from r1kit.models.policy import Policy
from r1kit.ops.padding import pad_left, positions_from_mask

_COMPACT_BELOW = 0.75
"""Finished rows leave the batch once less than this share of it is still being decoded."""


class TransformersEngine:
    """Samples from `policy` through the plain forward pass of its model."""

    def __init__(self, policy: Policy, batch_size: int) -> None:
        self._policy = policy
        self._batch_size = batch_size

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        on_progress: OnProgress | None = None,
        on_group: OnGroup | None = None,
    ) -> list[tuple[Completion, ...]]:
        """The completions of each request; see `Engine.generate`."""
        rules = RowRules(self._policy, sampling, on_progress, on_group)
        started = rules.start(requests)
        # Longest prompts first: waves of like lengths waste little padding, and running out of memory shows early.
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].prompt_ids))
        rows = [row for i in order for row in started[i]]
        with self._policy.sampling():
            for start in range(0, len(rows), self._batch_size):
                _Wave(rules, rows[start : start + self._batch_size]).run()
        return rules.finished()


class _Wave:
    """Rows that are decoded together, with their cache."""

    def __init__(self, rules: RowRules, rows: list[Row]) -> None:
        self._rules = rules
        self._policy = rules.policy
        self._rows = rows
        self._cache = DynamicCache(config=rules.policy.model.config)

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
        prompts = {row.request: row.prompt_ids for row in self._rows}
        device = self._policy.device
        input_ids, mask = (t.to(device) for t in pad_left(list(prompts.values()), self._policy.pad_token_id))
        position_ids = positions_from_mask(mask)
        logits = self._model(input_ids, mask, position_ids)
        owner = {request: position for position, request in enumerate(prompts)}
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
        """Draw a token a row and record it; token ids [B]."""
        going_on = [row.finish_reason is None for row in self._rows]
        uniforms = [row.next_uniform if goes else 0.0 for row, goes in zip(self._rows, going_on, strict=True)]
        tokens, logprobs = sample(logits, self._rules.sampling, torch.tensor(uniforms, device=logits.device))
        for row, goes, token, logprob in zip(
            self._rows, going_on, tokens.tolist(), logprobs.tolist(), strict=True
        ):
            if goes:
                self._rules.accept(row, token, logprob)
        self._rules.report(row for row, goes in zip(self._rows, going_on, strict=True) if goes)
        return tokens

    def _retire(self) -> bool:
        """Whether any row goes on; rows that ended leave the batch once they are many."""
        alive = [number for number, row in enumerate(self._rows) if row.finish_reason is None]
        self._alive = torch.arange(len(self._rows), device=self._policy.device)
        if not alive:
            return False
        if len(alive) < _COMPACT_BELOW * len(self._rows):
            self._alive = torch.tensor(alive, device=self._policy.device)
            self._rows = [self._rows[number] for number in alive]
            self._cache.batch_select_indices(self._alive)
            self._mask, self._positions = self._mask[self._alive], self._positions[self._alive]
        return True
