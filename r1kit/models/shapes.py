"""What a model is made of, from its config alone: no weight is read, and of a hub model only config.json.

The model is built on torch's meta device, which allocates nothing, so the shapes are those of transformers' own
modules in every family.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import RemoteEntryNotFoundError
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from r1kit.config.model import LoraConfig, ModelConfig, means_a_folder
from r1kit.core.errors import ModelError, first_line
from r1kit.models.adapter_folder import ADAPTER_CONFIG
from r1kit.models.quiet import quiet_libraries
from r1kit.models.source import check_loadable, hub_errors, read_config
from r1kit.models.targets import linear_layers, names_among


@dataclass(frozen=True, slots=True)
class LinearShape:
    """A linear layer that occurs `count` times; `block` is the module that holds it, such as self_attn."""

    block: str
    name: str
    in_features: int
    out_features: int
    count: int

    @property
    def size(self) -> int:
        """Weights of all of them, without biases."""
        return self.in_features * self.out_features * self.count


@dataclass(frozen=True, slots=True)
class ModelShapes:
    """The sizes of a model that memory depends on.

    Attributes:
        name: what a reader calls it.
        linears: every linear layer but the head and the routers of experts.
        other_parameters: embeddings, the head where it has weights of its own, norms, biases, routers and stacks
            of experts.
        norms: norms over the hidden state in one layer.
        norm_heads: query and key heads that are normalised one by one in a layer; 0 in most families.
        context: most tokens of a text; None when the config names no limit.
        has_softcap: attention logits are capped, for which there is no fused kernel.
        window: tokens that a layer with sliding attention sees; None without such layers.
        has_experts: weights of experts stand in stacks [experts, out, in], which are no linear layers.
    """

    name: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    linears: tuple[LinearShape, ...]
    other_parameters: int
    norms: int = 2
    norm_heads: int = 0
    context: int | None = None
    has_softcap: bool = False
    window: int | None = None
    has_experts: bool = False

    @property
    def num_parameters(self) -> int:
        """All weights of the base."""
        return self.other_parameters + sum(linear.size for linear in self.linears)


def find_shapes(path: str, revision: str | None = None) -> ModelShapes:
    """The shapes of a model folder, a config.json or a hub model.

    Raises ModelError when there is no such model or it cannot be loaded here, EnvironmentError_ when the hub
    cannot be reached.
    """
    config = _find_config(path, revision)
    check_loadable(path, config)
    try:
        return shapes_of(CONFIG_MAPPING[config["model_type"]].from_dict(config), path)
    except ModelError:
        raise
    except Exception as error:  # a wrong value can raise anything inside a model's constructor
        raise ModelError(
            f"model.path {path!r}: its config.json makes no model: {first_line(error)}"
        ) from error


def shapes_of(config: PreTrainedConfig, name: str) -> ModelShapes:
    """The shapes of the causal language model that `config` describes.

    Raises ModelError for a model that is no stack of equal transformer layers, such as Mamba.
    """
    try:
        return _shapes_of(config, name)
    except AttributeError as error:
        raise ModelError(
            f"memory of {config.model_type} models cannot be planned ({first_line(error)})"
        ) from error


def _shapes_of(config: PreTrainedConfig, name: str) -> ModelShapes:
    model = _empty_model(config)
    text, layer = config.get_text_config(), _first_layer(model)
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    linears = _linears(model)
    norms = Counter(len(weight) for weight in _norm_weights(layer))
    kv_heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return ModelShapes(
        name=name,
        hidden=text.hidden_size,
        intermediate=_intermediate(text),
        layers=text.num_hidden_layers,
        heads=text.num_attention_heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocabulary=text.vocab_size,
        linears=linears,
        other_parameters=sum(p.numel() for p in model.parameters()) - sum(linear.size for linear in linears),
        norms=norms[text.hidden_size],
        norm_heads=text.num_attention_heads + kv_heads
        if norms[head_dim] and head_dim != text.hidden_size
        else 0,
        context=getattr(text, "max_position_embeddings", None),
        has_softcap=getattr(text, "attn_logit_softcapping", None) is not None,
        window=_window(text),
        has_experts=any(".experts." in path and p.ndim == 3 for path, p in model.named_parameters()),
    )


def lora_of(config: ModelConfig) -> LoraConfig:
    """The adapter that is trained: `config.lora`, or the shape of the adapter that is continued."""
    if config.adapter is None:
        return config.lora
    path = config.adapter.expanduser() / ADAPTER_CONFIG
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        rank, names, use_dora = written["r"], written["target_modules"], written.get("use_dora", False)
    except OSError as error:
        raise ModelError(
            f"model.adapter {config.adapter}: not an adapter folder, {ADAPTER_CONFIG} is missing"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {first_line(error)}") from error
    # peft also writes whole paths; an adapter on some layers counts as one on all layers of that name.
    short = () if isinstance(names, str) else tuple(sorted({name.rsplit(".", 1)[-1] for name in names}))
    targets = short or "all-linear"
    return config.lora.model_copy(update={"rank": rank, "targets": targets, "use_dora": bool(use_dora)})


def _find_config(path: str, revision: str | None) -> dict[str, Any]:
    local = Path(path).expanduser()
    if local.is_file():
        return _read_file(path, local)
    if local.is_dir():
        return read_config(path, local)
    if means_a_folder(path) or path.endswith(".json"):
        raise ModelError(f"model.path {path!r}: no such folder or config.json")
    with hub_errors(path, revision), quiet_libraries():
        try:
            file = hf_hub_download(path, "config.json", revision=revision)
        except RemoteEntryNotFoundError as error:
            raise ModelError(
                f"model.path {path!r}: not a model, config.json is missing on the hub"
            ) from error
    return _read_file(path, Path(file))


def _read_file(path: str, file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"model.path {path!r}: not valid JSON ({error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"model.path {path!r}: must hold an object, as config.json does")
    return config


def _empty_model(config: PreTrainedConfig) -> PreTrainedModel:
    with torch.device("meta"), quiet_libraries():
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


def _first_layer(model: PreTrainedModel) -> nn.Module:
    """The first of the equal layers: what the longest list of modules holds."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len)[0]


