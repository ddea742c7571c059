"""Makes the engine."""

from __future__ import annotations

from r1kit.config.sampling import EngineConfig
from r1kit.generation.engine import Engine
from r1kit.generation.transformers_engine import TransformersEngine
from r1kit.models.policy import Policy


def build_engine(policy: Policy, config: EngineConfig) -> Engine:
    """The engine over the weights of `policy` (shared, so there is nothing to sync)."""
    return TransformersEngine(policy, batch_size=config.batch_size)
