"""The configuration of reinforcement learning: what its algorithms share, and GRPO."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from r1kit.config.algorithms import AlgorithmName, with_preset, with_preset_rewards
from r1kit.config.data import PreferenceData, ProblemData
from r1kit.config.optim import BatchingConfig, OptimConfig
from r1kit.config.rewards import RewardConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.section import Section
from r1kit.config.stage import StageConfig


class RlAlgorithm(Section):
    """What every algorithm is told."""

    group_size: int = Field(default=1, ge=1)
    """Completions sampled for each problem (G)."""
    problems_per_step: int = Field(default=8, ge=1)
    """Problems sampled for each rollout batch."""
    beta: float = Field(default=0.001, ge=0.0)
    """Weight of the KL term to the reference policy; 0 runs no reference pass."""

    @property
    def num_updates(self) -> int:
        """Optimizer updates on each rollout batch."""
        raise NotImplementedError


class GrpoAlgorithm(RlAlgorithm):
    """Group Relative Policy Optimization (DeepSeekMath 2024, eq. 3; DeepSeek-R1 2025, eq. 1-3) and its variants."""

    name: AlgorithmName = "grpo"
    """Variant: sets the defaults of the fields below (see config/algorithms.py); fields that are given win."""
    group_size: int = Field(default=8, ge=2)
    """Completions sampled for each problem (G)."""
    baseline: Literal["group_mean", "leave_one_out"] = "group_mean"
    """What a reward is compared with: the mean of its group, or of the others in it (rloo)."""
    advantage_scale: Literal["std", "none"] = "std"
    """Divide the centred rewards of a group by their standard deviation, or leave them."""
    surrogate: Literal["clipped", "unclipped", "cispo"] = "clipped"
    """PPO's clipped surrogate, the plain ratio times advantage, or CISPO's clipped weight of log p."""
    ratio: Literal["token", "sequence"] = "token"
    """One importance ratio a token, or one a completion (GSPO: the geometric mean of its tokens')."""
    clip_eps_low: float = Field(default=0.2, ge=0.0, le=1.0)
    """The ratio is clipped from below at 1 - this; 1 for no lower bound."""
    clip_eps_high: float = Field(default=0.2, ge=0.0)
    """The ratio is clipped from above at 1 + this (DAPO: 0.28)."""
    kl_in: Literal["loss", "reward"] = "loss"
    """Where the KL term stands: in the loss, or subtracted from the reward, summed over the completion."""
    kl_estimator: Literal["k1", "k2", "k3"] = "k3"
    """Estimator of the KL term (Schulman 2020); k3 is the article's."""
    aggregation: Literal["sequence_mean", "sequence_sum", "token_mean", "constant_length"] = "sequence_mean"
    """How token values become the loss: the article's mean over each output, then the batch; or variants."""
    updates_per_batch: int = Field(default=1, ge=1)
    """Optimizer updates on each rollout batch (mu)."""
    resample_groups: bool = False
    """Replace groups without signal by groups of new problems (DAPO's dynamic sampling)."""
    max_resample_rounds: int = Field(default=4, ge=1)
    """Most rounds of new problems in a step."""
    mask_truncated: bool = False
    """Leave completions that were cut off out of the loss (DAPO's overlong filtering)."""
    importance_cap: float | None = Field(default=None, gt=0.0)
    """Weigh each token by trainer's / engine's probability, at most this; for engines with their own weights."""

    @model_validator(mode="before")
    @classmethod
    def _fill_up(cls, values: Any) -> Any:
        return with_preset(values)

    @property
    def num_updates(self) -> int:
        """Optimizer updates on each rollout batch."""
        return self.updates_per_batch

    @property
    def loss_beta(self) -> float:
        """Weight of the KL term in the loss."""
        return self.beta if self.kl_in == "loss" else 0.0


class HeldOutConfig(Section):
    """Evaluation on held-out problems while training."""

    data: ProblemData
    """Problems that are not trained on."""
    every: int = Field(default=20, ge=1)
    """Evaluate before the first step, every so many steps, and after the last."""
    num_samples: int = Field(default=1, ge=1)
    """Completions a problem."""


class HeldOutPairsConfig(Section):
    """Pairs of replies that the policy itself is asked about while training."""

    data: PreferenceData
    """Pairs that neither the policy nor a reward model was trained on."""
    every: int = Field(default=20, ge=1)
    """Compare before the first step, every so many steps, and after the last."""


class RlConfig(StageConfig):
    """What every stage of reinforcement learning has."""

    data: ProblemData
    """Problems to train on."""
    more_data: tuple[ProblemData, ...] = ()
    """Further problems to train on, such as those of another kind; every problem is asked once an epoch."""
    held_out: HeldOutConfig | None = None
    """Problems to evaluate on during training."""
    pairs: HeldOutPairsConfig | None = None
    """Preference pairs that show whether a reward model is being hacked: is the better reply still the likelier one?"""
    steps: int = Field(default=100, ge=1)
    """Rollout batches; each gives one or more optimizer updates."""
    rewards: tuple[RewardConfig, ...] = (RewardConfig(name="math"), RewardConfig(name="format", weight=0.2))
    """The rewards that are added up."""
    sampling: SamplingConfig = SamplingConfig()
    """How completions are drawn."""
    algorithm: RlAlgorithm
    """The objective."""
    optim: OptimConfig = OptimConfig()
    """Optimizer and schedule."""
    batching: BatchingConfig = BatchingConfig()
    """Micro-batches."""
    engine: EngineConfig = EngineConfig()
    """Generation engine."""
    sandbox: SandboxConfig = SandboxConfig()
    """How the code of code problems is run."""
    max_sampling_gap: float = Field(default=0.02, gt=0.0)
    """Alarm when the log-probabilities of engine and trainer differ by more than this on the mean, in nats."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.rewards:
            raise ValueError("rewards is empty; name at least one, for example math")
        if all(reward.weight == 0 for reward in self.rewards):
            raise ValueError("every reward has weight 0, so there is nothing to learn; give one a weight")
        if self.model.tuning == "lora" and self.model.lora.dropout > 0:
            raise ValueError(
                f"model.lora.dropout is {self.model.lora.dropout:g}: the policy in training would differ from the "
                "one that sampled, and the ratio would be noise; use 0 in RL"
            )
        sampling = self.sampling
        if sampling.temperature == 0:
            raise ValueError(
                "sampling.temperature is 0: all completions of a group would be the same; use 1.0"
            )
        if sampling.top_p < 1 or sampling.top_k > 0 or sampling.min_p > 0:
            raise ValueError(
                "sampling.top_p, top_k and min_p must be off (1, 0, 0) in RL: the policy that is trained "
                "would differ from the one that was sampled, and the ratio would be biased"
            )
        return self


class GrpoConfig(RlConfig):
    """Reinforcement learning with GRPO."""

    algorithm: GrpoAlgorithm = GrpoAlgorithm()
    """The objective."""

    @model_validator(mode="before")
    @classmethod
    def _fill_up(cls, values: Any) -> Any:
        return with_preset_rewards(values)
