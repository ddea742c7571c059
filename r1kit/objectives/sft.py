"""The loss of supervised fine-tuning.

B rows, T tokens.
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from r1kit.objectives.aggregate import Normalizer, aggregate


def sft_loss(
    logprobs: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], normalizer: Normalizer
) -> Float[Tensor, ""]:
    """The slice's share of the cross entropy: minus the mean over the batch's trained tokens, in nats.

    Call `backward()` on each slice and step once, without dividing by their number: slices add up to the
    batch because the divisor is `normalizer.num_tokens`, the whole batch's. Where `mask` is False nothing
    counts (prompts, padding), whatever stands there.
    """
    return -aggregate(logprobs, mask, "token_mean", normalizer=normalizer)
