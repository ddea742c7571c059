"""Frozen adapters beside the policy's own on one base, switched on for a while.

A side adapter costs its own few weights and nothing else: layers, gradients and modes of the policy are what they
were. Each layer of peft carries its adapters by name and a list of those that act; a switch changes that list alone,
and not, as peft's own does, which parameters are trained.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import PreTrainedModel

from r1kit.core.errors import ModelError, first_line
from r1kit.models.adapter_folder import ADAPTER_WEIGHTS
from r1kit.models.modes import requires_grad_kept
from r1kit.models.quantization import keep_4bit_layers_in_train_mode
from r1kit.models.quiet import quiet_libraries

_WRAPPER: Final = "_r1kit_side_adapters"
"""Where a base that has no adapter of its own keeps peft's wrapper, which loads further ones."""


def add_side_adapter(
    model: PreTrainedModel | peft.PeftModel, folder: Path, name: str, device: torch.device, dtype: torch.dtype
) -> None:
    """Load the adapter in `folder` beside what `model` has, under `name`, frozen, switched off and held in `dtype`.

    What the model computes and trains does not change. A base without an adapter is changed in place: its layers
    get peft's wrappers, in which nothing acts.

    Raises:
        ModelError: the adapter does not fit the model, or the name is taken.
    """
    wrapper = model if isinstance(model, peft.PeftModel) else vars(model).get(_WRAPPER)
    if wrapper is not None and name in wrapper.peft_config:
        raise ModelError(f"an adapter called {name} is on this model already; give each a name of its own")
    try:
        with _rest_kept(model), quiet_libraries(), warnings.catch_warnings():
            # The one about missing keys is raised as an error below, with the file's name.
            warnings.simplefilter("ignore", UserWarning)
            if wrapper is not None:
                wrapper.load_adapter(str(folder), name, is_trainable=False, torch_device=str(device))
            else:
                wrapper = peft.PeftModel.from_pretrained(
                    model, str(folder), name, is_trainable=False, torch_device=str(device)
                )
                vars(model)[_WRAPPER] = wrapper
    except (ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"the adapter in {folder} does not fit the model: {first_line(error)}") from error
    _check_weights(wrapper, folder, name)
    _cast(model, name, dtype)


@contextmanager
def side_adapter_active(model: nn.Module, name: str) -> Iterator[None]:
    """Inside, `model` computes as its base with the adapter `name` alone; on exit as before."""
    before = [(layer, _acting(layer)) for layer in _adapted_layers(model)]
    try:
        for layer, _ in before:
            _let_act(layer, ([name], False))
        yield
    finally:
        for layer, acting in before:
            _let_act(layer, acting)


@contextmanager
def _rest_kept(model: nn.Module) -> Iterator[None]:
    """Modes, trained parameters and acting adapters as they were; layers that are new inside are switched off."""
    training = {module: module.training for module in model.modules()}
    acting = {layer: _acting(layer) for layer in _adapted_layers(model)}
    with requires_grad_kept(model):
        try:
            yield
        finally:
            for layer in _adapted_layers(model):
                _let_act(layer, acting.get(layer, ([], False)))
            for module in model.modules():
                module.training = training.get(module, model.training)
            keep_4bit_layers_in_train_mode(model)


def _adapted_layers(model: nn.Module) -> list[BaseTunerLayer]:
    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


def _acting(layer: BaseTunerLayer) -> tuple[str | list[str], bool]:
    """The names of the adapters that act in a layer, and whether all of them are off."""
    return layer.active_adapter, layer.disable_adapters


def _let_act(layer: BaseTunerLayer, acting: tuple[str | list[str], bool]) -> None:
    # the public ways also decide what is trained
    layer._active_adapter, layer._disable_adapters = acting  # noqa: SLF001


def _cast(model: nn.Module, name: str, dtype: torch.dtype) -> None:
    """Hold the adapter in `dtype`: peft makes all of them float32, for updates that a frozen one does not get."""
    for layer in _adapted_layers(model):
        for part in layer.adapter_layer_names:
            adapters = getattr(layer, part)
            if name in adapters:
                adapters[name] = adapters[name].to(dtype)


def _check_weights(wrapper: peft.PeftModel, folder: Path, name: str) -> None:
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        written = set(file.keys())
    wanted = set(get_peft_model_state_dict(wrapper, adapter_name=name, save_embedding_layers=False))
    if written != wanted:
        odd = min(written ^ wanted)
        raise ModelError(f"the adapter in {folder} does not fit the model: {odd} is only in one of them")
