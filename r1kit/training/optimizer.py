"""AdamW with warm-up and decay, and the one place where an optimizer step is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from r1kit.config.model import ModelConfig
from r1kit.config.optim import DEFAULT_LEARNING_RATES, OptimConfig
from r1kit.core.errors import EnvironmentError_, TrainingError
from r1kit.ops.out_of_memory import free_memory, is_out_of_memory
from r1kit.training.recovery import TRIES


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
    """AdamW over `parameters` with the schedule of `config`; weight decay only on matrices.

    Its moments are allocated here and its kernel works in place, so that a step needs no memory to speak of:
    what runs out of memory does so before the first step, or before any weight has moved.

    Attributes:
        num_oom: how often the memory ran out in AdamW's own step, which was then tried again.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], config: OptimConfig, *, learning_rate: float, num_steps: int
    ) -> None:
        self._parameters = list(parameters)
        self._config = config
        self._learning_rate = learning_rate
        self._num_steps = num_steps
        self._step = 0
        self.num_oom = 0
        matrices = [p for p in self._parameters if p.ndim >= 2]
        vectors = [p for p in self._parameters if p.ndim < 2]
        # One AdamW each: a step happens to all of its parameters or to none.
        self._adamws = [
            _adamw(group, config, learning_rate, weight_decay)
            for group, weight_decay in ((matrices, config.weight_decay), (vectors, 0.0))
            if group
        ]

    def step(self) -> StepStats:
        """Clip the accumulated gradient, update the weights, clear the gradient, move the schedule on.

        When the memory runs out while clipping, torch's error leaves the weights as they were and the gradient
        in pieces: clear it and form it again.

        Raises:
            TrainingError: the gradient is not finite; the weights are left as they were.
            EnvironmentError_: the memory runs out in AdamW's own step, again and again.
        """
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._config.max_grad_norm)
        stats = StepStats(norm.item(), self._learning_rate * self._factor())
        if not math.isfinite(stats.grad_norm):
            raise TrainingError(
                f"the gradient of update {self._step + 1} is not finite ({stats.grad_norm}); lower "
                "optim.learning_rate, or set model.dtype to float32 or bfloat16"
            )
        for adamw in self._adamws:
            for group in adamw.param_groups:
                group["lr"] = stats.learning_rate
            self._apply(adamw)
        self.skip()
        return stats

    def skip(self) -> None:
        """Clear the gradient and move the schedule on, without an update; for a batch that holds no signal."""
        self.clear_gradient()
        self._step += 1

    def clear_gradient(self) -> None:
        """Drop the accumulated gradient and its memory."""
        for parameter in self._parameters:
            parameter.grad = None

    def _factor(self) -> float:
        return schedule_factor(self._step, self._num_steps, self._config)

    def _apply(self, adamw: torch.optim.AdamW) -> None:
        """AdamW's step. Its kernel moves the weights last, so that a failed step is taken back by its counts."""
        counts = [state["step"].clone() for state in adamw.state.values()]
        for _ in range(TRIES):
            try:
                adamw.step()
                return
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
            self.num_oom += 1
            for state, count in zip(adamw.state.values(), counts, strict=True):
                state["step"].copy_(count)
            free_memory()
        raise EnvironmentError_(
            "out of memory in the optimizer's step although its states are allocated; another program may be "
            "taking memory of the same device: stop it, or lower memory.vram"
        )


def _adamw(
    parameters: Sequence[nn.Parameter], config: OptimConfig, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW with its states allocated, as its own first step would."""
    adamw = torch.optim.AdamW(
        parameters,
        lr=learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=weight_decay,
        fused=True,
    )
    for parameter in parameters:
        adamw.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }
    return adamw
