"""The base model's weights, from disk to device."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedModel

from r1kit.config.model import ModelConfig
from r1kit.core.errors import EnvironmentError_, ModelError, first_line
from r1kit.models.quantization import pin_4bit_layers, quantization_config
from r1kit.models.quiet import quiet_libraries
from r1kit.models.source import BaseSource


def load_base(
    source: BaseSource, config: ModelConfig, device: torch.device, dtype: torch.dtype
) -> PreTrainedModel:
    """The base on its device, in eval mode, every weight read from disk.

    Raises ModelError when weights are missing, damaged or of another shape, EnvironmentError_ when the device
    has no room or the attention implementation is not installed.
    """
    quantization = quantization_config(config, device, dtype)
    try:
        with quiet_libraries():
            # With output_loading_info a pair comes back, which the library's types do not say.
            model, report = cast(
                "tuple[PreTrainedModel, dict[str, Any]]",
                AutoModelForCausalLM.from_pretrained(
                    source.folder,
                    dtype=dtype,
                    device_map={"": device},
                    quantization_config=quantization,
                    attn_implementation=None if config.attention == "auto" else config.attention,
                    trust_remote_code=False,
                    output_loading_info=True,
                ),
            )
    except torch.OutOfMemoryError as error:
        raise EnvironmentError_(
            f"model {source.name} does not fit on {device}; set model.quantization to nf4 or take a smaller model"
        ) from error
    except ImportError as error:
        raise EnvironmentError_(f"model {source.name} needs a package: {first_line(error)}") from error
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"model {source.name} cannot be loaded: {first_line(error)}") from error
    if report["missing_keys"]:
        raise ModelError(_missing_line(source.name, sorted(report["missing_keys"])))
    pin_4bit_layers(model)
    return model


def save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Write a whole model into `folder` as other tools expect it: cache on, sampling defaults consistent."""
    generation = model.generation_config
    if (
        not generation.do_sample
        and (generation.temperature, generation.top_p, generation.top_k) != (None,) * 3
    ):
        # transformers refuses to write sampling defaults beside greedy decoding, which some bases ship.
        generation.do_sample = True
    use_cache = model.config.use_cache
    model.config.use_cache = True
    try:
        model.save_pretrained(folder)
    finally:
        model.config.use_cache = use_cache


def _missing_line(name: str, missing: list[str]) -> str:
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"model {name}: its files hold no weights for {missing[0]}{more}; they would be random"