def _linears(model: PreTrainedModel) -> tuple[LinearShape, ...]:
    found: Counter[tuple[str, str, int, int]] = Counter()
    for path, layer in linear_layers(model):
        block, _, name = path.rpartition(".")
        outer, inner = layer.weight.shape[::-1] if isinstance(layer, Conv1D) else layer.weight.shape
        found[block.rpartition(".")[2], name, inner, outer] += 1
    return tuple(LinearShape(*key, count) for key, count in found.items())


def _norm_weights(layer: nn.Module) -> Iterator[nn.Parameter]:
    for module in layer.modules():
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim == 1:
            yield weight


def _intermediate(text: PreTrainedConfig) -> int:
    """The width inside the MLP, by whichever name the family has for it; four times the hidden state without one."""
    for name in ("intermediate_size", "ffn_dim", "n_inner"):
        width: int | Sequence[int] | None = getattr(text, name, None)
        if width is not None:
            return width if isinstance(width, int) else max(width)  # Gemma 3n has one a layer
    return 4 * int(text.hidden_size)


def _window(text: PreTrainedConfig) -> int | None:
    """The sliding window, where a layer has one."""
    kinds = getattr(text, "layer_types", None)
    if kinds is not None and "sliding_attention" not in kinds:
        return None
    return getattr(text, "sliding_window", None)


def targeted(shapes: ModelShapes, lora: LoraConfig) -> tuple[LinearShape, ...]:
    """The linear layers that get an adapter. Raises ModelError for a name that no linear layer has."""
    names = names_among((f"{linear.block}.{linear.name}" for linear in shapes.linears), lora.targets)
    return tuple(linear for linear in shapes.linears if linear.name in names)
