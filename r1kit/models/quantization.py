"""Quantized bases: how they are asked for, and what must hold so that they train.

Norms, embeddings and the head stay in the model's dtype: transformers computes norms in float32 inside, and a
float32 norm weight would turn the whole residual stream into float32.
"""

from __future__ import annotations

import math
from typing import Any

import bitsandbytes as bnb
import torch
from torch import nn
from transformers import BitsAndBytesConfig

from r1kit.config.model import ModelConfig
from r1kit.core.errors import EnvironmentError_


def quantization_config(
    config: ModelConfig, device: torch.device, dtype: torch.dtype
) -> BitsAndBytesConfig | None:
    """What `from_pretrained` needs for `config.quantization`; None when the weights stay as they are.

    NF4 as in QLoRA (Dettmers et al. 2023), computing in `dtype`; 8-bit as in LLM.int8() (Dettmers et al.
    2022). Both run on CUDA and on CPU. Raises EnvironmentError_ on other devices.
    """
    if config.quantization == "none":
        return None
    if device.type not in ("cuda", "cpu"):
        raise EnvironmentError_(
            f"model.quantization {config.quantization!r} runs on cuda and cpu, not on {device.type}; "
            "set model.quantization to none or model.device to cpu"
        )
    if config.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=config.use_double_quantization,
        bnb_4bit_compute_dtype=dtype,
    )


def pin_4bit_layers(model: nn.Module) -> None:
    """Forbid the one-way repacking of 4-bit weights on CPUs with AVX512-BF16.

    bitsandbytes 0.50 repacks a weight at the first no-grad forward of a layer in eval mode, for good; every
    backward pass after that silently loses the gradient to the layer's input, so that all adapters below the
    last layer train on nothing. Weights whose columns are no multiple of 64 fail outright.
    """
    for layer in four_bit_layers(model):
        layer.support_avx512bf16_for_cpu = False


def keep_4bit_layers_in_train_mode(model: nn.Module) -> None:
    """The second lock on the repacking that `pin_4bit_layers` describes, for use after `model.eval()`.

    The mode changes nothing else: these layers have no dropout.
    """
    for layer in four_bit_layers(model):
        if layer.weight.device.type == "cpu":
            layer.training = True


def four_bit_layers(model: nn.Module) -> list[Any]:
    """The 4-bit linear layers of a model, without the adapter layers that wrap them."""
    return [module for module in model.modules() if isinstance(module, bnb.nn.Linear4bit)]


def num_elements(parameter: nn.Parameter) -> int:
    """How many numbers a parameter stands for; a 4-bit weight stores two in a byte."""
    state = getattr(parameter, "quant_state", None)
    return math.prod(state.shape) if state is not None else parameter.numel()
