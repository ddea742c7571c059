"""References between stages: `"@sft.adapter"` is the adapter that the stage named sft writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

OUTPUTS: Final[dict[str, dict[str, str]]] = {
    "sft": {"adapter": "adapter", "model": "model"},
    "grpo": {"adapter": "adapter", "model": "model"},
    "reject-sample": {"data": "sft.jsonl"},
    "eval": {},
    "export": {"model": "model"},
}
"""By kind of stage: what a reference can name, and where it lies in the stage's folder.

Training writes an adapter, or a whole model under full fine-tuning.
"""

_REFERENCE: Final = re.compile(r"^@([a-z0-9][a-z0-9_-]*)\.([a-z_]+)$")


def resolve(value: Any, stages: Mapping[str, tuple[str, Path]]) -> tuple[Any, list[str]]:
    """`value` with every reference in it replaced by a path, and the ids of the stages it names.

    `stages` maps the id of each earlier stage to its kind and folder.

    Raises:
        ValueError: a string that starts with "@" names no earlier stage, or no output of it.
    """
    if isinstance(value, str) and value.startswith("@"):
        stage_id, path = _path(value, stages)
        return str(path), [stage_id]
    if isinstance(value, Mapping):
        parts = {key: resolve(item, stages) for key, item in value.items()}
        return {key: part[0] for key, part in parts.items()}, [i for part in parts.values() for i in part[1]]
    if isinstance(value, list):
        resolved = [resolve(item, stages) for item in value]
        return [part[0] for part in resolved], [i for part in resolved for i in part[1]]
    return value, []


def _path(reference: str, stages: Mapping[str, tuple[str, Path]]) -> tuple[str, Path]:
    match = _REFERENCE.match(reference)
    if match is None:
        raise ValueError(
            f'"{reference}" is not a reference; write "@STAGE.OUTPUT", for example "@sft.adapter"'
        )
    stage_id, output = match.groups()
    if stage_id not in stages:
        known = ", ".join(stages) or "none"
        raise ValueError(f'"{reference}" names no earlier stage; earlier stages: {known}')
    kind, folder = stages[stage_id]
    if output not in OUTPUTS[kind]:
        known = ", ".join(f"@{stage_id}.{name}" for name in OUTPUTS[kind]) or "none"
        raise ValueError(f'"{reference}": a stage of kind {kind} has no output "{output}"; outputs: {known}')
    return stage_id, folder / OUTPUTS[kind][output]
