"""Modes a model is put into for a while and taken out of again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import peft
import torch
from torch import nn
from transformers import PreTrainedModel

from r1kit.models.quantization import keep_4bit_layers_in_train_mode


@contextmanager
def evaluation_mode(model: PreTrainedModel | peft.PeftModel) -> Iterator[None]:
    """No gradient, no dropout, no gradient checkpointing, key-value cache allowed; all undone on exit.

    no_grad and not inference_mode: tensors made under the latter may not meet autograd later. Gradient
    checkpointing acts only in train mode, so eval mode switches it off. 4-bit layers on CPU stay in train mode
    (see `quantization.pin_4bit_layers`).
    """
    was_training = {module: module.training for module in model.modules()}
    use_cache = model.config.use_cache
    model.eval()
    keep_4bit_layers_in_train_mode(model)
    model.config.use_cache = True
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in was_training.items():
            module.training = training
        model.config.use_cache = use_cache


@contextmanager
def requires_grad_kept(model: nn.Module) -> Iterator[None]:
    """Put every parameter's requires_grad back on exit; switching adapters in peft flips it."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
