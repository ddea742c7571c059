"""What identifies a stage's result: its configuration, its local inputs, and the stages before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import r1kit
from r1kit.config.stage import StageConfig
from r1kit.config.stages import rewards_of
from r1kit.models.fingerprint import add_sample
from r1kit.rewards.custom import reward_file

_WEIGHTS = (".safetensors", ".bin")


def fingerprint(config: StageConfig, upstream: Iterable[str]) -> str:
    """Hex digest that changes when the stage would give another result.

    It covers r1kit's version, the resolved configuration without `output`, the contents of every local file it
    names and of the module of every reward function of the user's own, and the fingerprints of the stages it
    needs. Of a folder it covers the .json files, and of its weights names, sizes and samples of their contents;
    never modification times, so that a copy is as good as the original.
    Files that an earlier stage writes are covered by that stage's fingerprint, so they are not read.
    """
    values = config.model_dump(mode="json", exclude={"output"})
    stages_dir = config.output.parent
    inputs = {text: _content(Path(text)) for text in _strings(values) if _is_local_input(text, stages_dir)}
    inputs |= _reward_modules(config)
    # Where the pipeline's folder lies does not change what is in it.
    text = json.dumps([r1kit.__version__, values, inputs, list(upstream)], sort_keys=True).replace(
        str(stages_dir), "@stages"
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _is_local_input(text: str, stages_dir: Path) -> bool:
    # A prompt text can be longer than any path may be, which exists() refuses with an OSError.
    if not text or len(text) > 255 or "\n" in text:
        return False
    path = Path(text)
    return path.exists() and stages_dir not in path.parents


def _reward_modules(config: StageConfig) -> dict[str, str]:
    """By the name of each reward function of the user's own, what its module's file holds."""
    files = {reward.name: reward_file(reward.name) for reward in rewards_of(config) if ":" in reward.name}
    return {name: _content(file) for name, file in files.items() if file is not None}


def _content(path: Path) -> str:
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(entry for entry in path.rglob("*") if entry.is_file())
    digest = hashlib.sha256()
    for file in files:
        if file.suffix in (*_WEIGHTS, ".json"):
            digest.update(repr((str(file.relative_to(path)), file.stat().st_size)).encode())
        if file.suffix in _WEIGHTS:
            add_sample(digest, file)
        elif file.suffix == ".json":
            digest.update(file.read_bytes())
    return digest.hexdigest()
