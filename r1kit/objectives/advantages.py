"""Group-relative advantages: how much better a completion did than its siblings.

P prompts, G completions a prompt, B = P*G. Rewards lie group by group: the G completions of the first prompt,
then those of the second. A NaN reward means "could not be determined" (never "bad"): it is left out of its
group's mean and deviation, and its own advantage is 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from r1kit.core.errors import TrainingError

Baseline = Literal["group_mean", "leave_one_out"]


def group_advantages(
    rewards: Float[Tensor, " B"],
    group_size: int,
    scale: Literal["std", "none"] = "std",
    eps: float = 1e-4,
    *,
    baseline: Baseline = "group_mean",
) -> Float[Tensor, " B"]:
    """Reward minus the group's baseline, divided by the group's standard deviation plus `eps` for scale "std".

    The baseline is the mean of the group, or of the others in it ("leave_one_out"; RLOO, Ahmadian et al. 2024),
    which gives the former times n / (n - 1) for n usable rewards.

    Shape [B], in units of standard deviations ("std") or of reward ("none"). The deviation is the sample's
    (divisor G - 1), so rewards 1, 0, 0, 1 give +-0.866. Exactly 0 for a group of equal rewards and for one
    with fewer than two usable rewards. `eps` keeps rounding noise in the rewards from being blown up.

    DeepSeekMath (2024), section 4.1.2; DeepSeek-R1 (2025), eq. 3. Scale "none" is that of Dr. GRPO
    (Liu et al. 2025). Raises ValueError when B is not a multiple of `group_size`, TrainingError when a
    reward is infinite.
    """
    groups = _as_groups(rewards, group_size)
    usable = ~groups.isnan()
    count = usable.sum(dim=1, keepdim=True)
    mean = groups.nansum(dim=1, keepdim=True) / count.clamp(min=1)
    advantages = torch.where(usable, groups - mean, 0.0)
    variance = advantages.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
    if baseline == "leave_one_out":
        advantages = advantages * count / (count - 1).clamp(min=1)
    if scale == "std":
        advantages = advantages / (variance.sqrt() + eps)
    # The mean of equal floats can differ from them in the last bit: 0 is set, not computed.
    uniform = uniform_groups(rewards, group_size)
    return torch.where(uniform[:, None], 0.0, advantages).flatten()


def uniform_groups(rewards: Float[Tensor, " B"], group_size: int) -> Bool[Tensor, " P"]:
    """True for each group without signal: its usable rewards are all equal, or there are fewer than two.

    Shape [P]. The advantages of such a group are all 0, so it adds nothing to the policy gradient. Raises
    as `group_advantages` does.
    """
    groups = _as_groups(rewards, group_size)
    unknown = groups.isnan()
    highest = groups.masked_fill(unknown, -torch.inf).amax(dim=1)
    lowest = groups.masked_fill(unknown, torch.inf).amin(dim=1)
    return highest <= lowest


def _as_groups(rewards: Float[Tensor, " B"], group_size: int) -> Float[Tensor, "P G"]:
    if group_size < 1 or len(rewards) % group_size:
        raise ValueError(f"{len(rewards)} rewards cannot be cut into groups of group_size {group_size}")
    if rewards.isinf().any():
        row = int(rewards.isinf().nonzero()[0])
        raise TrainingError(
            f"the reward of completion {row} is {rewards[row].item()}; "
            "a reward must be finite, or None when it could not be determined"
        )
    return rewards.reshape(-1, group_size)
