"""Groups of rollouts as the rows of one update.

Legend: P prompts, G completions a prompt, B = P*G rows before any is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.config.stages import GrpoAlgorithm
from r1kit.core.rollout import Group
from r1kit.objectives.advantages import group_advantages, uniform_groups
from r1kit.objectives.aggregate import Normalizer
from r1kit.ops.micro_batches import micro_batches
from r1kit.ops.padding import pad_right, pad_values
from r1kit.training.forward import TokenBatch


@dataclass(frozen=True, slots=True)
class RlRow:
    """A completion to train on, with its advantage and the log-probabilities it was sampled with."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    sampled_logprobs: tuple[float, ...]
    advantage: float

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True, slots=True)
class RlBatch:
    """The rows that carry gradient, and the normaliser of all rows that were rewarded.

    Attributes:
        rows: rows to run through the model.
        normalizer: sequences and tokens of every rewarded rollout, also of those left out of `rows`.
        num_uniform_groups: groups whose rewards are all equal.
        num_unscored: rollouts without a reward.
    """

    rows: list[RlRow]
    normalizer: Normalizer
    num_uniform_groups: int
    num_unscored: int


def build_batch(groups: Sequence[Group], algorithm: GrpoAlgorithm, max_tokens: int) -> RlBatch:
    """The update's rows from `groups`, each of `algorithm.group_size` rollouts.

    A rollout without a reward is left out of its group. When there is no KL term, rows of advantage 0 are
    left out of the forward pass too: they add nothing to the gradient, and the normaliser still counts them.
    """
    rollouts = [(group, rollout) for group in groups for rollout in group.rollouts]
    rewards = torch.tensor([_reward(rollout.score.reward) for _, rollout in rollouts])
    advantages = group_advantages(rewards, algorithm.group_size, algorithm.advantage_scale)
    scored = [
        RlRow(group.prompt_ids, r.completion.token_ids, r.completion.logprobs, advantage)
        for (group, r), advantage in zip(rollouts, advantages.tolist(), strict=True)
        if r.score.reward is not None
    ]
    # At least 1 each: a batch without any reward has no rows, and its normaliser is never used.
    normalizer = Normalizer.from_lengths([len(row.completion_ids) for row in scored] or [1], max_tokens)
    return RlBatch(
        rows=[row for row in scored if algorithm.beta > 0 or row.advantage != 0],
        normalizer=normalizer,
        num_uniform_groups=int(uniform_groups(rewards, algorithm.group_size).sum()),
        num_unscored=len(rollouts) - len(scored),
    )


def _reward(reward: float | None) -> float:
    return float("nan") if reward is None else reward


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some rows as tensors. `advantages` and `sampled_logprobs` [rows, T] belong to `tokens` in order."""

    tokens: TokenBatch
    lengths: list[int]
    advantages: Tensor
    sampled_logprobs: Tensor


def slice_batch(batch: RlBatch, max_tokens: int, pad_id: int) -> list[MicroBatch]:
    """`batch` cut into micro-batches of at most `max_tokens` padded tokens, every row in exactly one."""
    slices = micro_batches([len(row) for row in batch.rows], max_tokens)
    return [_micro_batch([batch.rows[i] for i in indices], pad_id) for indices in slices]


def _micro_batch(rows: Sequence[RlRow], pad_id: int) -> MicroBatch:
    input_ids, mask = pad_right([[*row.prompt_ids, *row.completion_ids] for row in rows], pad_id)
    starts = torch.tensor([len(row.prompt_ids) for row in rows])
    position_ids = torch.arange(input_ids.shape[1]).expand_as(input_ids)
    trained = mask & (position_ids >= starts[:, None])
    return MicroBatch(
        tokens=TokenBatch(input_ids, position_ids, trained),
        lengths=[len(row.completion_ids) for row in rows],
        advantages=torch.tensor([row.advantage for row in rows]),
        sampled_logprobs=pad_values([row.sampled_logprobs for row in rows]),
    )
