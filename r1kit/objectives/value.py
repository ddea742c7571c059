"""The loss of a value network: the squared error of its guess, with a bound on how far one batch may move it.

B completions, T completion tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from r1kit.objectives.aggregate import Aggregation, Normalizer, aggregate


@dataclass(frozen=True)
class ValueSums:
    """What a slice of the batch adds to the metrics: detached scalars, so that slices can be added with +."""

    loss: Float[Tensor, ""]
    """The slice's share of the loss (already divided by the batch's normaliser)."""
    num_tokens: Int[Tensor, ""]
    """Trained tokens."""
    clipped: Int[Tensor, ""]
    """Tokens where the clip decided, and the gradient is 0."""

    def __add__(self, other: ValueSums) -> ValueSums:
        """The sums of both slices."""
        return ValueSums(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    def metrics(self) -> dict[str, float]:
        """`loss` and `clip_fraction`, once all slices are added."""
        return {
            "loss": self.loss.item(),
            "clip_fraction": int(self.clipped) / max(1, int(self.num_tokens)),
        }


@dataclass(frozen=True)
class ValueLoss:
    """A slice's share of the loss, and of the metrics."""

    loss: Float[Tensor, ""]
    """To be minimised: call `backward()` on each slice and step once, without dividing by their number."""
    sums: ValueSums


def value_loss(
    values: Float[Tensor, "B T"],
    old_values: Float[Tensor, "B T"],
    returns: Float[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    *,
    clip: float | None,
    normalizer: Normalizer,
    aggregation: Aggregation = "token_mean",
) -> ValueLoss:
    """0.5 * max((V - R)^2, (clip(V, V_old - clip, V_old + clip) - R)^2), aggregated over the tokens of the mask.

    `old_values` are the network's before the first update on the batch; without a `clip` it is 0.5 * (V - R)^2. The
    gradient reaches `values` alone; at masked positions it is exactly 0 whatever stands there. The clip is that of
    OpenAI's PPO (Huang et al., "The 37 implementation details of PPO", 2022, detail 9): a value that has moved by more
    than `clip` towards its return (or beyond it) gets no gradient; one that has moved away is free to come back.
    """
    # Filled before anything is computed: nan in a masked value would become 0 * nan = nan in the gradient.
    values = torch.where(mask, values, 0.0)
    old, target = (torch.where(mask, fixed.detach(), 0.0) for fixed in (old_values, returns))
    error = (values - target).square()
    clipped = torch.zeros_like(mask)
    if clip is not None:
        bounded = (old + (values - old).clamp(-clip, clip) - target).square()
        clipped = bounded > error
        # A bounded value that wins is a constant: the clamp has no gradient outside its bounds.
        error = torch.where(clipped, bounded, error)
    loss = 0.5 * aggregate(error, mask, aggregation, normalizer=normalizer)
    return ValueLoss(loss, ValueSums(loss.detach(), mask.sum(), (clipped & mask).sum()))


def explained_variance(
    values: Float[Tensor, "B T"], returns: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"]
) -> float | None:
    """1 - Var(returns - values) / Var(returns) over the tokens of the mask.

    1 is a perfect guess, 0 one no better than a constant. None where all returns are equal: there is nothing to explain.
    """
    target = returns[mask]
    variance = target.var(correction=0).item() if len(target) else 0.0
    if variance <= torch.finfo(target.dtype).eps * float(target.square().mean() if len(target) else 1.0):
        return None
    return 1 - (target - values[mask]).var(correction=0).item() / variance
