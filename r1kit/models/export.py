"""A trained policy in the form other tools load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
from transformers import GenerationConfig, PreTrainedModel

from r1kit.config.model import ModelConfig
from r1kit.config.stages import ExportConfig
from r1kit.core.errors import ModelError, first_line
from r1kit.models.adapter_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from r1kit.models.card import model_card
from r1kit.models.folder import whole_folder
from r1kit.models.lineage import Lineage
from r1kit.models.load import find_model, load_policy, start_lineage
from r1kit.models.policy import Policy
from r1kit.models.quiet import quiet_libraries
from r1kit.models.source import BaseSource, find_base
from r1kit.models.stopping import align_generation, stop_token_ids
from r1kit.models.tokenizer import choose_padding, load_tokenizer
from r1kit.models.weights import save_weights
from r1kit.tracking.tracker import Tracker


def run(config: ExportConfig) -> dict[str, Any]:
    """`r1kit export`: `export` with the record of a run around it; the run's summary.

    Raises as `export`.
    """
    find_model(config.model)
    with Tracker(
        config.output, stage="export", config=config.model_dump(mode="json"), seed=config.seed
    ) as tracker:
        return tracker.finish(export(config, tracker.say))


def export(config: ExportConfig, say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Write `output`/model (merged) or `output`/adapter; returns `folder`, `merged`, `base`, `stages`, `bytes`.

    Each holds safetensors, tokenizer with chat template, generation_config.json with every stop token,
    lineage.json and a model card. A quantized base is loaded again unquantized and merged there, because merging
    into 4-bit weights would round the update away: the result is the adapter on the unquantized base.
    Raises ModelError when there is no adapter to write alone, or when merged weights are not finite.
    """
    tell = say or _say_nothing
    folder = config.output / ("model" if config.merge else "adapter")
    lineage = _export_merged(config, folder, tell) if config.merge else _export_adapter(config, folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    tell(f"exported {'merged model' if config.merge else 'adapter'} to {folder} ({size / 1e6:,.1f} MB)")
    return {
        "folder": str(folder),
        "merged": config.merge,
        "base": lineage.base,
        "stages": [stage.stage for stage in lineage.stages],
        "bytes": size,
    }


def _export_merged(config: ExportConfig, folder: Path, tell: Callable[[str], None]) -> Lineage:
    source = find_base(config.model.path, config.model.revision)
    lineage = _trained_lineage(config.model, source)
    notes: tuple[str, ...] = ()
    if lineage.quantization != "none" and lineage.adapter is not None:
        notes = ("The adapter is merged into the unquantized base",)
        tell(
            f"the adapter was trained on {lineage.quantization} weights; the export is the adapter on the "
            "unquantized base"
        )
    policy = load_policy(_export_model(config.model, source), train=False, seed=config.seed, say=tell)
    model = _merge(policy)
    with whole_folder(folder) as partial, quiet_libraries():
        save_weights(model, partial)
        policy.tokenizer.save_pretrained(partial)
        lineage.write(partial)
        _write_card(partial, model_card(lineage, name=_name(config), merged=True, notes=notes))
    return lineage


def _trained_lineage(model: ModelConfig, source: BaseSource) -> Lineage:
    """The lineage of what is exported, with the quantization its adapter was trained under."""
    adapter = _adapter_folder(model)
    lineage = start_lineage(model, source, adapter)
    trained = None if adapter is None else Lineage.read(adapter)
    return lineage if trained is None else replace(lineage, quantization=trained.quantization)


def _export_model(model: ModelConfig, source: BaseSource) -> ModelConfig:
    """The model section to merge with: unquantized, and in the dtype of the checkpoint unless one is named."""
    stored = source.model_config.get("dtype") or source.model_config.get("torch_dtype")
    keep = model.dtype == "auto" and stored in ("float32", "bfloat16", "float16")
    return model.model_copy(update={"quantization": "none", "dtype": stored if keep else model.dtype})


def _merge(policy: Policy) -> PreTrainedModel:
    if not isinstance(policy.model, peft.PeftModel):
        return policy.model
    try:
        return policy.model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise ModelError(
            f"the adapter {policy.lineage.adapter} cannot be merged: {first_line(error)}"
        ) from error


def _export_adapter(config: ExportConfig, folder: Path) -> Lineage:
    adapter = _adapter_folder(config.model)
    if adapter is None:
        raise ModelError("merge is off but model.adapter is not set: there is no adapter to export alone")
    source = find_base(config.model.path, config.model.revision)
    lineage = _trained_lineage(config.model, source)
    tokenizer, _ = load_tokenizer(source.folder, config.model.chat_template, adapter)
    generation = _stored_generation(source)
    stop_ids = stop_token_ids(tokenizer, generation)
    choose_padding(tokenizer, stop_ids)
    align_generation(generation, stop_ids, tokenizer.pad_token_id)
    with whole_folder(folder) as partial, quiet_libraries():
        for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
            shutil.copyfile(adapter / name, partial / name)
        tokenizer.save_pretrained(partial)
        generation.save_pretrained(partial)
        lineage.write(partial)
        _write_card(partial, model_card(lineage, name=_name(config), merged=False))
    return lineage


def _stored_generation(source: BaseSource) -> GenerationConfig:
    path = source.folder / "generation_config.json"
    fields = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return GenerationConfig(**{key: fields[key] for key in ("bos_token_id", "eos_token_id") if key in fields})


def _adapter_folder(model: ModelConfig) -> Path | None:
    return None if model.adapter is None else model.adapter.expanduser().resolve()


def _say_nothing(_line: str) -> None:
    pass


def _name(config: ExportConfig) -> str:
    return config.output.expanduser().absolute().name


def _write_card(folder: Path, text: str) -> None:
    (folder / "README.md").write_text(text, encoding="utf-8")
