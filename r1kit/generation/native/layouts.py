"""Attention of the native engine: over what is being read for the first time, and over one token a row.

Legend: S rows, P prompts, G the most rows a prompt has, H query heads, K key-value heads (R = H / K), d head
width, A and C the longest prompt and the longest completion at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.generation.native.memory import KvStore
from r1kit.ops.tree_attention import AttentionRule, TreeAttention
from r1kit.ops.trees import Span


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the keys and values of a span are kept: a slot of a store."""

    store: KvStore
    slot: int


class PrefillLayout:
    """Packed trees whose keys and values are kept: prompts, and completions that were set aside."""

    def __init__(
        self, spans: Sequence[Span], destinations: Sequence[Destination], device: torch.device
    ) -> None:
        self._spans = spans
        self._destinations = destinations
        self._attention = TreeAttention(spans, device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: AttentionRule) -> Tensor:
        """See `TokenLayout.attend`."""
        for span, to in zip(self._spans, self._destinations, strict=True):
            part = slice(span.start, span.start + span.length)
            to.store.write_span(layer, to.slot, key[:, part], value[:, part])
        return self._attention(query, key, value, rule)


class Members:
    """Which rows share which prompt, as tensors.

    Attributes:
        lengths: prompt tokens of each row, int64 [S].
        lanes: rows by prompt, int64 [P, G]; lanes that are left over ask for row 0.
        inverse: each row's place in `lanes`, int64 [S].
        longest_prompt: keys of a prompt that are read; those behind its end are masked.
    """

    def __init__(self, lengths: Tensor, lanes: Tensor, inverse: Tensor, longest_prompt: int) -> None:
        self.lengths, self.lanes, self.inverse = lengths, lanes, inverse
        self.longest_prompt = longest_prompt

    @classmethod
    def of(
        cls, prompt_of: Sequence[int], prompt_lengths: Sequence[int], device: torch.device | None = None
    ) -> Members:
        """From the prompt slot of each row, S numbers, and the tokens of each prompt, P numbers."""
        lanes, inverse = _lanes(prompt_of, len(prompt_lengths))
        lengths = [prompt_lengths[prompt] for prompt in prompt_of]
        return cls(
            torch.tensor(lengths, device=device),
            torch.tensor(lanes, device=device),
            torch.tensor(inverse, device=device),
            max(prompt_lengths),
        )

    @property
    def num_rows(self) -> int:
        """S."""
        return len(self.lengths)

    @property
    def num_prompts(self) -> int:
        """P."""
        return len(self.lanes)

    def to_prompts(self, rows: Tensor) -> Tensor:
        """[S, K, R, x] to [P, K, G * R, x]: the rows of each prompt side by side."""
        return rows[self.lanes].transpose(1, 2).flatten(2, 3)

    def to_rows(self, prompts: Tensor, repeats: int) -> Tensor:
        """[P, K, G * R, x] back to [S, K, R, x], where `repeats` is R."""
        return prompts.unflatten(2, (-1, repeats)).transpose(1, 2).flatten(0, 1)[self.inverse]


class DecodeLayout:
    """One new token a row: it sees its prompt and its own completion, itself included.

    The rows of a prompt ask their prompt's keys together, in one product; the two parts of the logits meet
    before the softmax, so nothing is approximated. `places` int64 [S] says how many tokens each row has kept
    before this one; of each row `longest` (C) are read, the rest is masked. The first P and S slots of the
    stores are in use.
    """

    def __init__(
        self, members: Members, prompts: KvStore, completions: KvStore, places: Tensor, longest: int
    ) -> None:
        self._members = members
        self._prompts = prompts
        self._completions = completions
        self._longest = longest
        self._places = places
        self._hidden: dict[int | None, Tensor] = {}

    def position_ids(self) -> Tensor:
        """The position of each row's new token in its text: int64 [S]."""
        return self._members.lengths + self._places

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: AttentionRule) -> Tensor:
        """See `TokenLayout.attend`; N = S."""
        self._completions.write_tokens(layer, self._places, key, value)
        members = self._members
        own_keys, own_values = self._completions.read(layer, members.num_rows, self._longest)
        prompt_keys, prompt_values = self._prompts.read(layer, members.num_prompts, members.longest_prompt)
        # [H, S, d] to [S, K, R, d]: query heads that share a key-value head are neighbours.
        q = query.unflatten(0, (key.shape[0], -1)).permute(2, 0, 1, 3) * rule.scale
        over_prompt = members.to_rows(members.to_prompts(q) @ prompt_keys.transpose(-1, -2), q.shape[2])
        logits = torch.cat([over_prompt, q @ own_keys.transpose(-1, -2)], dim=-1)
        if rule.softcap is not None:
            logits = torch.tanh(logits / rule.softcap) * rule.softcap
        logits = logits.masked_fill_(self._hidden_keys(rule.window), -torch.inf)
        weights = logits.softmax(-1, dtype=torch.float32).to(value.dtype)
        prompt_weights, own_weights = weights.split([members.longest_prompt, self._longest], dim=-1)
        out = own_weights @ own_values
        out += members.to_rows(members.to_prompts(prompt_weights) @ prompt_values, q.shape[2])
        return out.flatten(1, 2)

    def _hidden_keys(self, window: int | None) -> Tensor:
        """Bool [S, 1, 1, A + C], True where a key is none of the row's, or is out of its window."""
        if window not in self._hidden:
            device = self._places.device
            prompt = torch.arange(self._members.longest_prompt, device=device)
            own = torch.arange(self._longest, device=device)
            lengths, places = self._members.lengths[:, None], self._places[:, None]
            hidden = torch.cat([prompt >= lengths, own > places], dim=-1)
            if window is not None:
                first = lengths + places - window
                hidden |= torch.cat([prompt <= first, lengths + own <= first], dim=-1)
            self._hidden[window] = hidden[:, None, None]
        return self._hidden[window]


def _lanes(prompt_of: Sequence[int], num_prompts: int) -> tuple[list[list[int]], list[int]]:
    """`Members.lanes` and `Members.inverse`."""
    members: list[list[int]] = [[] for _ in range(num_prompts)]
    for row, prompt in enumerate(prompt_of):
        members[prompt].append(row)
    width = max(map(len, members))
    inverse = [0] * len(prompt_of)
    for prompt, rows in enumerate(members):
        for lane, row in enumerate(rows):
            inverse[row] = prompt * width + lane
    return [[*rows, *[0] * (width - len(rows))] for rows in members], inverse
