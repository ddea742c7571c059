"""References between stages: `"@sft.adapter"` is the adapter that the stage named sft writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ADAPTER: Final = {"adapter": "adapter"}
_MODEL: Final = {"model": "model"}

_REFERENCE: Final = re.compile(r"^@([a-z0-9][a-z0-9_-]*)\.([a-z_]+)$")


@dataclass(frozen=True, slots=True)
class Made:
    """An earlier stage: its kind, its folder, and what a reference can name in there."""

    kind: str
    folder: Path
    outputs: Mapping[str, str]


def outputs_of(kind: str, fields: Mapping[str, Any]) -> Mapping[str, str]:
    """What a stage with these fields writes that a reference can name, and where it lies in its folder.

    Training writes an adapter, or a whole model under full fine-tuning; an export, a model or with
    `merge: false` the adapter.
    """
    if kind in ("sft", "grpo", "ppo"):
        model = fields.get("model")
        is_full = isinstance(model, Mapping) and model.get("tuning") == "full"
        return _MODEL if is_full else _ADAPTER
    if kind == "export":
        return _MODEL if fields.get("merge", True) else _ADAPTER
    return {"reject-sample": {"data": "sft.jsonl"}, "reward-model": {"reward_model": "reward_model"}}.get(
        kind, {}
    )


def resolve(value: Any, stages: Mapping[str, Made]) -> tuple[Any, list[str]]:
    """`value` with every reference in it replaced by a path, and the ids of the stages it names.

    `stages` holds each earlier stage by its id.

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


def _path(reference: str, stages: Mapping[str, Made]) -> tuple[str, Path]:
    match = _REFERENCE.match(reference)
    if match is None:
        raise ValueError(
            f'"{reference}" is not a reference; write "@STAGE.OUTPUT", for example "@sft.adapter"'
        )
    stage_id, output = match.groups()
    if stage_id not in stages:
        known = ", ".join(stages) or "none"
        raise ValueError(f'"{reference}" names no earlier stage; earlier stages: {known}')
    made = stages[stage_id]
    if output not in made.outputs:
        known = ", ".join(f"@{stage_id}.{name}" for name in made.outputs) or "none"
        raise ValueError(f'"{reference}": this {made.kind} stage has no output "{output}"; outputs: {known}')
    return stage_id, made.folder / made.outputs[output]
