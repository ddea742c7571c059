"""Where a base model comes from: a local folder, or a hub id that is brought into the local cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import CONFIG_MAPPING

from r1kit.config.model import means_a_folder
from r1kit.core.errors import EnvironmentError_, ModelError
from r1kit.core.nearest import nearest
from r1kit.models.fingerprint import base_fingerprint, weight_files

_MODEL_FILES: Final = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
# Second copies of the weights that some repositories hold beside those transformers reads.
_OTHER_COPIES: Final = ["consolidated*", "original/*", "onnx/*", "*/*.safetensors"]


@dataclass(frozen=True)
class BaseSource:
    """A base model on disk: `name` is the hub id or the absolute path, `folder` holds its files.

    `revision` is the resolved hub commit (None for a local folder), `model_config` the parsed config.json.
    """

    name: str
    folder: Path
    revision: str | None
    fingerprint: str
    model_config: dict[str, Any]


def find_base(path: str, revision: str | None) -> BaseSource:
    """The base model at `path`, downloaded first if it is a hub id.

    Raises ModelError when there is no such model or this layer cannot load it (no config.json, an adapter, an
    unknown architecture, custom code, already quantized), EnvironmentError_ when the hub cannot be reached.
    """
    local = Path(path).expanduser()
    is_local = local.exists()
    if not is_local and means_a_folder(path):
        raise ModelError(f"model.path {path!r}: no such folder{_nearest_folder(local)}")
    folder = local.resolve() if is_local else _download(path, revision)
    config = read_config(path, folder)
    check_loadable(path, config)
    if not weight_files(folder):
        raise ModelError(
            f"model.path {path!r}: the folder holds config.json but no model*.safetensors; copy the weights there"
        )
    return BaseSource(
        name=str(folder) if is_local else path,
        folder=folder,
        revision=None if is_local else folder.name,
        fingerprint=base_fingerprint(folder),
        model_config=config,
    )


def _nearest_folder(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"; there is no folder {parent} either"
    folders = [entry.name for entry in parent.iterdir() if entry.is_dir()]
    close = nearest(path.name, folders)
    return f"; did you mean {parent / close}?" if close else f" in {parent}"


def _download(path: str, revision: str | None) -> Path:
    """The snapshot folder of a hub model; its name is the commit."""
    with hub_errors(path, revision):
        folder = _snapshot(path, revision, _MODEL_FILES)
        if not weight_files(folder):
            folder = _snapshot(path, revision, [*_MODEL_FILES, "pytorch_model*.bin"])
    return folder


@contextmanager
def hub_errors(path: str, revision: str | None) -> Iterator[None]:
    """What goes wrong inside with a hub model, as one clear line: a ModelError or an EnvironmentError_."""
    try:
        yield
    except GatedRepoError as error:
        raise ModelError(
            f"model.path {path!r} is gated on the hub: accept its license there and log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"model.path {path!r}: no such folder here and no such model on the hub") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"model.revision {revision!r}: {path} has no such branch, tag or commit") from error
    except HFValidationError as error:
        raise ModelError(f"model.path {path!r}: no such folder, and not a hub id (owner/name)") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, ConnectionError) as error:
        raise EnvironmentError_(
            f"model.path {path!r}: no such folder here, not in the hub cache, and the hub cannot be reached; "
            "check the path, or download the model while online"
        ) from error


def _snapshot(path: str, revision: str | None, patterns: list[str]) -> Path:
    return Path(
        snapshot_download(path, revision=revision, allow_patterns=patterns, ignore_patterns=_OTHER_COPIES)
    )


def read_config(path: str, folder: Path) -> dict[str, Any]:
    """What config.json in `folder` holds. Raises ModelError when it is not there or no JSON object."""
    config_path = folder / "config.json"
    if not config_path.is_file():
        if (folder / "adapter_config.json").is_file():
            raise ModelError(
                f"model.path {path!r} is an adapter, not a base model; give it as model.adapter and its base as model.path"
            )
        raise ModelError(f"model.path {path!r}: not a model folder, config.json is missing")
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{config_path}: not valid JSON ({error})") from error
    if not isinstance(config, dict):
        raise ModelError(f"{config_path}: must hold an object")
    return config


def check_loadable(path: str, config: dict[str, Any]) -> None:
    """Raises ModelError for a model that this layer cannot load, going by its parsed config.json."""
    model_type = config.get("model_type")
    if model_type not in CONFIG_MAPPING:
        if "auto_map" in config:
            raise ModelError(
                f"model.path {path!r} needs Python code from its repository (model_type {model_type!r}), which is "
                "never run; use a model that transformers itself knows"
            )
        raise ModelError(
            f"model.path {path!r}: transformers does not know model_type {model_type!r}; a newer version may"
        )
    quantized = config.get("quantization_config")
    if quantized:
        raise ModelError(
            f"model.path {path!r} is already quantized ({quantized.get('quant_method')}); give the unquantized "
            "model and let model.quantization do it"
        )
