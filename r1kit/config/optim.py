"""The optimizer, its schedule, and how a batch is cut to fit memory."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from r1kit.config.section import Section

DEFAULT_LEARNING_RATES: Final = {
    ("sft", "lora"): 2e-4,
    ("sft", "full"): 1e-5,
    ("grpo", "lora"): 1e-5,
    ("grpo", "full"): 1e-6,
    ("ppo", "lora"): 1e-5,
    ("ppo", "full"): 1e-6,
    ("value", "lora"): 1e-4,
    ("value", "full"): 1e-5,
    ("reward-model", "lora"): 2e-4,
}
"""By stage and tuning kind: an adapter takes about ten times the rate of full fine-tuning."""


class OptimConfig(Section):
    """AdamW with warm-up and decay."""

    learning_rate: float | None = Field(default=None, gt=0)
    """Peak learning rate; when left out, a default by stage and tuning kind."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Decay after the warm-up."""
    warmup_ratio: float = Field(default=0.05, ge=0.0, lt=1.0)
    """Share of the steps over which the rate rises from 0 to its peak."""
    final_ratio: float = Field(default=0.0, ge=0.0, le=1.0)
    """What the rate decays to by the end, as a share of the peak (cosine and linear)."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """Decoupled weight decay of matrices; never on norms and biases."""
    beta1: float = Field(default=0.9, ge=0.0, lt=1.0)
    """AdamW's first-moment decay."""
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0)
    """AdamW's second-moment decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The gradient's global norm is clipped to this."""


class BatchingConfig(Section):
    """How a batch is cut into slices that fit memory. The gradient does not depend on it."""

    micro_batch_tokens: int | None = Field(default=None, ge=1)
    """Most tokens in one forward and backward pass; a longer single text still runs. When left out, the memory
    plan decides."""
