"""Chooses the engine."""

from __future__ import annotations

from collections.abc import Callable

from r1kit.config.sampling import EngineConfig
from r1kit.core.errors import ConfigError, ModelError
from r1kit.generation.engine import Engine
from r1kit.generation.native import NativeEngine
from r1kit.generation.native.steps import record_cuda_graph
from r1kit.generation.transformers_engine import TransformersEngine
from r1kit.models.policy import Policy


def build_engine(
    policy: Policy,
    config: EngineConfig,
    say: Callable[[str], None] | None = None,
    kv_tokens: int | None = None,
) -> Engine:
    """The engine over the weights of `policy` (shared, so there is nothing to sync).

    `kv_tokens` stands in for `config.kv_tokens` where that was left out. `say` hears which engine it is when it
    is not the native one, and later what the engine has to say.

    Raises:
        ConfigError: CUDA graphs were asked for on another device.
        ModelError: the native engine was asked for and cannot serve the model.
    """
    if config.cuda_graphs and policy.device.type != "cuda":
        raise ConfigError(
            f"engine.cuda_graphs needs a CUDA device, and the model is on {policy.device}; leave it out"
        )
    if config.kind == "transformers":
        return TransformersEngine(policy, config.batch_size)
    if policy.follows_layouts:
        budget = kv_tokens if config.kv_tokens is None else config.kv_tokens
        record = record_cuda_graph if config.cuda_graphs else None
        return NativeEngine(policy, config.batch_size, budget, say, record)
    model_type = policy.model.config.model_type
    if config.kind == "native":
        raise ModelError(
            f"engine.kind is native, but the attention of {model_type} models cannot be exchanged; set engine.kind "
            "to transformers"
        )
    if say is not None:
        say(f"the native engine cannot serve {model_type} models; completions come from transformers instead")
    return TransformersEngine(policy, config.batch_size)
