"""Groups of rollouts as the rows of one update of GRPO.

Legend: P prompts, G completions a prompt, B = P*G rows before any is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from r1kit.config.rl import GrpoAlgorithm
from r1kit.core.rollout import Group
from r1kit.objectives.advantages import group_advantages, uniform_groups
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.grpo import Objective
from r1kit.rl.rows import RlRow, rewards_of, scored_rows


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
    rewards = rewards_of(groups)
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
    return bool(counts) and not uniform_groups(rewards_of([group]), len(group.rollouts)).item()
