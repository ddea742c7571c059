"""Which layers get an adapter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from r1kit.core.errors import ModelError
from r1kit.core.nearest import did_you_mean

_ROUTERS: Final = ("router", "gate")
"""Layers that send tokens to experts. Some give back a choice beside a product, which no adapter can be added to."""


def target_names(
    model: PreTrainedModel, targets: Literal["all-linear", "attention"] | tuple[str, ...]
) -> list[str]:
    """The last name parts of the linear layers meant by `targets`, sorted; never the head.

    Fused layers (Phi-3's qkv_proj and gate_up_proj) count like any other. Raises ModelError for a name that
    no linear layer has.
    """
    return names_among((path for path, _ in linear_layers(model)), targets)


def names_among(
    paths: Iterable[str], targets: Literal["all-linear", "attention"] | tuple[str, ...]
) -> list[str]:
    """The same for linear layers at these dotted paths, head left out."""
    paths = list(paths)
    names = {path.rsplit(".", 1)[-1] for path in paths}
    if targets == "all-linear":
        return sorted(names)
    if targets == "attention":
        return sorted({path.rsplit(".", 1)[-1] for path in paths if _in_attention(path)})
    for target in targets:
        if target not in names:
            hint = did_you_mean(target, names) or f"; it has {', '.join(sorted(names))}"
            raise ModelError(f"model.lora.targets: the model has no linear layer {target!r}{hint}")
    return sorted(set(targets))


def linear_layers(model: PreTrainedModel) -> Iterator[tuple[str, nn.Linear | Conv1D]]:
    """Every linear layer with its dotted path, but the head and the routers of experts.

    Quantized layers are subclasses of nn.Linear; GPT-2's Conv1D is a linear layer with its weight the other way
    round.
    """
    head = model.get_output_embeddings()
    for path, module in model.named_modules():
        is_linear = isinstance(module, nn.Linear | Conv1D) and module is not head
        if is_linear and path.rpartition(".")[2] not in _ROUTERS:
            yield path, module


def _in_attention(path: str) -> bool:
    return any("attn" in part or "attention" in part for part in path.split(".")[:-1])
