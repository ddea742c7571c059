"""AdamW with warm-up and decay, and the one place where an optimizer step is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from r1kit.config.model import ModelConfig
from r1kit.config.optim import DEFAULT_LEARNING_RATES, OptimConfig
from r1kit.core.errors import TrainingError


def peak_learning_rate(optim: OptimConfig, stage: str, model: ModelConfig) -> float:
    """The configured peak rate, else the default of the stage ("sft", "grpo") and the tuning kind."""
    if optim.learning_rate is not None:
        return optim.learning_rate
    return DEFAULT_LEARNING_RATES[stage, model.tuning]


def schedule_factor(step: int, num_steps: int, optim: OptimConfig) -> float:
    """The share of the peak rate at update `step` (counted from 0) of `num_steps`.

    It rises linearly over the warm-up, then decays towards `final_ratio`, which it would reach at the update
    after the last; so no update is taken at rate 0.
    """
    warmup = math.ceil(optim.warmup_ratio * num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if optim.schedule == "constant":
        return 1.0
    progress = (step - warmup) / (num_steps - warmup)
    shape = 1 - progress if optim.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))
    return optim.final_ratio + (1 - optim.final_ratio) * shape


@dataclass(frozen=True, slots=True)
class StepStats:
    """What one optimizer step did: the gradient's norm before clipping, and the rate it was taken with."""

    grad_norm: float
    learning_rate: float


class Optimizer:
    """AdamW over `parameters` with the schedule of `config`; weight decay only on matrices."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], config: OptimConfig, *, learning_rate: float, num_steps: int
    ) -> None:
        self._parameters = list(parameters)
        self._config = config
        self._learning_rate = learning_rate
        self._num_steps = num_steps
        self._step = 0
        matrices = [p for p in self._parameters if p.ndim >= 2]
        vectors = [p for p in self._parameters if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self._adamw = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=learning_rate,
            betas=(config.beta1, config.beta2),
        )

    def step(self) -> StepStats:
        """Clip the accumulated gradient, update the weights, clear the gradient, move the schedule on.

        Raises:
            TrainingError: the gradient is not finite; the weights are left as they were.
        """
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._config.max_grad_norm)
        if not torch.isfinite(norm):
            raise TrainingError(
                f"the gradient of update {self._step + 1} is not finite ({norm.item()}); lower optim.learning_rate, "
                "or set model.dtype to float32 or bfloat16"
            )
        rate = self._learning_rate * schedule_factor(self._step, self._num_steps, self._config)
        for group in self._adamw.param_groups:
            group["lr"] = rate
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        self._step += 1
        return StepStats(grad_norm=norm.item(), learning_rate=rate)

    def skip(self) -> None:
        """Move the schedule on without an update, for a batch that holds no signal."""
        self._adamw.zero_grad(set_to_none=True)
        self._step += 1
