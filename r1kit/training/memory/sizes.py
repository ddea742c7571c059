"""The sizes a run goes with: what the user said, and the rest from the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from r1kit.config.stage import StageConfig
from r1kit.core.errors import ConfigError, ModelError
from r1kit.models.layouts import without_wrapper
from r1kit.models.policy import Policy
from r1kit.models.shapes import ModelShapes, lora_of, shapes_of
from r1kit.training.memory.advice import advice
from r1kit.training.memory.available import memory_for
from r1kit.training.memory.plan import DEFAULT_MICRO_BATCH, DEFAULT_MICRO_BATCH_CPU, MemoryPlan, plan_memory
from r1kit.training.memory.workload import workload_of

C = TypeVar("C", bound=StageConfig)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of a micro-batch, and tokens whose keys and values are held (None: as many as the rows need).

    `plan` is None for a model that cannot be planned.
    """

    micro_batch_tokens: int
    kv_tokens: int | None
    plan: MemoryPlan | None


def resolve_sizes(
    config: StageConfig, policy: Policy, say: Callable[[str], None], *, longest_prompt: int | None = None
) -> Sizes:
    """The sizes of a run on the loaded `policy`; the plan is said, and what would help where it does not fit.

    `longest_prompt` is the longest of the run's prompts in tokens, held-out ones included. A plan that does not
    fit stops nothing: it is a calculation, and running out of memory is dealt with when it happens. Neither does a
    model whose needs are not known; that is said too.

    Raises:
        ConfigError: `engine.kv_tokens` cannot hold the longest prompt with the longest completion.
    """
    _check_budget(config, policy, longest_prompt)
    try:
        return _planned(config, policy, say, longest_prompt)
    except ModelError as error:
        say(
            f"memory: no plan, {error}; micro-batches of {DEFAULT_MICRO_BATCH_CPU:,} tokens unless they are given"
        )
    given = getattr(getattr(config, "batching", None), "micro_batch_tokens", None)
    return Sizes(given or DEFAULT_MICRO_BATCH_CPU, None, None)


def _planned(
    config: StageConfig, policy: Policy, say: Callable[[str], None], longest_prompt: int | None
) -> Sizes:
    shapes = shapes_of_policy(policy)
    config = as_loaded(config, policy)
    held = sum(tensor.nbytes for tensor in policy.model.parameters())
    device = policy.device.type
    plan = plan_memory(
        shapes,
        config,
        memory_for(config.memory, policy.device, held),
        device=device,
        longest_prompt=longest_prompt,
    )
    say(plan.line())
    if not plan.fits:
        say(f"memory: {advice(plan, shapes, config, device, longest_prompt)}")
    return Sizes(plan.micro_batch_tokens or DEFAULT_MICRO_BATCH, plan.kv_tokens, plan)


def _check_budget(config: StageConfig, policy: Policy, longest_prompt: int | None) -> None:
    """Refuse a budget that the native engine would refuse once the longest prompt is in a step."""
    engine = getattr(config, "engine", None)
    budget = None if engine is None or engine.kind == "transformers" else engine.kv_tokens
    if budget is None or longest_prompt is None or not policy.follows_layouts:
        return
    work = workload_of(config, policy.context_length, longest_prompt)
    if budget < work.least_kv_tokens:
        raise ConfigError(
            f"engine.kv_tokens is {budget}, but the longest prompt has {work.prompt_tokens} tokens and a completion up to "
            f"{work.new_tokens}; give {work.least_kv_tokens} or leave it out, or lower sampling.max_new_tokens"
        )


def with_adapter(config: C) -> C:
    """`config` with the shape of the adapter that it continues. Raises ModelError when that cannot be read."""
    model = config.model.model_copy(update={"lora": lora_of(config.model)})
    return config.model_copy(update={"model": model})


def as_loaded(config: C, policy: Policy) -> C:
    """`config` as the loading layer understood it: the dtype, the adapter's shape, the engine that can serve."""
    config = with_adapter(config)
    dtype = str(policy.dtype).removeprefix("torch.")
    update: dict[str, object] = {"model": config.model.model_copy(update={"dtype": dtype})}
    engine = getattr(config, "engine", None)
    if engine is not None and not policy.follows_layouts:
        update["engine"] = engine.model_copy(update={"kind": "transformers"})
    return config.model_copy(update=update)


def shapes_of_policy(policy: Policy) -> ModelShapes:
    """The shapes of the base that `policy` was loaded on."""
    config = without_wrapper(policy.model).config
    values = config.to_dict()
    # What the loading layer has put there is no part of the shape.
    values.pop("quantization_config", None)
    return shapes_of(type(config).from_dict(values), policy.lineage.base)
