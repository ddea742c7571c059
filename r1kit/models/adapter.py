"""LoRA adapters: a fresh one, or one that is continued; never one on top of another.

Adapters have names, so that several can sit on one base: POLICY_ADAPTER is the one that is trained and saved,
REFERENCE_ADAPTER the frozen copy of the one it started from. Adapter weights are float32 whatever the base is
(peft's default), so that small updates are not lost to rounding.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import peft
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from r1kit.config.model import LoraConfig
from r1kit.core.errors import ModelError, first_line
from r1kit.models.adapter_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from r1kit.models.source import BaseSource
from r1kit.models.targets import linear_layers, target_names

POLICY_ADAPTER: Final = "default"
REFERENCE_ADAPTER: Final = "reference"
REWARD_ADAPTERS: Final = "reward_"
"""What the names of reward models' adapters begin with."""


def add_fresh_adapter(model: PreTrainedModel, lora: LoraConfig, source: BaseSource) -> peft.PeftModel:
    """The model with a new trainable adapter whose B matrices are zero: it computes as the base does.

    Draws from torch's global generator; the caller forks it. The update is B A x times alpha / r (Hu et al.
    2021), or alpha / sqrt(r) with rank-stabilised scaling. Raises ModelError when there is nothing in the model that
    the targets mean, or that can be adapted.
    """
    targets = target_names(model, lora.targets)
    if not targets:
        raise ModelError(
            f"model {source.name} has no linear layer that model.lora.targets {lora.targets} could mean; "
            "set model.tuning to full"
        )
    adapter = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=int(lora.alpha) if lora.alpha.is_integer() else lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        use_rslora=lora.use_rslora,
        use_dora=lora.use_dora,
        # What peft calls a weight that lies transposed, as GPT-2's do.
        fan_in_fan_out=any(isinstance(layer, Conv1D) for _, layer in linear_layers(model)),
        base_model_name_or_path=source.name,
        revision=source.revision,
    )
    try:
        policy = peft.get_peft_model(model, adapter, adapter_name=POLICY_ADAPTER)
    except ValueError as error:
        raise ModelError(
            f"model {source.name} cannot have adapters on model.lora.targets {lora.targets}: {first_line(error)}"
        ) from error
    # peft overwrites both with what the model remembers, which for a hub model is a folder of the local cache.
    adapter.base_model_name_or_path, adapter.revision = source.name, source.revision
    return policy


def continue_adapter(
    model: PreTrainedModel, folder: Path, lora: LoraConfig, *, train: bool, with_reference: bool
) -> peft.PeftModel:
    """The model with the adapter from `folder`, trainable or frozen, and a frozen copy as reference if asked.

    The adapter's own shape wins over `lora`. Raises ModelError when fields that were set in `lora` contradict
    it (dropout is the exception: it is a choice of the run), or when its weights do not fit the model.
    """
    adapter = _read_adapter_config(folder)
    if "dropout" in lora.model_fields_set:
        adapter.lora_dropout = lora.dropout
    targets = target_names(model, lora.targets) if "targets" in lora.model_fields_set else []
    policy = _attach(model, folder, adapter, train=train)
    _check_shape(policy, folder, lora, targets)
    if with_reference:
        policy.load_adapter(str(folder), REFERENCE_ADAPTER, is_trainable=False)
    return policy


def _read_adapter_config(folder: Path) -> peft.LoraConfig:
    try:
        return peft.LoraConfig.from_pretrained(str(folder))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder / ADAPTER_CONFIG} cannot be read: {first_line(error)}") from error


def _attach(model: PreTrainedModel, folder: Path, adapter: peft.LoraConfig, *, train: bool) -> peft.PeftModel:
    try:
        with warnings.catch_warnings():
            # The one about missing keys is raised as an error below, with the file's name.
            warnings.simplefilter("ignore", UserWarning)
            policy = peft.PeftModel.from_pretrained(
                model, str(folder), POLICY_ADAPTER, is_trainable=train, config=adapter
            )
    except (ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ModelError(f"model.adapter {folder} does not fit the model: {_first_detail(error)}") from error
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
        written = set(file.keys())
    wanted = set(get_peft_model_state_dict(policy, adapter_name=POLICY_ADAPTER, save_embedding_layers=False))
    if written != wanted:
        odd = min(written ^ wanted)
        raise ModelError(f"model.adapter {folder} does not fit the model: {odd} is only in one of them")
    return policy


def _first_detail(error: BaseException) -> str:
    """torch lists size mismatches below a headline; the first of them says more than the headline."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)] if lines else type(error).__name__


def _check_shape(policy: peft.PeftModel, folder: Path, lora: LoraConfig, targets: list[str]) -> None:
    adapter = policy.peft_config[POLICY_ADAPTER]
    has: dict[str, Any] = {
        "rank": adapter.r,
        "alpha": float(adapter.lora_alpha),
        "use_rslora": adapter.use_rslora,
        "use_dora": adapter.use_dora,
        "targets": sorted({name.rsplit(".", 1)[-1] for name in policy.base_model.targeted_module_names}),
    }
    for field in sorted(has.keys() & lora.model_fields_set):
        wanted = targets if field == "targets" else getattr(lora, field)
        if wanted != has[field]:
            raise ModelError(
                f"model.lora.{field} is {wanted}, but the adapter {folder} has {has[field]} and is continued as "
                f"it is; leave model.lora.{field} out, or start without model.adapter"
            )
