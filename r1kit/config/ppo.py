"""The configuration of PPO for language models."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from r1kit.config.optim import OptimConfig
from r1kit.config.rl import RlAlgorithm, RlConfig


class PpoAlgorithm(RlAlgorithm):
    """Proximal Policy Optimization (Schulman et al. 2017) with a value network and a KL term in the reward."""

    group_size: int = Field(default=1, ge=1)
    """Completions sampled for each problem; PPO compares with the value network, so one is enough."""
    problems_per_step: int = Field(default=64, ge=1)
    """Problems sampled for each rollout batch."""
    beta: float = Field(default=0.001, ge=0.0)
    """Weight of the KL to the reference policy in the reward of every token; 0 runs no reference pass."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k1"
    """Estimator of that KL (Schulman 2020)."""
    gamma: float = Field(default=1.0, ge=0.0, le=1.0)
    """Discount of the next token's value."""
    lam: float = Field(default=0.95, ge=0.0, le=1.0)
    """Lambda of generalized advantage estimation: 1 trusts the rewards alone, 0 the next value alone."""
    clip_eps_low: float = Field(default=0.2, ge=0.0, le=1.0)
    """The ratio is clipped from below at 1 - this."""
    clip_eps_high: float = Field(default=0.2, ge=0.0)
    """The ratio is clipped from above at 1 + this."""
    value_network: Literal["separate", "shared"] = "separate"
    """A second model as large as the policy, or a linear head on the policy's last hidden states."""
    value_clip: float | None = Field(default=0.2, gt=0.0)
    """A batch moves a value by no more than this for its loss; none for no bound."""
    value_weight: float = Field(default=0.1, gt=0.0)
    """Weight of the value loss beside the policy's, where they share a network."""
    value_into_backbone: bool = True
    """Whether the value loss of a shared head reaches the policy's layers, or stops at the head."""
    whiten_advantages: bool = True
    """Scale the advantages of a rollout batch to mean 0 and variance 1."""
    aggregation: Literal["sequence_mean", "sequence_sum", "token_mean", "constant_length"] = "token_mean"
    """How token values become the losses."""
    epochs: int = Field(default=2, ge=1)
    """Passes over each rollout batch."""
    minibatches: int = Field(default=4, ge=1)
    """Optimizer updates in one such pass, each on its own part of the batch."""
    mask_truncated: bool = False
    """Leave completions that were cut off out of the update."""

    @property
    def num_updates(self) -> int:
        """Optimizer updates on each rollout batch."""
        return self.epochs * self.minibatches

    @model_validator(mode="after")
    def _check_minibatches(self) -> Self:
        rows = self.problems_per_step * self.group_size
        if self.minibatches > rows:
            raise ValueError(
                f"minibatches is {self.minibatches}, but a batch has {rows} completions (problems_per_step times "
                "group_size); lower it"
            )
        return self


class PpoConfig(RlConfig):
    """Reinforcement learning with PPO."""

    algorithm: PpoAlgorithm = PpoAlgorithm()
    """The objective."""
    value_optim: OptimConfig = OptimConfig()
    """Optimizer and schedule of a separate value network; a shared head is trained with the policy."""
