"""Reading prompts, and completions that were set aside, into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor

from r1kit.generation.native.layouts import Destination, PrefillLayout
from r1kit.generation.native.memory import KvStore
from r1kit.models.layouts import forward_with_layout, without_wrapper
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree, pack_trees

_PASS_TOKENS: Final = 8192
"""Most tokens that are read in one pass; a longer text is read whole."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt to read into a prompt slot, and tokens that continue it, each into a row slot."""

    prompt_ids: tuple[int, ...]
    slot: int
    rows: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Tokens that run through the model."""
        return len(self.prompt_ids) + sum(len(ids) for _, ids in self.rows)


@dataclass(frozen=True, slots=True)
class LastHidden:
    """The hidden states [D] that next tokens come from: of each prompt in order, and of rows by their slot."""

    prompts: list[Tensor]
    rows: dict[int, Tensor]


def read(policy: Policy, readings: Sequence[Reading], prompts: KvStore, rows: KvStore) -> LastHidden:
    """Run `readings` through the model and keep their keys and values in the slots they name."""
    result = LastHidden([], {})
    for part in _passes(readings):
        _read_pass(policy, part, prompts, rows, result)
    return result


def _passes(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    held: list[Reading] = []
    for reading in readings:
        if held and sum(r.num_tokens for r in held) + reading.num_tokens > _PASS_TOKENS:
            yield held
            held = []
        held.append(reading)
    if held:
        yield held


def _read_pass(
    policy: Policy, readings: Sequence[Reading], prompts: KvStore, rows: KvStore, result: LastHidden
) -> None:
    trees = [Tree(reading.prompt_ids, tuple(ids for _, ids in reading.rows)) for reading in readings]
    packed = pack_trees(trees, share=True)
    # The spans come in this order: a prompt, then what continues it.
    destinations = [
        to
        for reading in readings
        for to in (Destination(prompts, reading.slot), *(Destination(rows, slot) for slot, _ in reading.rows))
    ]
    device = policy.device
    layout = PrefillLayout(packed.spans, destinations, device)
    hidden = forward_with_layout(
        without_wrapper(policy.model), packed.input_ids.to(device), packed.position_ids.to(device), layout
    )
    for span, to in zip(packed.spans, destinations, strict=True):
        last = hidden[span.start + span.length - 1]
        if to.store is prompts:
            result.prompts.append(last)
        else:
            result.rows[to.slot] = last
