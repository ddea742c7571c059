"""An adapter on disk: is it one, and does it belong to this base?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from r1kit.core.errors import ModelError, first_line
from r1kit.models.lineage import Lineage
from r1kit.models.source import BaseSource

ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
ADAPTER_CONFIG: Final = "adapter_config.json"


def check_adapter(folder: Path, source: BaseSource) -> Lineage | None:
    """The lineage written in an adapter's folder, None if it has none; checked against the base.

    Raises ModelError when `folder` is no LoRA adapter or was trained on another base. Adapters without lineage
    are held to the last part of the base's name in their adapter_config.json.
    """
    if not folder.is_dir():
        raise ModelError(f"model.adapter {folder}: no such folder")
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"model.adapter {folder}: not an adapter folder, {name} is missing")
    trained_on = _base_name(folder / ADAPTER_CONFIG)
    lineage = Lineage.read(folder)
    if lineage is None:
        _check_base_name(folder, trained_on, source)
    elif lineage.base_fingerprint != source.fingerprint:
        raise ModelError(
            f"model.adapter {folder} was trained on {lineage.base} ({lineage.base_fingerprint[:12]}), not on "
            f"{source.name} ({source.fingerprint[:12]}); set model.path to its base"
        )
    return lineage


def _base_name(path: Path) -> str | None:
    """The base that an adapter_config.json of a LoRA adapter names."""
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        kind, name = written["peft_type"], written.get("base_model_name_or_path")
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {first_line(error)}") from error
    if kind != "LORA":
        raise ModelError(f"{path}: peft_type is {kind}, only LORA can be used")
    return None if name is None else str(name)


def _check_base_name(folder: Path, trained_on: str | None, source: BaseSource) -> None:
    if trained_on and Path(trained_on).name.lower() != Path(source.name).name.lower():
        raise ModelError(
            f"model.adapter {folder} was trained on {trained_on} (its {ADAPTER_CONFIG} says so), not on "
            f"{source.name}; set model.path to its base"
        )
