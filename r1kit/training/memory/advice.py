"""What would make a run fit that does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from r1kit.config.model import ModelConfig
from r1kit.config.stage import StageConfig
from r1kit.config.stages import SftConfig
from r1kit.models.shapes import ModelShapes
from r1kit.training.memory.plan import MemoryPlan, plan_memory

_Remedy = tuple[str, Callable[[StageConfig], StageConfig]]


def advice(
    plan: MemoryPlan,
    shapes: ModelShapes,
    config: StageConfig,
    device: str = "cuda",
    longest_prompt: int | None = None,
) -> str:
    """The least change that makes `config` fit, in words; empty when it fits as it is.

    `longest_prompt` is that which `plan` was made for. Fewer and milder changes come first; shorter texts come last,
    for they change what is learned.
    """
    if plan.fits:
        return ""
    planned = config
    for words, changed in _changed(config):
        better = plan_memory(shapes, changed, plan.vram, device=device, longest_prompt=longest_prompt)
        if better.fits:
            return f"it fits with {words}"
        planned, plan, most = changed, better, words
    shorter = _shorter(plan, planned)
    if shorter is None:
        return "no setting makes it fit; take a smaller model or more memory"
    return f"it fits with {f'{most} and ' if planned is not config else ''}{shorter}"


def _changed(config: StageConfig) -> Iterator[tuple[str, StageConfig]]:
    """Every choice of remedies with its words, the smallest choices first."""
    remedies = list(_remedies(config))
    for size in range(1, len(remedies) + 1):
        for chosen in combinations(remedies, size):
            changed = config
            for _, apply in chosen:
                changed = apply(changed)
            yield " and ".join(words for words, _ in chosen), changed


def _remedies(config: StageConfig) -> Iterator[_Remedy]:
    sizes = {"batching": "micro_batch_tokens", "engine": "kv_tokens"}
    for section, field in sizes.items():
        if getattr(getattr(config, section, None), field, None) is not None:
            yield f"{section}.{field} left to the plan", _set_in(section, {field: None})
    model = config.model
    if not model.gradient_checkpointing and hasattr(config, "batching"):
        yield "model.gradient_checkpointing", _set_in("model", {"gradient_checkpointing": True})
    if model.tuning == "full":
        yield "model.tuning lora", _set_in("model", {"tuning": "lora"})
    if model.quantization != "nf4":
        yield "model.quantization nf4", _quantized


def _set_in(section: str, fields: dict[str, Any]) -> Callable[[StageConfig], StageConfig]:
    def apply(config: StageConfig) -> StageConfig:
        changed = getattr(config, section).model_copy(update=fields)
        return config.model_copy(update={section: changed})

    return apply


def _quantized(config: StageConfig) -> StageConfig:
    """Quantized weights cannot be trained in full; the choice that says lora as well is tried too."""
    if config.model.tuning == "full":
        return config
    model: ModelConfig = config.model.model_copy(update={"quantization": "nf4"})
    return config.model_copy(update={"model": model})


def _shorter(plan: MemoryPlan, config: StageConfig) -> str | None:
    """Texts that fit, where some of a sensible length do."""
    if plan.context < 64:
        return None
    if isinstance(config, SftConfig):
        return f"max_length {plan.context}"
    return f"prompts and completions of at most {plan.context} tokens together (sampling.max_new_tokens)"
