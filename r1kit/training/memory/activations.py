"""What a forward pass keeps for the backward pass; in bytes.

The terms are those of transformers' decoder layers as r1kit runs them (`models.layouts`, `ops.tree_attention`),
found by listing the tensors that autograd saves; docs/memory.md says how, and a test measures them again.

Legend: N packed tokens, D hidden, I intermediate, H query heads, d head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from r1kit.config.model import ModelConfig
from r1kit.models.shapes import LinearShape, ModelShapes, targeted
from r1kit.ops.trees import shares_prompt
from r1kit.training.memory.static import FLOAT32

_OUTPUT_PROJECTIONS: Final = ("o_proj", "down_proj", "out_proj", "c_proj", "dense", "dense_4h_to_h", "fc2")
"""Linear layers that do not read what the other layers of their block read."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What attention holds for a packed token, on average.

    Attributes:
        keys: places of keys and values; above 1 where each branch has its trunk in front of its own.
        cells: pairs of a query and a key that are laid out.
        is_masked: a mask of these pairs is kept; plain causal attention needs none.
    """

    keys: float
    cells: float
    is_masked: bool


def layout_of(tokens: int, prompt: int, completion: int, group: int, window: int | None) -> Layout:
    """The layout of `tokens` in trees of full length: as many completions of a prompt as fit, up to `group`."""
    branches = max(1, min(group, (tokens - prompt) // completion))
    text = prompt + completion
    if not shares_prompt(prompt, [completion] * branches):
        return Layout(1.0, text, is_masked=window is not None and text > window)
    packed = prompt + branches * completion
    cells = prompt * prompt + branches * completion * text
    return Layout((prompt + branches * text) / packed, cells / packed, is_masked=True)


def activation_bytes(shapes: ModelShapes, model: ModelConfig, dtype: int, tokens: int, layout: Layout) -> int:
    """What autograd holds when the forward pass of a micro-batch of `tokens` ends.

    With gradient checkpointing: the input of every layer, and all of the one layer that is computed again.
    """
    layer = _layer(shapes, model, dtype, layout)
    kept = shapes.layers * layer
    if model.gradient_checkpointing:
        kept = layer + shapes.layers * (shapes.hidden * dtype + _int8_inputs(shapes, model, dtype))
    elif dtype != FLOAT32:
        kept += shapes.layers * _int8_inputs(shapes, model, dtype)
    rotary = 2 * shapes.head_dim * dtype
    # One for all layers and heads, as numbers that are added to the logits.
    mask = layout.cells * dtype if layout.is_masked else 0
    return round(tokens * (kept + _norm(shapes.hidden) + rotary + mask))


def working_bytes(shapes: ModelShapes, model: ModelConfig, dtype: int, tokens: int, layout: Layout) -> int:
    """Besides what is kept, at the widest moment of the backward pass, with a quantized weight laid open.

    That is inside the MLP, or where logits of attention are capped inside attention. In half precision the
    gradients of adapters stand beside those of the layers they are on.
    """
    pairs = layout.cells * shapes.heads if shapes.has_softcap else 0
    inside = max(2 * (shapes.intermediate if dtype == FLOAT32 else _widest(shapes)), pairs)
    beside = (1 if dtype == FLOAT32 else 3) * shapes.hidden
    return round(tokens * (inside + beside) * FLOAT32) + opened_weight(shapes, model, dtype)


def passing_bytes(shapes: ModelShapes, model: ModelConfig, dtype: int, tokens: int, layout: Layout) -> int:
    """The widest moment of a pass of `tokens` that keeps nothing: inside the MLP or capped attention."""
    pairs = layout.cells * shapes.heads if shapes.has_softcap else 0
    inside = max(3 * _widest(shapes) + shapes.intermediate, 3 * pairs)
    return round(tokens * (inside + 5 * shapes.hidden) * FLOAT32) + opened_weight(shapes, model, dtype)


def _widest(shapes: ModelShapes) -> int:
    """The widest projection of the hidden state; a fused one (Phi-3's gate and up) is as wide as both."""
    return max(layer.out_features for layer in shapes.linears if layer.in_features == shapes.hidden)


def opened_weight(shapes: ModelShapes, model: ModelConfig, dtype: int) -> int:
    """The largest quantized matrix in the computation's dtype: quantized layers lay theirs open to multiply."""
    if model.quantization == "none":
        return 0
    return max(layer.in_features * layer.out_features for layer in shapes.linears) * dtype


def _layer(shapes: ModelShapes, model: ModelConfig, dtype: int, layout: Layout) -> float:
    """Bytes a token in one layer."""
    norms = shapes.norms * _norm(shapes.hidden) + shapes.norm_heads * _norm(shapes.head_dim)
    if model.tuning == "full":
        # A norm's weight needs what it multiplied.
        norms += (shapes.norms * shapes.hidden + shapes.norm_heads * shapes.head_dim) * dtype
    gate_up_and_activated = 3 * shapes.intermediate * dtype
    return norms + _attention(shapes, dtype, layout) + gate_up_and_activated + _inputs(shapes, model, dtype)


def _norm(width: int) -> int:
    """RMS norms compute in float32: their input, and one root of a mean square."""
    return (width + 1) * FLOAT32


def _attention(shapes: ModelShapes, dtype: int, layout: Layout) -> float:
    """Queries, outputs, keys and values repeated for all query heads, and what the kernel needs besides."""
    width = shapes.heads * shapes.head_dim
    rows = (2 + 2 * layout.keys) * width * dtype
    if shapes.has_softcap:
        # Without a fused kernel: the capped logits and the weights (float32, and again in the dtype).
        return rows + layout.cells * shapes.heads * 8
    return rows + shapes.heads * FLOAT32


def _inputs(shapes: ModelShapes, model: ModelConfig, dtype: int) -> float:
    """Inputs of the layers whose weights are trained, and A x of adapters.

    In float32 the layers that read the same share one copy; an adapter on a model in half precision casts
    its own to float32.
    """
    layers = shapes.linears if model.tuning == "full" else targeted(shapes, model.lora)
    inner = 0 if model.tuning == "full" else sum(model.lora.rank * layer.count for layer in layers)
    read = (
        _distinct_inputs(layers)
        if dtype == FLOAT32
        else sum(layer.in_features * layer.count for layer in layers)
    )
    return (read + inner) * FLOAT32 / shapes.layers


def _int8_inputs(shapes: ModelShapes, model: ModelConfig, dtype: int) -> float:
    """What 8-bit layers keep out of autograd's sight, so that checkpointing does not free it: their inputs."""
    if model.quantization != "int8":
        return 0
    return _distinct_inputs(shapes.linears) * dtype / shapes.layers


def _distinct_inputs(layers: Sequence[LinearShape]) -> int:
    """Numbers in the inputs of all layers together; those of a block that read the same count once."""
    inputs = {(layer.block, layer.name in _OUTPUT_PROJECTIONS): layer for layer in layers}
    return sum(layer.in_features * layer.count for layer in inputs.values())
