"""Groups of rollouts as the rows of one update.

Legend: P prompts, G completions a prompt, B = P*G rows before any is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from r1kit.config.stages import GrpoAlgorithm
from r1kit.core.rollout import FinishReason, Group, Rollout
from r1kit.objectives.advantages import group_advantages, uniform_groups
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.grpo import Objective
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


@dataclass(frozen=True, slots=True)
class RlBatch:
    """The rows that carry gradient, and the normaliser of all rows that count in the loss.

    Attributes:
        rows: rows to run through the model, group by group.
        normalizer: sequences and tokens of every rewarded rollout that is not masked, also of those left out of
            `rows`.
        num_uniform_groups: groups whose rewards are all equal.
        num_unscored: rollouts without a reward.
        num_masked: rewarded rollouts that `mask_truncated` leaves out of the loss.
    """

    rows: list[RlRow]
    normalizer: Normalizer
    num_uniform_groups: int
    num_unscored: int
    num_masked: int


def objective_of(algorithm: GrpoAlgorithm) -> Objective:
    """The loss that `algorithm` describes."""
    return Objective(
        surrogate=algorithm.surrogate,
        ratio=algorithm.ratio,
        clip_eps_low=algorithm.clip_eps_low,
        clip_eps_high=algorithm.clip_eps_high,
        beta=algorithm.loss_beta,
        kl_estimator=algorithm.kl_estimator,
        aggregation=algorithm.aggregation,
        importance_cap=algorithm.importance_cap,
    )


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


def build_batch(
    groups: Sequence[Group],
    algorithm: GrpoAlgorithm,
    max_tokens: int,
    kl: Sequence[float] | None = None,
) -> RlBatch:
    """The update's rows from `groups`, each of `algorithm.group_size` rollouts.

    A rollout without a reward is left out of its group. `kl` is for a KL term in the reward: that of each of
    the `scored_rows`, summed over its tokens. When there is no KL term in the loss, rows of advantage 0 are left
    out of the forward pass too: they add nothing to the gradient, and the normaliser still counts them.
    """
    scored = scored_rows(groups)
    rewards = _rewards(groups)
    uniform = uniform_groups(rewards, algorithm.group_size)
    if kl:
        rewards[[row.index for row in scored]] -= algorithm.beta * torch.tensor(kl)
    advantages = group_advantages(
        rewards, algorithm.group_size, algorithm.advantage_scale, baseline=algorithm.baseline
    ).tolist()
    rows = [replace(row, advantage=advantages[row.index]) for row in scored]
    counted = [row for row in rows if not (algorithm.mask_truncated and row.is_truncated)]
    # At least 1 each: a batch without any reward has no rows, and its normaliser is never used.
    normalizer = Normalizer.from_lengths([len(row.completion_ids) for row in counted] or [1], max_tokens)
    return RlBatch(
        rows=[row for row in counted if algorithm.loss_beta > 0 or row.advantage != 0],
        normalizer=normalizer,
        num_uniform_groups=int(uniform.sum()),
        num_unscored=len(rewards) - len(scored),
        num_masked=len(rows) - len(counted),
    )


def has_signal(group: Group, algorithm: GrpoAlgorithm) -> bool:
    """Whether the rewards of `group` differ, and some rewarded completion of it counts in the loss."""
    counts = [row for row in scored_rows([group]) if not (algorithm.mask_truncated and row.is_truncated)]
    return bool(counts) and not uniform_groups(_rewards([group]), len(group.rollouts)).item()


def _rewards(groups: Sequence[Group]) -> Tensor:
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
