"""Which layers get an adapter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

from r1kit.core.errors import ModelError
from r1kit.core.nearest import did_you_mean


def target_names(
    model: PreTrainedModel, targets: Literal["all-linear", "attention"] | tuple[str, ...]
) -> list[str]:
    """The last name parts of the linear layers meant by `targets`, sorted; never the head.

    Fused layers (Phi-3's qkv_proj and gate_up_proj) count like any other. Raises ModelError for a name that
    no linear layer has.
    """
    return names_among(_linear_paths(model), targets)


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


def _linear_paths(model: PreTrainedModel) -> list[str]:
    # Quantized layers are subclasses of nn.Linear, so they are found too.
    head = model.get_output_embeddings()
    return [
        path for path, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head
    ]


def _in_attention(path: str) -> bool:
    return any("attn" in part or "attention" in part for part in path.split(".")[:-1])
