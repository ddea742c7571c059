"""The batch that both sides of the PPO replay are given, its weights, and what is noted of each side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import torch
from grpo_workload import PAD, QUICK, Workload, prompt_ids
from torch import Tensor, nn
from transformers import Qwen2ForCausalLM

RATE: Final = 0.05
"""Of both SGDs."""
VALUE_WEIGHT: Final = 0.1
WORKLOAD: Final = replace(QUICK, hidden=64, intermediate=128, prompts_per_step=12, group_size=1)
LONGEST: Final = 14
NOISE: Final = {"sampled": 0.02, "trained": 0.03, "value": 0.05}


@dataclass(frozen=True, slots=True)
class Saved:
    """The batch, and where the base lies."""

    model: Path
    prompts: list[tuple[int, ...]]
    completions: list[tuple[int, ...]]


@dataclass(slots=True)
class Side:
    """What a trainer came to: by row the advantages, then the losses, and the gradients of each update by name."""

    raw: list[Tensor] = field(default_factory=list)
    advantages: list[Tensor] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)
    policy: list[dict[str, Tensor]] = field(default_factory=list)
    value: list[dict[str, Tensor]] = field(default_factory=list)


def saved_batch(workload: Workload, model: Path, *, is_ragged: bool) -> Saved:
    """Random prompts of several lengths and random completions."""
    generator = torch.Generator().manual_seed(0)
    prompts = prompt_ids(workload, 0, 1)[0]
    lengths = torch.randint(3, LONGEST + 1, (len(prompts),), generator=generator).tolist()
    if not is_ragged:
        lengths = [LONGEST] * len(prompts)
    completions = [
        tuple(torch.randint(PAD + 1, workload.vocabulary, (length,), generator=generator).tolist())
        for length in lengths
    ]
    return Saved(model, prompts, completions)


@torch.no_grad()
def moved(model: nn.Module, which: str) -> nn.Module:
    """`model`, moved by noise that depends on a parameter's name."""
    for name, parameter in sorted(model.named_parameters()):
        seed = sum(map(ord, f"{which}.{name}"))
        noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
        parameter.add_(noise, alpha=NOISE[which])
    return model


def scores_of(saved: Saved) -> list[float]:
    """A reward a completion, by what it says."""
    return [float((sum(ids) % 17) / 8 - 1) for ids in saved.completions]


@torch.no_grad()
def sampled_logits(saved: Saved) -> list[Tensor]:
    """The logits [T, V] of each completion under the policy that sampled, a text at a time."""
    model = moved(Qwen2ForCausalLM.from_pretrained(saved.model, dtype=torch.float32), "sampled")
    found = []
    for prompt, completion in zip(saved.prompts, saved.completions, strict=True):
        logits = model(torch.tensor([[*prompt, *completion]])).logits[0]
        found.append(logits[len(prompt) - 1 : -1])
    return found


@torch.no_grad()
def set_head(weight: Tensor) -> None:
    """A head that says something; the same on both sides."""
    drawn = torch.randn(weight.numel(), generator=torch.Generator().manual_seed(5)) * 0.1
    weight.copy_(drawn.view(weight.shape))


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """The gradient in float64."""
    return torch.zeros_like(parameter).double() if parameter.grad is None else parameter.grad.double()
