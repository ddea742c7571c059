"""Keys and values of what is being decoded, in memory that is taken once and written in place.

A prompt is held once, for all its completions; a completion holds only its own tokens.

Legend: S rows (completions), P prompts, K key-value heads, d head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class KvStore:
    """Slots of equal length for every layer: keys and values [slots, K, length, d].

    Shapes and dtype are those of the first keys that are written, so that every family fits.
    """

    def __init__(self, num_slots: int, length: int) -> None:
        self.num_slots = num_slots
        self.length = length
        self._keys: dict[int, Tensor] = {}
        self._values: dict[int, Tensor] = {}
        self.num_resizes = 0
        """Changes whenever tensors have moved."""

    @property
    def num_tokens(self) -> int:
        """Tokens that there is room for."""
        return self.num_slots * self.length

    def write_span(self, layer: int, slot: int, key: Tensor, value: Tensor) -> None:
        """Write `key` and `value` [K, n, d] to the first n places of `slot`."""
        keys, values = self._of(layer, key, value)
        keys[slot, :, : key.shape[1]] = key
        values[slot, :, : value.shape[1]] = value

    def write_tokens(self, layer: int, places: Tensor, key: Tensor, value: Tensor) -> None:
        """Write one token a slot, `key` and `value` [K, S, d], at `places` int64 [S] of the first S slots."""
        keys, values = self._of(layer, key, value)
        slots = torch.arange(len(places), device=places.device)
        # Two index tensors around a slice put the indexed dimension first: [S, K, d].
        keys[slots, :, places] = key.transpose(0, 1)
        values[slots, :, places] = value.transpose(0, 1)

    def read(self, layer: int, num_slots: int, length: int) -> tuple[Tensor, Tensor]:
        """Keys and values [num_slots, K, length, d] of the first slots: views, not copies."""
        return self._keys[layer][:num_slots, :, :length], self._values[layer][:num_slots, :, :length]

    def move(self, moves: Sequence[tuple[int, int]], used: int) -> None:
        """Copy the first `used` tokens of slots, for each pair from its second to its first slot."""
        if not moves:
            return
        for store in (self._keys, self._values):
            for tensor in store.values():
                to, source = (torch.tensor(side, device=tensor.device) for side in zip(*moves, strict=True))
                tensor[to, :, :used] = tensor[source, :, :used]

    def resize(self, num_slots: int, length: int, used: tuple[int, int]) -> None:
        """Another shape; of the old content the first `used` slots and tokens stay."""
        slots, tokens = used
        for store in (self._keys, self._values):
            for layer, old in store.items():
                # One layer after the other, so that little is held twice.
                store[layer] = old.new_zeros(num_slots, old.shape[1], length, old.shape[3])
                store[layer][:slots, :, :tokens] = old[:slots, :, :tokens]
        self.num_slots, self.length = num_slots, length
        self.num_resizes += 1

    def _of(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if layer not in self._keys:
            # Zeros, not empty: what is not written yet is masked, and 0 * nan would not be 0.
            shape = (self.num_slots, key.shape[0], self.length)
            self._keys[layer] = key.new_zeros(*shape, key.shape[-1])
            self._values[layer] = value.new_zeros(*shape, value.shape[-1])
        return self._keys[layer], self._values[layer]


def closing_moves(ended: Sequence[bool]) -> list[tuple[int, int]]:
    """Which slots move where so that those that have not `ended` come first: (to, from), as few as possible."""
    num_left = len(ended) - sum(ended)
    holes = [slot for slot in range(num_left) if ended[slot]]
    movers = [slot for slot in range(num_left, len(ended)) if not ended[slot]]
    return list(zip(holes, movers, strict=True))
