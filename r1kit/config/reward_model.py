"""The configuration of reward-model training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from r1kit.config.data import PreferenceData
from r1kit.config.optim import BatchingConfig, OptimConfig
from r1kit.config.stage import StageConfig


class RewardModelConfig(StageConfig):
    """Training of a reward model on pairs of replies: an adapter and a scalar head on a frozen base."""

    data: PreferenceData
    """Pairs to train on."""
    eval_data: PreferenceData | None = None
    """Held-out pairs; when left out, a share of `data`."""
    held_out_share: float = Field(default=0.1, gt=0.0, lt=1.0)
    """Share of the pairs that is held out when there is no `eval_data`; no prompt is on both sides."""
    span: Literal["summary", "completion"] = "completion"
    """What is judged: what follows </think> (helpfulness), or all of a completion (harmlessness)."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer updates; when left out, `epochs` decides."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the pairs when `steps` is left out; more than one or two learn the pairs by heart."""
    batch_size: int = Field(default=16, ge=1)
    """Pairs in one optimizer update."""
    max_length: int = Field(default=4096, ge=8)
    """Longest text in tokens, prompt included; pairs with a longer one are left out and counted."""
    margin_weight: float = Field(default=0.0, ge=0.0)
    """The pair's margin times this is what the better score must be ahead by; 0 leaves margins unused."""
    center_weight: float = Field(default=0.01, ge=0.0)
    """Weight of the term that keeps the scores of a pair about 0."""
    eval_every: int = Field(default=0, ge=0)
    """Evaluate on the held-out pairs every so many steps, besides the start and the end; 0 for only those."""
    optim: OptimConfig = OptimConfig()
    """Optimizer and schedule."""
    batching: BatchingConfig = BatchingConfig()
    """Micro-batches."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.model.tuning == "full":
            raise ValueError(
                "model.tuning full makes no reward model: it is an adapter and a head beside the policy's on one "
                "base; set model.tuning to lora"
            )
        return self
