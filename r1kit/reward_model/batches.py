"""Pairs as micro-batches: the two texts of a pair stay together, and pairs about one prompt share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from r1kit.ops.trees import Tree, packed_tokens
from r1kit.reward_model.examples import PairIds


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Some pairs as trees, whose completions are chosen, rejected, chosen, rejected and so on.

    `places` are the pairs' places in the list they were taken from, in the order of the trees.
    """

    trees: list[Tree]
    places: list[int]

    @property
    def num_tokens(self) -> int:
        """Tokens that run through the model."""
        return sum(tree.num_packed_tokens for tree in self.trees)


def slice_pairs(pairs: Sequence[PairIds], max_tokens: int) -> list[PairBatch]:
    """`pairs` cut into micro-batches of at most `max_tokens` tokens, every pair in exactly one.

    A pair above `max_tokens` is a slice of its own. The largest come first, so that a slice that does not fit memory shows
    itself at once; each goes into the first slice with room (first-fit decreasing, Johnson 1973).
    """
    families: dict[tuple[int, ...], list[int]] = {}
    for place, pair in enumerate(pairs):
        families.setdefault(pair.prompt_ids, []).append(place)
    parts = [part for family in families.values() for part in _parts(pairs, family, max_tokens)]
    parts.sort(key=lambda part: -_tokens_of(pairs, part))
    slices: list[list[list[int]]] = []
    room: list[int] = []
    for part in parts:
        tokens = _tokens_of(pairs, part)
        place = next((i for i, free in enumerate(room) if tokens <= free), len(slices))
        if place == len(slices):
            slices.append([])
            room.append(max_tokens)
        slices[place].append(part)
        room[place] -= tokens
    return [
        PairBatch([_tree(pairs, part) for part in held], [place for part in held for place in part])
        for held in slices
    ]


def _parts(pairs: Sequence[PairIds], family: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """The pairs about one prompt, cut where they must be."""
    held: list[int] = []
    for place in family:
        if held and _tokens_of(pairs, [*held, place]) > max_tokens:
            yield held
            held = []
        held = [*held, place]
    yield held


def _tree(pairs: Sequence[PairIds], part: Sequence[int]) -> Tree:
    replies = [ids for place in part for ids in (pairs[place].chosen_ids, pairs[place].rejected_ids)]
    return Tree(pairs[part[0]].prompt_ids, tuple(replies))


def _tokens_of(pairs: Sequence[PairIds], part: Sequence[int]) -> int:
    lengths = [len(ids) for place in part for ids in (pairs[place].chosen_ids, pairs[place].rejected_ids)]
    return packed_tokens(len(pairs[part[0]].prompt_ids), lengths)
