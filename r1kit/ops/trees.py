"""Groups of completions that share a prompt, laid end to end without padding.

P trees, N tokens of all of them, M completion tokens. A tree is a prompt (its trunk) and the completions that
branch off it. Run as a tree, the prompt passes through the model once and not once a completion; what keeps the
branches apart is attention (`tree_attention`), everything else in a transformer acts on single tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

SHARED_SAVING: Final = 0.1
"""A prompt is shared where that saves at least this share of the tokens. Below it, each completion is a text of
its own with its prompt in front, and attention needs no mask."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A prompt (at least one token) and the completions that continue it."""

    prompt_ids: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]

    @property
    def num_packed_tokens(self) -> int:
        """Tokens of the tree in a batch."""
        return packed_tokens(len(self.prompt_ids), [len(ids) for ids in self.completions])


class Span(NamedTuple):
    """Tokens that stand side by side in the batch, and the span they continue (its number) or None."""

    start: int
    length: int
    parent: int | None


@dataclass(frozen=True, slots=True)
class PackedTrees:
    """Trees as one row of tokens, on the CPU.

    Attributes:
        input_ids: int64 [N].
        position_ids: int64 [N]; a branch goes on counting where its trunk ends.
        spans: trunks and branches in the order of their tokens, each branch after its trunk.
        sources: int64 [M], the place in the row whose hidden state predicts each completion token.
        targets: int64 [M], the completion tokens: tree after tree, completion after completion.
        lengths: tokens of each completion (sum M).
    """

    input_ids: Int[Tensor, " N"]
    position_ids: Int[Tensor, " N"]
    spans: tuple[Span, ...]
    sources: Int[Tensor, " M"]
    targets: Int[Tensor, " M"]
    lengths: tuple[int, ...]


def packed_tokens(prompt_length: int, completion_lengths: Sequence[int]) -> int:
    """Tokens of a tree in a batch: its prompt once where that pays, else once a completion."""
    copies = 1 if shares_prompt(prompt_length, completion_lengths) else len(completion_lengths)
    return copies * prompt_length + sum(completion_lengths)


def shares_prompt(prompt_length: int, completion_lengths: Sequence[int]) -> bool:
    """Whether the prompt of such a tree runs once for all completions."""
    num = len(completion_lengths)
    saved = (num - 1) * prompt_length
    return num > 1 and saved >= SHARED_SAVING * (num * prompt_length + sum(completion_lengths))


def pack_trees(trees: Sequence[Tree], *, share: bool | None = None) -> PackedTrees:
    """`trees` in one row, in their order.

    Prompts are shared where that pays; with `share` True always, with False never, and then a completion has
    its prompt to itself (a tree without completions leaves no trace).

    Raises ValueError for a tree without a prompt token.
    """
    row = _Row()
    for number, tree in enumerate(trees):
        if not tree.prompt_ids:
            raise ValueError(f"the prompt of tree {number} is empty; a completion needs a token to follow")
        pays = shares_prompt(len(tree.prompt_ids), [len(ids) for ids in tree.completions])
        if share or (share is None and pays):
            row.add_tree(tree)
        else:
            for completion in tree.completions:
                row.add_text(tree.prompt_ids, completion)
    return row.packed()


class _Row:
    """The row in the making."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.spans: list[Span] = []
        self.sources: list[int] = []
        self.targets: list[int] = []
        self.lengths: list[int] = []

    def add_tree(self, tree: Tree) -> None:
        trunk, end = len(self.spans), len(self.ids) + len(tree.prompt_ids)
        self._add_span(tree.prompt_ids, first_position=0, parent=None)
        for completion in tree.completions:
            start = len(self.ids)
            self._add_span(completion, first_position=len(tree.prompt_ids), parent=trunk)
            self._learn(completion, [end - 1, *range(start, start + len(completion) - 1)])

    def add_text(self, prompt: tuple[int, ...], completion: tuple[int, ...]) -> None:
        start = len(self.ids)
        self._add_span((*prompt, *completion), first_position=0, parent=None)
        first = start + len(prompt) - 1
        self._learn(completion, range(first, first + len(completion)))

    def _add_span(self, ids: tuple[int, ...], *, first_position: int, parent: int | None) -> None:
        if ids:
            self.spans.append(Span(len(self.ids), len(ids), parent))
        self.ids += ids
        self.positions += range(first_position, first_position + len(ids))

    def _learn(self, completion: tuple[int, ...], sources: Sequence[int]) -> None:
        self.sources += sources[: len(completion)]
        self.targets += completion
        self.lengths.append(len(completion))

    def packed(self) -> PackedTrees:
        ids, positions, sources, targets = (
            torch.tensor(values, dtype=torch.int64)
            for values in (self.ids, self.positions, self.sources, self.targets)
        )
        return PackedTrees(ids, positions, tuple(self.spans), sources, targets, tuple(self.lengths))


def tree_slices(trees: Sequence[Tree], max_tokens: int) -> list[list[tuple[int, list[int]]]]:
    """Micro-batches of at most `max_tokens` tokens: in each, pairs of a tree and those of its completions in it.

    Every completion is in exactly one slice, and prompts count as often as they run. A group stays whole where
    it fits; where it is cut, its prompt runs again in each part. The largest come first, so that a slice that
    does not fit memory shows itself at once; each goes into the first slice with room (first-fit decreasing,
    Johnson 1973). A single completion above `max_tokens` is a slice of its own. Raises ValueError when
    `max_tokens` is below 1.
    """
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}; a micro-batch needs at least 1")
    parts = [part for number, tree in enumerate(trees) for part in _parts(number, tree, max_tokens)]
    parts.sort(key=lambda part: -part[0])
    slices: list[list[tuple[int, list[int]]]] = []
    room: list[int] = []
    for tokens, number, indices in parts:
        place = next((i for i, free in enumerate(room) if tokens <= free), len(slices))
        if place == len(slices):
            slices.append([])
            room.append(max_tokens)
        slices[place].append((number, indices))
        room[place] -= tokens
    return slices


def _parts(number: int, tree: Tree, max_tokens: int) -> list[tuple[int, int, list[int]]]:
    """A tree cut where it must be: (tokens, `number`, completions) of each part."""
    parts: list[tuple[int, int, list[int]]] = []
    held: list[int] = []
    for index in range(len(tree.completions)):
        if held and _tokens_of(tree, [*held, index]) > max_tokens:
            parts.append((_tokens_of(tree, held), number, held))
            held = []
        held = [*held, index]
    return [*parts, (_tokens_of(tree, held), number, held)] if held else parts


def _tokens_of(tree: Tree, indices: Sequence[int]) -> int:
    return packed_tokens(len(tree.prompt_ids), [len(tree.completions[i]) for i in indices])
