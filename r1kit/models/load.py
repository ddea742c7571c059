"""The one door to a model: a ModelConfig goes in, a ready Policy comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import peft
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from r1kit.config.model import ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.adapter import add_fresh_adapter, continue_adapter
from r1kit.models.adapter_folder import ADAPTER_WEIGHTS, check_adapter
from r1kit.models.device import fit_threads, resolve_device, resolve_dtype
from r1kit.models.fingerprint import file_fingerprint
from r1kit.models.layouts import attention_name, install_layouts, layouts_work, without_wrapper
from r1kit.models.lineage import Lineage
from r1kit.models.policy import Policy
from r1kit.models.quantization import keep_4bit_layers_in_train_mode
from r1kit.models.quiet import quiet_libraries
from r1kit.models.reference import (
    AdapterReference,
    BaseReference,
    Reference,
    UnchangedReference,
    WeightsReference,
)
from r1kit.models.source import BaseSource, find_base
from r1kit.models.stopping import align_generation, stop_token_ids, stop_words
from r1kit.models.tokenizer import choose_padding, load_tokenizer
from r1kit.models.weights import load_base


def load_policy(
    config: ModelConfig,
    *,
    train: bool,
    with_reference: bool = False,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> Policy:
    """The policy that `config` describes, on its device, in train mode if `train`, else frozen in eval mode.

    With `train`, a starting adapter is continued, else a fresh one is made (its A drawn from `seed`; torch's
    global generators are left as they were), or under full tuning every weight is trained. Without `train` a
    starting adapter is applied frozen. `with_reference` keeps what `Policy.reference` needs. `say` gets one
    line with every decision in words.

    Raises ModelError, ConfigError or EnvironmentError_, each with one clear line, before weights are loaded
    where that is possible.
    """
    found = find_model(config)
    device, dtype, tokenizer = found.device, found.dtype, found.tokenizer
    source, adapter = found.source, found.adapter
    with _seeded(seed, device):
        base = load_base(source, config, device, dtype)
        _check_vocabulary(source, base, tokenizer)
        install_layouts(base)
        model = _prepare(base, config, source, adapter, train=train, with_reference=with_reference)
    stop_ids = stop_token_ids(tokenizer, base.generation_config)
    stops = stop_words(tokenizer, base.generation_config)
    padding = choose_padding(tokenizer, stop_ids)
    align_generation(base.generation_config, stop_ids, tokenizer.pad_token_id)
    policy = Policy(
        model=model,
        tokenizer=tokenizer,
        config=config,
        device=device,
        dtype=dtype,
        eos_token_ids=stop_ids,
        pad_token_id=tokenizer.pad_token_id,
        lineage=found.lineage,
        reference_state=_make_reference(model, adapter, train=train) if with_reference else None,
        follows_layouts=layouts_work(without_wrapper(model)),
    )
    threads = fit_threads(policy.num_parameters, device)
    if say is not None:
        say(f"{_in_words(policy, source)}{threads}; template {found.template}; {stops}; {padding}")
    return policy


@dataclass(frozen=True)
class FoundModel:
    """All of a policy but its weights: where they come from and go to, the tokenizer, the template's name."""

    device: torch.device
    dtype: torch.dtype
    source: BaseSource
    adapter: Path | None
    lineage: Lineage
    tokenizer: PreTrainedTokenizerBase
    template: str


def find_model(config: ModelConfig) -> FoundModel:
    """What `config` names, found and checked without loading weights (a hub model is downloaded).

    A stage calls it before it opens its run folder, so that a wrong model leaves nothing behind. Raises as
    `load_policy`.
    """
    device = resolve_device(config.device)
    # Weights that are all trained need float32: bfloat16 rounds updates of their size away.
    in_full = config.tuning == "full" and config.dtype == "auto"
    dtype = resolve_dtype("float32" if in_full else config.dtype, device)
    source = find_base(config.path, config.revision)
    adapter = None if config.adapter is None else config.adapter.expanduser().resolve()
    lineage = start_lineage(config, source, adapter)
    tokenizer, template = load_tokenizer(source.folder, config.chat_template, adapter)
    return FoundModel(device, dtype, source, adapter, lineage, tokenizer, template)


def start_lineage(config: ModelConfig, source: BaseSource, adapter: Path | None) -> Lineage:
    """The lineage of a policy that starts from these: earlier stages are those of the adapter, else the base.

    Raises ModelError when the adapter does not belong to the base.
    """
    earlier = Lineage.read(source.folder)
    if adapter is not None:
        earlier = check_adapter(adapter, source) or earlier
    return Lineage(
        base=source.name,
        revision=source.revision,
        base_fingerprint=source.fingerprint,
        quantization=config.quantization,
        adapter=None if adapter is None else str(adapter),
        adapter_fingerprint=None if adapter is None else file_fingerprint(adapter / ADAPTER_WEIGHTS),
        stages=() if earlier is None else earlier.stages,
    )


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's generators seeded inside and put back on exit; peft draws new adapters from the global one."""
    devices = range(torch.cuda.device_count()) if device.type == "cuda" else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _check_vocabulary(source: BaseSource, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    rows = cast("nn.Embedding", base.get_input_embeddings()).num_embeddings
    if len(tokenizer) > rows:
        raise ModelError(
            f"model {source.name}: the tokenizer has {len(tokenizer)} tokens, the model embeds {rows}; "
            "they do not belong together"
        )


def _prepare(
    base: PreTrainedModel,
    config: ModelConfig,
    source: BaseSource,
    adapter: Path | None,
    *,
    train: bool,
    with_reference: bool,
) -> PreTrainedModel | peft.PeftModel:
    """The base with what is trained on it, in the right mode."""
    full = config.tuning == "full"
    base.requires_grad_(train and full)
    base.config.use_cache = not train
    model: PreTrainedModel | peft.PeftModel = base
    with quiet_libraries():
        if adapter is not None:
            model = continue_adapter(base, adapter, config.lora, train=train, with_reference=with_reference)
        elif train and not full:
            model = add_fresh_adapter(base, config.lora, source)
        if train and config.gradient_checkpointing:
            # The non-reentrant form needs no gradient at a layer's input, so frozen embeddings do not matter.
            base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train(train)
    keep_4bit_layers_in_train_mode(model)
    return model


def _make_reference(
    model: PreTrainedModel | peft.PeftModel, adapter: Path | None, *, train: bool
) -> Reference:
    if isinstance(model, peft.PeftModel):
        return AdapterReference(model) if adapter is not None else BaseReference(model)
    return WeightsReference(model) if train else UnchangedReference()


def _in_words(policy: Policy, source: BaseSource) -> str:
    """What was loaded, for the line a user reads."""
    config = policy.config
    revision = f" at {source.revision[:12]}" if source.revision else ""
    adapter = f", adapter {policy.lineage.adapter}" if policy.lineage.adapter else ""
    share = policy.num_trainable / policy.num_parameters
    trained = f"{policy.num_trainable:,} trained ({share:.2%})" if policy.num_trainable else "none trained"
    weights = "" if config.quantization == "none" else f"{config.quantization} weights, "
    attention = attention_name(policy.model)
    return (
        f"model {source.name}{revision}{adapter}: {policy.num_parameters:,} parameters, {trained}; "
        f"{weights}{str(policy.dtype).removeprefix('torch.')} on {policy.device}, "
        f"{attention} attention"
    )
