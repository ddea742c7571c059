"""Fingerprints: does this adapter belong to that base, and is this the adapter a run started from?"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

_WHOLE_FILE_BYTES: Final = 8 * 2**20
_BLOCK_BYTES: Final = 64 * 2**10
_NUM_BLOCKS: Final = 64
_VOLATILE_KEYS: Final = ("transformers_version", "_name_or_path")


def file_fingerprint(path: Path) -> str:
    """SHA-256 (hex) of a whole file; for adapters, which are small."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_fingerprint(folder: Path) -> str:
    """SHA-256 (hex) of a base model's config and weights, the same wherever the folder lies.

    Weight files over 8 MiB are sampled: size, and 64 blocks of 64 KiB spread evenly from the first byte to
    the last. That reads 4 MiB of a 7B model and still differs between two trainings of one architecture.
    """
    digest = hashlib.sha256()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kept = {key: value for key, value in config.items() if key not in _VOLATILE_KEYS}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    for path in weight_files(folder):
        digest.update(f"{path.name}:{path.stat().st_size}".encode())
        add_sample(digest, path)
    return digest.hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model folder, sorted: safetensors where there are any, else .bin files."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def add_sample(digest: hashlib._Hash, path: Path) -> None:
    """Add a file's contents to the digest: whole up to 8 MiB, else 64 blocks of 64 KiB spread over it."""
    size = path.stat().st_size
    if size <= _WHOLE_FILE_BYTES:
        digest.update(path.read_bytes())
        return
    with path.open("rb") as file:
        for index in range(_NUM_BLOCKS):
            file.seek((size - _BLOCK_BYTES) * index // (_NUM_BLOCKS - 1))
            digest.update(file.read(_BLOCK_BYTES))
