"""What is held from the first step to the last: weights, adapter, reference, optimizer states; in bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.adapter_folder import ADAPTER_CONFIG
from r1kit.models.shapes import ModelShapes, lora_of, targeted
from r1kit.training.memory.workload import Workload

FLOAT32: Final = 4
_NF4_BLOCK: Final = 64
_SCALE_BLOCK: Final = 256


def dtype_bytes(model: ModelConfig, device: str) -> int:
    """Bytes of a number in the computation: `model.dtype`, "auto" as the loading layer resolves it.

    `device` is its type, such as "cuda"; a card is taken to have bfloat16.
    """
    if model.dtype != "auto":
        return 4 if model.dtype == "float32" else 2
    return 2 if device == "cuda" and model.tuning == "lora" else 4


def weight_bytes(shapes: ModelShapes, model: ModelConfig, dtype: int) -> int:
    """The base. Quantization is of linear layers alone; head, embeddings and norms stay in `dtype` bytes."""
    linear = sum(layer.size for layer in shapes.linears)
    if model.quantization == "none":
        return shapes.num_parameters * dtype
    if model.quantization == "int8":
        scales = sum(layer.out_features * layer.count for layer in shapes.linears)
        return linear + scales * FLOAT32 + shapes.other_parameters * dtype
    return (
        linear // 2
        + _nf4_scales(linear, double=model.use_double_quantization)
        + shapes.other_parameters * dtype
    )


def _nf4_scales(linear: int, *, double: bool) -> int:
    """One float32 a block of 64 (4.5 bits a weight); in 8 bits with a float32 for 256 of them (4.127 bits)."""
    blocks = linear // _NF4_BLOCK
    return blocks + blocks // _SCALE_BLOCK * FLOAT32 if double else blocks * FLOAT32


def adapter_parameters(shapes: ModelShapes, lora: LoraConfig) -> int:
    """Numbers in A [rank, in] and B [out, rank] of every target, and in DoRA's magnitudes [out]."""
    extra = 1 if lora.use_dora else 0
    return sum(
        (lora.rank * (layer.in_features + layer.out_features) + extra * layer.out_features) * layer.count
        for layer in targeted(shapes, lora)
    )


def trained_parameters(shapes: ModelShapes, model: ModelConfig) -> int:
    """Numbers that an optimizer updates."""
    return shapes.num_parameters if model.tuning == "full" else adapter_parameters(shapes, model.lora)


def static_parts(shapes: ModelShapes, model: ModelConfig, dtype: int, work: Workload) -> dict[str, int]:
    """Bytes by part; parts that are not there are left out.

    Adapters are float32 whatever the base is. AdamW keeps two float32 numbers a trained one. The reference is
    the base with the adapter off, a second copy of an adapter that is continued, or of all weights. A value network
    of its own is all of it once more. A reward model is a frozen adapter, held in `dtype` bytes a number; one that is
    still to be trained counts as one of the policy's shape.
    """
    has_adapter = model.adapter is not None or (work.trains and model.tuning == "lora")
    adapter = adapter_parameters(shapes, model.lora) * FLOAT32 if has_adapter else 0
    weights = weight_bytes(shapes, model, dtype)
    states = 2 * FLOAT32 * trained_parameters(shapes, model) if work.trains else 0
    reference = 0
    if work.with_reference:
        reference = weights if model.tuning == "full" else adapter if model.adapter is not None else 0
    parts = {
        "weights": weights,
        "adapter": adapter,
        "reference": reference,
        "reward models": sum(_reward_model(shapes, model, folder) for folder in work.reward_models) * dtype,
        "optimizer states": states,
        "value network": weights + adapter + states if work.with_value_network else 0,
    }
    if work.reward_models and model.tuning == "full" and work.trains:
        # Their base is not the policy's any more, so each has one of its own.
        parts["reward models"] += weights * len(work.reward_models)
    return {name: size for name, size in parts.items() if size}


def _reward_model(shapes: ModelShapes, model: ModelConfig, folder: Path) -> int:
    """Numbers in the adapter of a reward model."""
    if not (folder / ADAPTER_CONFIG).is_file():
        return adapter_parameters(shapes, model.lora)
    return adapter_parameters(shapes, lora_of(model.model_copy(update={"adapter": folder})))
