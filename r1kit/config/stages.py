"""The configuration of each stage; a command's flags and a pipeline's stages are both read from these."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from r1kit.config.algorithms import AlgorithmName, with_preset, with_preset_rewards
from r1kit.config.data import ProblemData, SftData
from r1kit.config.memory import MemoryConfig
from r1kit.config.model import ModelConfig
from r1kit.config.optim import BatchingConfig, OptimConfig
from r1kit.config.rewards import RewardConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.section import Section, expand_home


class StageConfig(Section):
    """What every stage has."""

    model: ModelConfig
    """The base model and how it is loaded."""
    output: Path
    """The run folder that is written."""
    seed: int = Field(default=0, ge=0)
    """Every random draw of the run derives from this."""
    memory: MemoryConfig = MemoryConfig()
    """Memory to plan for."""

    @field_validator("output")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return Path(expand_home(str(value)))


class SftConfig(StageConfig):
    """Supervised fine-tuning on conversations; only completions are learned."""

    data: SftData
    """Training texts."""
    eval_data: SftData | None = None
    """Held-out texts for the evaluation loss."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer updates; when left out, `epochs` decides."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the data when `steps` is left out."""
    batch_size: int = Field(default=16, ge=1)
    """Training texts in one optimizer update."""
    max_length: int = Field(default=4096, ge=8)
    """Longest text in tokens, prompt included; longer ones are left out and counted."""
    eval_every: int = Field(default=0, ge=0)
    """Evaluate the loss on `eval_data` every so many steps, besides the start and the end; 0 for only those."""
    optim: OptimConfig = OptimConfig()
    """Optimizer and schedule."""
    batching: BatchingConfig = BatchingConfig()
    """Micro-batches."""

    @model_validator(mode="after")
    def _check_eval_data(self) -> Self:
        if self.eval_every and self.eval_data is None:
            raise ValueError(
                f"eval_every is {self.eval_every} but there is no eval_data; name held-out texts"
            )
        return self


class GrpoAlgorithm(Section):
    """Group Relative Policy Optimization (DeepSeekMath 2024, eq. 3; DeepSeek-R1 2025, eq. 1-3) and its variants."""

    name: AlgorithmName = "grpo"
    """Variant: sets the defaults of the fields below (see config/algorithms.py); fields that are given win."""
    group_size: int = Field(default=8, ge=2)
    """Completions sampled for each problem (G)."""
    problems_per_step: int = Field(default=8, ge=1)
    """Problems sampled for each rollout batch."""
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
    beta: float = Field(default=0.001, ge=0.0)
    """Weight of the KL term to the reference policy; 0 runs no reference pass."""
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


class GrpoConfig(StageConfig):
    """Reinforcement learning with GRPO."""

    data: ProblemData
    """Problems to train on."""
    held_out: HeldOutConfig | None = None
    """Problems to evaluate on during training."""
    steps: int = Field(default=100, ge=1)
    """Rollout batches; each gives `algorithm.updates_per_batch` optimizer updates."""
    rewards: tuple[RewardConfig, ...] = (RewardConfig(name="math"), RewardConfig(name="format", weight=0.2))
    """The rewards that are added up."""
    sampling: SamplingConfig = SamplingConfig()
    """How completions are drawn."""
    algorithm: GrpoAlgorithm = GrpoAlgorithm()
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

    @model_validator(mode="before")
    @classmethod
    def _fill_up(cls, values: Any) -> Any:
        return with_preset_rewards(values)

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


class KeepConfig(Section):
    """Which samples of a problem are kept."""

    require_correct: bool = True
    """Keep only completions whose verdict is CORRECT."""
    require_format: bool = True
    """Keep only completions with one well-formed think block and an answer."""
    require_one_language: bool = True
    """Keep only completions whose reasoning does not mix scripts."""
    language: Literal["en", "zh"] | None = None
    """Keep only completions whose reasoning is in this language."""
    max_per_problem: int = Field(default=4, ge=1)
    """At most this many distinct completions of a problem."""
    select: Literal["shortest", "first", "random"] = "random"
    """Which of the acceptable completions are kept."""


class RejectSampleConfig(StageConfig):
    """Rejection sampling: many completions a problem, the good ones become a data set for SFT."""

    data: ProblemData
    """Problems to sample on."""
    num_samples: int = Field(default=16, ge=1)
    """Completions a problem."""
    keep: KeepConfig = KeepConfig()
    """Rules for what is kept."""
    general: SftData | None = None
    """General texts that are mixed into the result."""
    rewards: tuple[RewardConfig, ...] = ()
    """Rewards that are written to each sample, beside its verdict; they decide nothing."""
    sampling: SamplingConfig = SamplingConfig(temperature=0.8)
    """How completions are drawn."""
    engine: EngineConfig = EngineConfig()
    """Generation engine."""
    sandbox: SandboxConfig = SandboxConfig()
    """How the code of code problems is run."""


class EvalTask(Section):
    """One benchmark, by name from the hub or from a file."""

    name: str = Field(pattern=r"^[\w.-]+$")
    """aime, math500, gsm8k, humaneval, mbpp, livecodebench, arithmetic; or any name, together with `data`."""
    data: ProblemData | None = None
    """Problems from a file or data set of your own instead of the benchmark's hub data set."""
    limit: int | None = Field(default=None, ge=1)
    """Use only the first so many problems."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class EvalConfig(StageConfig):
    """Evaluation on benchmarks: pass@1 with its standard error, pass@k, cons@k."""

    tasks: tuple[EvalTask, ...] = Field(min_length=1)
    """Benchmarks to run."""
    num_samples: int | None = Field(default=None, ge=1)
    """Completions a problem (k); when left out, the benchmark's own (aime 64, for example), otherwise 1."""
    greedy: bool = False
    """Decode each problem once greedily as well."""
    language: Literal["en", "zh"] | None = None
    """Report the share of the reasoning's words that are in this language."""
    sampling: SamplingConfig = SamplingConfig(temperature=0.6, top_p=0.95, max_new_tokens=32768)
    """How completions are drawn."""
    engine: EngineConfig = EngineConfig()
    """Generation engine."""
    sandbox: SandboxConfig = SandboxConfig(test_seconds=10.0, wall_seconds=60.0)
    """How the code of code problems is run."""

    @field_validator("tasks")
    @classmethod
    def _names_differ(cls, value: tuple[EvalTask, ...]) -> tuple[EvalTask, ...]:
        names = [task.name for task in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is named twice, and figures go by name; rename one of them")
        return value


class ExportConfig(StageConfig):
    """Write a trained model in a form that other tools load."""

    merge: bool = True
    """Merge the adapter into the weights and write a full model; otherwise write the adapter alone."""


STAGES: dict[str, type[StageConfig]] = {
    "sft": SftConfig,
    "grpo": GrpoConfig,
    "reject-sample": RejectSampleConfig,
    "eval": EvalConfig,
    "export": ExportConfig,
}
"""Stage name, as commands and pipeline files write it, to its configuration."""
