"""The configuration of each stage; a command's flags and a pipeline's stages are both read from these."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from r1kit.config.data import ProblemData, SftData
from r1kit.config.optim import BatchingConfig, OptimConfig
from r1kit.config.ppo import PpoConfig
from r1kit.config.reward_model import RewardModelConfig
from r1kit.config.rewards import RewardConfig
from r1kit.config.rl import GrpoConfig, RlConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.config.section import Section
from r1kit.config.stage import StageConfig


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


class KeepConfig(Section):
    """Which samples of a problem are kept."""

    require_correct: bool = True
    """Keep only completions whose verdict is CORRECT, of the problems that are judged."""
    min_reward: float = 0.0
    """Keep completions of problems that nothing judges (kind general) only from this reward on; the scores of a
    reward model are normalised, so that 0 is its mean over the pairs it was held to."""
    require_format: bool = True
    """Keep only completions with one well-formed think block and an answer."""
    require_one_language: bool = True
    """Keep only completions whose reasoning does not mix scripts."""
    language: Literal["en", "zh"] | None = None
    """Keep only completions whose reasoning is in this language."""
    max_per_problem: int = Field(default=4, ge=1)
    """At most this many distinct completions of a problem."""
    select: Literal["shortest", "first", "random", "best"] = "random"
    """Which of the acceptable completions are kept; best: those of the highest reward."""


class RejectSampleConfig(StageConfig):
    """Rejection sampling: many completions a problem, the good ones become a data set for SFT."""

    data: ProblemData
    """Problems to sample on."""
    more_data: tuple[ProblemData, ...] = ()
    """Further problems to sample on, such as those of another kind."""
    num_samples: int = Field(default=16, ge=1)
    """Completions a problem."""
    keep: KeepConfig = KeepConfig()
    """Rules for what is kept."""
    general: SftData | None = None
    """General texts that are mixed into the result."""
    rewards: tuple[RewardConfig, ...] = ()
    """Rewards that are written to each sample, beside its verdict; their sum decides where no verdict does (`keep`)."""
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
    rewards: tuple[RewardConfig, ...] = ()
    """Rewards that are reported beside accuracy, such as those of reward models."""
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
    "ppo": PpoConfig,
    "reward-model": RewardModelConfig,
    "reject-sample": RejectSampleConfig,
    "eval": EvalConfig,
    "export": ExportConfig,
}
"""Stage name, as commands and pipeline files write it, to its configuration."""


def rewards_of(config: StageConfig) -> tuple[RewardConfig, ...]:
    """The rewards that a stage names; none for a stage without."""
    return config.rewards if isinstance(config, RlConfig | RejectSampleConfig | EvalConfig) else ()
