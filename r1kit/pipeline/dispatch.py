"""The function that runs a stage: the one its command calls too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

from r1kit.config.stage import StageConfig

_MODULES: Final = {
    "sft": "r1kit.sft",
    "grpo": "r1kit.grpo",
    "ppo": "r1kit.ppo",
    "reward-model": "r1kit.reward_model",
    "reject-sample": "r1kit.reject_sample",
    "eval": "r1kit.evaluate",
    "export": "r1kit.models.export",
}

RunStage = Callable[[str, StageConfig], Mapping[str, Any]]


def run_stage(stage: str, config: StageConfig) -> Mapping[str, Any]:
    """Run the stage called `stage`; its summary. Its room (and torch) is imported only now."""
    summary: Mapping[str, Any] = import_module(_MODULES[stage]).run(config)
    return summary
