"""The losses of policy and value network, as shares of the micro-batches of a minibatch.

Legend: B rows of a micro-batch, T completion tokens, M completion tokens of all its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from r1kit.config.ppo import PpoAlgorithm, PpoConfig
from r1kit.objectives.grpo import GrpoLoss, Objective, grpo_loss
from r1kit.objectives.value import ValueLoss, value_loss
from r1kit.ppo.batch import PpoBatch
from r1kit.rl.rows import MicroBatch
from r1kit.training.forward import unflatten


class Losses:
    """The shares of micro-batches in the losses of a minibatch."""

    def __init__(self, part: PpoBatch, config: PpoConfig) -> None:
        self._part = part
        self._algorithm = config.algorithm
        self._objective = objective_of(config.algorithm)
        self._normalizer = part.normalizer(config.sampling.max_new_tokens)

    def of_policy(self, logprobs: Tensor, micro: MicroBatch) -> GrpoLoss:
        """The clipped surrogate; `logprobs` [M] are those of `micro`."""
        rows = [self._part.rows[place] for place in micro.places]
        lengths = [len(row.completion_ids) for row in rows]
        new, mask = unflatten(logprobs, lengths)
        sampled = torch.tensor([value for row in rows for value in row.sampled_logprobs]).to(new)
        return grpo_loss(
            new,
            unflatten(sampled, lengths)[0],
            None,
            self._matrix([self._part.targets[place].advantages for place in micro.places], new),
            mask,
            objective=self._objective,
            normalizer=self._normalizer,
        )

    def of_values(self, values: Tensor, micro: MicroBatch) -> ValueLoss:
        """The clipped squared error; `values` [M] are those of `micro`."""
        targets = [self._part.targets[place] for place in micro.places]
        new, mask = unflatten(values, [len(target.returns) for target in targets])
        return value_loss(
            new,
            self._matrix([target.old_values for target in targets], new),
            self._matrix([target.returns for target in targets], new),
            mask,
            clip=self._algorithm.value_clip,
            normalizer=self._normalizer,
            aggregation=self._algorithm.aggregation,
        )

    @staticmethod
    def _matrix(flat: Sequence[Tensor], like: Tensor) -> Tensor:
        """A flat tensor a row as [B, T]."""
        return unflatten(torch.cat(list(flat)).to(like), [len(row) for row in flat])[0]


def objective_of(algorithm: PpoAlgorithm) -> Objective:
    """The policy's loss that `algorithm` describes; its KL term is in the rewards."""
    return Objective(
        clip_eps_low=algorithm.clip_eps_low,
        clip_eps_high=algorithm.clip_eps_high,
        aggregation=algorithm.aggregation,
    )
