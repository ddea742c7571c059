"""Rollouts as rows to train on, and rows as micro-batches.

Legend: P prompts, G completions a prompt, B = P*G rows before any is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.core.rollout import FinishReason, Group, Rollout
from r1kit.ops.trees import Tree, tree_slices


@dataclass(frozen=True, slots=True)
class RlRow:
    """A completion to train on, with its advantage and the log-probabilities it was sampled with.

    `index` is its place among all B rollouts, `group` that of its prompt among all P.
    """

    index: int
    group: int
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    sampled_logprobs: tuple[float, ...]
    is_truncated: bool = False
    advantage: float = 0.0

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def scored_rows(groups: Sequence[Group]) -> list[RlRow]:
    """Every rollout of `groups` that has a reward, in order, without its advantage."""
    size = max((len(group.rollouts) for group in groups), default=0)
    return [
        row_of(group, rollout, number, number * size + place)
        for number, group in enumerate(groups)
        for place, rollout in enumerate(group.rollouts)
        if rollout.score.reward is not None
    ]


def row_of(group: Group, rollout: Rollout, number: int, index: int) -> RlRow:
    """`rollout`, the one at `index`, of `group`, the one at `number`."""
    completion = rollout.completion
    is_truncated = completion.finish_reason is FinishReason.LENGTH
    return RlRow(
        index, number, group.prompt_ids, completion.token_ids, completion.logprobs, is_truncated=is_truncated
    )


def rewards_of(groups: Sequence[Group]) -> Tensor:
    """The reward of each rollout [B], NaN where there is none."""
    rewards = [rollout.score.reward for group in groups for rollout in group.rollouts]
    return torch.tensor([float("nan") if reward is None else reward for reward in rewards])


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some rows as trees: `places` are their places in the list they were taken from, tree after tree."""

    trees: list[Tree]
    places: list[int]

    @property
    def num_tokens(self) -> int:
        """Tokens that run through the model."""
        return sum(tree.num_packed_tokens for tree in self.trees)


def slice_rows(rows: Sequence[RlRow], max_tokens: int) -> list[MicroBatch]:
    """`rows` cut into micro-batches of at most `max_tokens` tokens, every row in exactly one.

    Rows of a group lie side by side and share their prompt; see `ops.trees.tree_slices`.
    """
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.group, []).append(place)
    families = list(places.values())
    trees = [_tree(rows, family) for family in families]
    return [
        _micro_batch(rows, [[families[number][i] for i in indices] for number, indices in part])
        for part in tree_slices(trees, max_tokens)
    ]


def _micro_batch(rows: Sequence[RlRow], families: Sequence[Sequence[int]]) -> MicroBatch:
    trees = [_tree(rows, family) for family in families]
    return MicroBatch(trees, [place for family in families for place in family])


def _tree(rows: Sequence[RlRow], family: Sequence[int]) -> Tree:
    return Tree(rows[family[0]].prompt_ids, tuple(rows[place].completion_ids for place in family))
