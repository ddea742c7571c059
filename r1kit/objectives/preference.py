"""The loss of a reward model on pairs of replies.

B pairs.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def preference_loss(
    chosen: Float[Tensor, " B"],
    rejected: Float[Tensor, " B"],
    *,
    num_pairs: int,
    margin: Float[Tensor, " B"] | None = None,
    center_weight: float = 0.0,
) -> Float[Tensor, ""]:
    """The slice's share of the batch's loss, a scalar; slices add up to the batch, whose pairs are `num_pairs`.

    Each pair adds -log sigmoid(chosen - rejected - margin) (Bradley and Terry 1952; with the margin, Touvron et
    al. 2023, Llama 2, eq. 2) and center_weight * (chosen + rejected)^2. The first does not change when both
    scores move together; the second keeps them about 0 (Eisenstein et al. 2023). Scores of any size give finite
    values and gradients.

    Raises:
        ValueError: `num_pairs` is below 1.
    """
    if num_pairs < 1:
        raise ValueError(f"num_pairs of the batch is {num_pairs}; must be at least 1")
    ahead = chosen - rejected if margin is None else chosen - rejected - margin
    loss = F.softplus(-ahead).sum()  # -log sigmoid(x), without the sigmoid that would become 0
    if center_weight:
        loss = loss + center_weight * (chosen + rejected).square().sum()
    return loss / num_pairs
