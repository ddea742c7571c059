"""Groups of rollouts as one batch of PPO: rows, and for each of their tokens an advantage, a return and a value.

Legend: B rows, T tokens of the longest completion.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from r1kit.config.ppo import PpoAlgorithm
from r1kit.core.rollout import Group
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.gae import generalized_advantages, token_rewards, whiten
from r1kit.objectives.kl import kl_estimate
from r1kit.objectives.value import explained_variance
from r1kit.rl.rows import RlRow, rewards_of, scored_rows
from r1kit.training.forward import unflatten


@dataclass(frozen=True, slots=True)
class TokenTargets:
    """What stays as it is over the updates on a batch, one number a token of a completion."""

    advantages: Tensor
    returns: Tensor
    old_values: Tensor


@dataclass(frozen=True, slots=True)
class PpoBatch:
    """Rows to train on with their targets."""

    rows: list[RlRow]
    targets: list[TokenTargets]

    def part(self, places: Sequence[int]) -> PpoBatch:
        """The rows at `places`."""
        return PpoBatch([self.rows[i] for i in places], [self.targets[i] for i in places])

    def normalizer(self, max_tokens: int) -> Normalizer:
        """The counts that the losses of these rows are divided by; there must be rows."""
        return Normalizer.from_lengths([len(row.completion_ids) for row in self.rows], max_tokens)


def trained_rows(groups: Sequence[Group], algorithm: PpoAlgorithm) -> list[RlRow]:
    """The rollouts of `groups` that have a reward, without cut-off ones where the algorithm says so."""
    return [row for row in scored_rows(groups) if not (algorithm.mask_truncated and row.is_truncated)]


def build_batch(
    groups: Sequence[Group],
    rows: Sequence[RlRow],
    old_values: Sequence[Tensor],
    references: Sequence[Tensor] | None,
    algorithm: PpoAlgorithm,
) -> tuple[PpoBatch, dict[str, float]]:
    """`rows` (at least one) of `groups` with their targets, and figures of these by metric name.

    `old_values` and `references` (the reference's log-probabilities; None without a KL term) are a flat tensor a row.
    The KL compares the log-probabilities at sampling with the reference's. Advantages are whitened over all rows.
    """
    lengths = [len(row.completion_ids) for row in rows]
    values, mask = unflatten(torch.cat(list(old_values)), lengths)
    kl = torch.zeros_like(values)
    if references is not None:
        sampled = torch.tensor([value for row in rows for value in row.sampled_logprobs]).to(values)
        flat = kl_estimate(
            algorithm.kl_estimator, sampled[None], torch.cat(list(references))[None].to(values)
        )
        kl = unflatten(flat[0], lengths)[0]
    scores = rewards_of(groups)[[row.index for row in rows]].to(values)
    rewards = token_rewards(scores, kl, mask, algorithm.beta)
    advantages, returns = generalized_advantages(rewards, values, mask, algorithm.gamma, algorithm.lam)
    metrics = _metrics(values, advantages, returns, mask)
    if references is not None:
        metrics["policy/kl"] = kl[mask].mean().item()
    if algorithm.whiten_advantages:
        advantages = whiten(advantages, mask)
    by_row = zip(advantages, returns, values, lengths, strict=True)
    targets = [TokenTargets(a[:length], r[:length], v[:length]) for a, r, v, length in by_row]
    return PpoBatch(list(rows), targets), metrics


def _metrics(values: Tensor, advantages: Tensor, returns: Tensor, mask: Tensor) -> dict[str, float]:
    """Of the batch before its first update, and before the advantages are whitened."""
    explained = explained_variance(values, returns, mask)
    metrics = {
        "advantage/mean": advantages[mask].mean().item(),
        "advantage/std": advantages[mask].std(correction=0).item(),
        "value/mean": values[mask].mean().item(),
        "value/mean_return": returns[mask].mean().item(),
    }
    return metrics if explained is None else metrics | {"value/explained_variance": explained}


def minibatches(rows: Sequence[RlRow], count: int, seed: int) -> list[list[int]]:
    """The places of `rows` in `count` parts, in a random order: every row in one, the sizes differ by at most 1.

    Rows of a group lie side by side in that order, so that nearly all of them share their prompt.
    """
    families: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        families.setdefault(row.group, []).append(place)
    shuffled = list(families.values())
    random.Random(seed).shuffle(shuffled)
    places = [place for family in shuffled for place in family]
    cuts = [round(part * len(places) / count) for part in range(count + 1)]
    return [places[start:end] for start, end in pairwise(cuts)]
