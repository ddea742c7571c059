"""A step of reward-model training: pairs as packed micro-batches, one optimizer update."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.config.reward_model import RewardModelConfig
from r1kit.models.folding import folded_adapters
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead
from r1kit.models.scores import score_trees
from r1kit.objectives.preference import preference_loss
from r1kit.reward_model.batches import PairBatch, slice_pairs
from r1kit.reward_model.examples import PairIds
from r1kit.reward_model.quality import ScoredPair
from r1kit.tracking.tracker import Tracker
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize

Scores = tuple[Tensor, Tensor]
"""Of the chosen and of the rejected replies of some pairs, each [B]."""


@dataclass(frozen=True, slots=True)
class RewardTrainer:
    """Everything a step needs."""

    config: RewardModelConfig
    policy: Policy
    head: ScalarHead
    optimizer: Optimizer
    tracker: Tracker
    size: MicroBatchSize

    def step(self, step: int, pairs: Sequence[PairIds]) -> dict[str, float]:
        """One optimizer update on `pairs`, whatever micro-batches they fall into; the step's metrics."""
        started = time.perf_counter()
        (loss, right), stats = self.size.recover(
            lambda: (self._accumulate(pairs), self.optimizer.step()), reset=self.optimizer.clear_gradient
        )
        metrics = {
            "reward_model/loss": loss,
            "reward_model/train_accuracy": right,
            "reward_model/num_tokens": float(
                sum(batch.num_tokens for batch in slice_pairs(pairs, self.size.tokens))
            ),
            "optim/grad_norm": stats.grad_norm,
            "optim/learning_rate": stats.learning_rate,
            "memory/micro_batch_tokens": float(self.size.tokens),
            "memory/num_oom": float(self.size.num_oom + self.optimizer.num_oom),
            "time/step_seconds": time.perf_counter() - started,
        }
        self.tracker.metrics(step, metrics)
        return metrics

    def scored(self, pairs: Sequence[PairIds]) -> list[ScoredPair]:
        """`pairs` with their scores, without gradient and dropout."""
        with self.policy.sampling(), folded_adapters(self.policy.model):
            found = self.size.recover(lambda: dict(self._score_all(pairs)), reset=lambda: None)
        return [
            ScoredPair(pair.id, *found[place], len(pair.chosen_ids), len(pair.rejected_ids))
            for place, pair in enumerate(pairs)
        ]

    def prove(self, max_tokens: int, longest: int) -> None:
        """The largest micro-batch of `max_tokens` in texts of `longest`, forward and backward; nothing changes."""
        pairs = worst_case_pairs(self.policy, max_tokens, longest)
        try:
            for batch in slice_pairs(pairs, max(max_tokens, 2 * longest)):
                self._loss(batch, pairs, self._scores(batch)).backward()
        finally:
            self.optimizer.clear_gradient()

    def _accumulate(self, pairs: Sequence[PairIds]) -> tuple[float, float]:
        """Add the gradient of `pairs` to the parameters; their loss, and the share that is right."""
        total, right = 0.0, 0.0
        for batch in slice_pairs(pairs, self.size.tokens):
            chosen, rejected = scores = self._scores(batch)
            loss = self._loss(batch, pairs, scores)
            loss.backward()
            total += loss.item()
            right += ((chosen > rejected).sum() + 0.5 * (chosen == rejected).sum()).item()
        self.size.running(0, 0)
        return total, right / len(pairs)

    def _score_all(self, pairs: Sequence[PairIds]) -> Iterator[tuple[int, tuple[float, float]]]:
        for batch in slice_pairs(pairs, self.size.tokens):
            chosen, rejected = self._scores(batch)
            yield from zip(batch.places, zip(chosen.tolist(), rejected.tolist(), strict=True), strict=True)

    def _scores(self, batch: PairBatch) -> Scores:
        self.size.running(len(batch.places), batch.num_tokens)
        scores = score_trees(self.policy, self.head, batch.trees)
        return scores[0::2], scores[1::2]

    def _loss(self, batch: PairBatch, pairs: Sequence[PairIds], scores: Scores) -> Tensor:
        """The share of a micro-batch in the loss of `pairs`."""
        weight = self.config.margin_weight
        margins = [weight * (pairs[place].margin or 0.0) for place in batch.places]
        return preference_loss(
            *scores,
            num_pairs=len(pairs),
            margin=torch.tensor(margins, device=scores[0].device) if weight else None,
            center_weight=self.config.center_weight,
        )


def worst_case_pairs(policy: Policy, max_tokens: int, longest: int) -> list[PairIds]:
    """Pairs of texts of `longest` tokens that fill `max_tokens`, at least one; nearly all of a text is its reply."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = policy.model.config.get_text_config().vocab_size
    pairs = []
    for number in range(max(1, max_tokens // (2 * longest))):
        ids = torch.randint(vocabulary, (1 + 2 * (longest - 1),), generator=generator).tolist()
        chosen, rejected = ids[1:longest], ids[longest:]
        pairs.append(PairIds(str(number), (ids[0],), tuple(chosen), tuple(rejected)))
    return pairs
