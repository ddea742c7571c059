"""Reading a pipeline file, together with the file it extends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from r1kit.config.load import merge
from r1kit.config.yaml_file import load_yaml
from r1kit.core.errors import ConfigError


def load_pipeline(path: Path) -> dict[str, Any]:
    """The fields of a pipeline file. `extends: OTHER.yaml` (beside it) takes over that file's fields first.

    Fields of both are merged section by section and the extending file wins; its `stages`, if it has any,
    replace the other's as a whole.

    Raises:
        ConfigError: a file cannot be read, or files extend each other in a circle.
    """
    return _load(path, seen=())


def _load(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfigError(
            f"{path}: extends itself through {' -> '.join(p.name for p in seen)}; break the circle"
        )
    values = _spelled_out(load_yaml(path))
    if "extends" not in values:
        return values
    other = values.pop("extends")
    if not isinstance(other, str):
        raise ConfigError(f"{path}: extends: must be the name of a pipeline file, got {other!r}")
    return merge(_load(path.parent / other, (*seen, path.resolve())), values)


def _spelled_out(values: dict[str, Any]) -> dict[str, Any]:
    """`model: ID` as a section, so that it merges with fields of the model."""
    model = values.get("model")
    return {**values, "model": {"path": model}} if isinstance(model, str) else values
