"""The on-policy self-check: do engine and trainer give the same tokens the same log-probability?

They compute the same function of the same weights in two ways. Rounding sets them apart a little; a missing or
wrong adapter, another temperature or a wrong position sets them apart a lot, and the gradient would be that of
another policy than the one that sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from r1kit.core.rollout import Group
from r1kit.models.policy import Policy
from r1kit.rl.passes import measured_logprobs
from r1kit.rl.rows import RlRow, row_of
from r1kit.training.recovery import MicroBatchSize

STEPS_BETWEEN_WORDS: Final = 20
"""An alarm that goes on is said again after so many steps; it is counted at every step."""


def gap_metrics(rows: Sequence[RlRow], logprobs: Sequence[Tensor]) -> dict[str, float]:
    """Mean and largest absolute difference between the rows' sampled log-probabilities and `logprobs`, in nats."""
    gaps = [
        (ours - torch.tensor(row.sampled_logprobs).to(ours)).abs()
        for row, ours in zip(rows, logprobs, strict=True)
    ]
    gap = torch.cat(gaps)
    return {"policy/sampling_gap_mean": gap.mean().item(), "policy/sampling_gap_max": gap.max().item()}


def gap_of_one(
    policy: Policy, groups: Sequence[Group], temperature: float, size: MicroBatchSize
) -> dict[str, float]:
    """`gap_metrics` of the first completion of `groups`: for a first batch that trains on nothing."""
    row = row_of(groups[0], groups[0].rollouts[0], number=0, index=0)
    return gap_metrics([row], measured_logprobs(policy, [row], temperature, size))


@dataclass(slots=True)
class SamplingGapAlarm:
    """Says when the mean gap is above `max_gap`, and how to find out why."""

    max_gap: float
    say: Callable[[str], None]
    _quiet_until: int = 0

    def check(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """`policy/sampling_gap_alarms`: 1 if the gap in `metrics` is too large, else 0; nothing without a gap."""
        gap = metrics.get("policy/sampling_gap_mean")
        if gap is None:
            return {}
        is_alarm = not gap <= self.max_gap  # nan is an alarm too
        if is_alarm and step >= self._quiet_until:
            self._quiet_until = step + STEPS_BETWEEN_WORDS
            self.say(
                f"step {step}: engine and trainer differ by {gap:.3g} nats a token on the mean (max_sampling_gap "
                f"{self.max_gap:g}), so the policy that samples is not the one that is trained; compare with "
                "--engine.kind transformers and --model.attention eager, or weigh tokens with "
                "algorithm.importance_cap 2"
            )
        return {"policy/sampling_gap_alarms": float(is_alarm)}
