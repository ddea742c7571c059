"""Adapters folded into a second copy of their layers' weights, for as long as nothing is trained.

A LoRA layer of a small model spends more time starting its three products than computing them. Where memory
allows a copy, rollouts run on W + B A once computed. Only float32 weights are folded: in half precision the sum
would be rounded to another policy than the one that is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import peft
import torch
import torch.nn.functional as F
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from transformers import PreTrainedModel

FOLD_LIMIT_BYTES: Final = 2**28
"""Weights above this many bytes are not copied; products that large hide the adapter's overhead anyway."""


@contextmanager
def folded_adapters(model: PreTrainedModel | peft.PeftModel) -> Iterator[None]:
    """Inside, and without gradient, active LoRA layers compute with folded weights; their own stay untouched.

    Does nothing where folding would change the policy or cost too much: see `can_fold`.
    """
    layers = [module for module in model.modules() if isinstance(module, LoraLinear)]
    if not can_fold(layers):
        yield
        return
    try:
        for layer in layers:
            # An attribute of the instance hides the method of its class.
            layer.forward = _folded(layer)
        yield
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)


def can_fold(layers: list[LoraLinear]) -> bool:
    """Whether all `layers` are plain float32 LoRA over plain linear layers, and small enough together.

    Small models on CPU are the case: on a GPU, or with 4-bit weights, a copy costs memory that sequences need.
    """
    num_bytes = 0
    for layer in layers:
        base = layer.get_base_layer()
        plain = type(base) is nn.Linear and base.weight.dtype == torch.float32
        if not plain or base.weight.device.type != "cpu" or _is_special(layer):
            return False
        num_bytes += base.weight.nbytes
    return bool(layers) and num_bytes <= FOLD_LIMIT_BYTES


def _is_special(layer: LoraLinear) -> bool:
    """Already merged, switched off, or of a kind that is more than W + B A (DoRA and the like)."""
    return (
        layer.merged or layer.disable_adapters or any(name in layer.lora_variant for name in _active(layer))
    )


def _active(layer: LoraLinear) -> list[str]:
    return [name for name in layer.active_adapters if name in layer.lora_A]


def _folded(layer: LoraLinear) -> partial[Tensor]:
    base = layer.get_base_layer()
    weight = base.weight.detach()
    for name in _active(layer):
        weight = weight + layer.get_delta_weight(name).detach()
    # Laid out by input: a product of few rows reads it a third faster (MKL, weights that no cache holds).
    return partial(F.linear, weight=weight.T.contiguous().T, bias=base.bias)
