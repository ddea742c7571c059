"""What a stage asks of memory, in tokens and rows, as its configuration has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from r1kit.config.data import ProblemData
from r1kit.config.ppo import PpoConfig
from r1kit.config.reward_model import RewardModelConfig
from r1kit.config.rl import RlConfig
from r1kit.config.sampling import EngineConfig
from r1kit.config.stage import StageConfig
from r1kit.config.stages import EvalConfig, RejectSampleConfig, SftConfig, rewards_of
from r1kit.core.errors import ConfigError
from r1kit.tasks.benchmarks import BENCHMARKS

ASSUMED_PROMPT_TOKENS: Final = 512
"""The longest prompt, where nothing says how long prompts are."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The numbers of a stage that memory depends on.

    Attributes:
        trains: gradients are taken.
        prompt_tokens: the longest prompt; 0 where nothing is sampled.
        new_tokens: the longest completion, which may follow a shorter prompt; in SFT the longest text.
        context: most tokens of a text, where the model has a limit.
        group: completions of one prompt.
        rows: completions decoded at the same time; 0 where nothing is sampled.
        prompts: prompts that are held beside them.
        with_reference: the policy as it was is kept.
        with_value_network: a second model of the policy's size is trained beside it.
        reward_models: folders of reward models, whose adapters stand on the policy's base.
        samples_whole: tokens are drawn from the whole distribution; a filter needs more room.
        step_tokens: tokens of all texts of an optimizer update.
        micro_batch_tokens: tokens of a micro-batch, where the user says so.
        kv_tokens: tokens whose keys and values are held, where the user says so.
        assumes_prompt: the longest prompt is not known but assumed.
    """

    trains: bool
    prompt_tokens: int
    new_tokens: int
    context: int | None = None
    group: int = 1
    rows: int = 0
    prompts: int = 0
    with_reference: bool = False
    with_value_network: bool = False
    reward_models: tuple[Path, ...] = ()
    samples_whole: bool = True
    step_tokens: int | None = None
    micro_batch_tokens: int | None = None
    kv_tokens: int | None = None
    assumes_prompt: bool = False

    @property
    def text_tokens(self) -> int:
        """The longest text, prompt and completion."""
        both = self.prompt_tokens + self.new_tokens
        return both if self.context is None else min(both, self.context)

    @property
    def least_kv_tokens(self) -> int:
        """Without room for the longest prompt and the longest completion nothing is decoded."""
        return self.prompt_tokens + self.new_tokens

    @property
    def wanted_kv_tokens(self) -> int:
        """Tokens held when every row is as long as it may become; each prompt is held once."""
        return self.prompts * self.prompt_tokens + self.rows * self.new_tokens


def workload_of(config: StageConfig, context: int | None, longest_prompt: int | None = None) -> Workload:
    """The workload of a stage on a model of `context` tokens, with the longest prompt where it is known.

    Raises ConfigError for a stage that neither trains nor samples.
    """
    if isinstance(config, SftConfig | RewardModelConfig):
        return _texts(config, context)
    if isinstance(config, RlConfig):
        return _rl(config, context, longest_prompt)
    if isinstance(config, RejectSampleConfig | EvalConfig):
        return _sampling(config, context, longest_prompt)
    raise ConfigError(f"a {type(config).__name__} neither trains nor samples, so there is nothing to plan")


def _texts(config: SftConfig | RewardModelConfig, context: int | None) -> Workload:
    """Training on texts that are there. The two texts of a pair are in one pass, so they count as one of both."""
    longest = min(config.max_length, context or config.max_length)
    texts = 2 if isinstance(config, RewardModelConfig) else 1
    return Workload(
        trains=True,
        prompt_tokens=0,
        new_tokens=texts * longest,
        context=None if context is None else texts * context,
        step_tokens=config.batch_size * texts * longest,
        micro_batch_tokens=config.batching.micro_batch_tokens,
    )


def _rl(config: RlConfig, context: int | None, longest_prompt: int | None) -> Workload:
    algorithm = config.algorithm
    read = [config.data, *config.more_data, *([config.held_out.data] if config.held_out else [])]
    limit = _prompt_limit(read)
    prompt, new = _lengths(config.sampling.max_new_tokens, context, longest_prompt, limit)
    rows = min(config.engine.batch_size, algorithm.group_size * algorithm.problems_per_step)
    prompts = _prompts(config.engine, rows, algorithm.group_size, algorithm.problems_per_step)
    if config.held_out is not None:
        # The same engine asks many held-out problems, with few completions of each.
        rows = config.engine.batch_size
        prompts = max(prompts, _prompts(config.engine, rows, config.held_out.num_samples))
    return Workload(
        trains=True,
        prompt_tokens=prompt,
        new_tokens=new,
        context=context,
        group=algorithm.group_size,
        rows=rows,
        prompts=prompts,
        with_reference=algorithm.beta > 0,
        with_value_network=isinstance(config, PpoConfig) and config.algorithm.value_network == "separate",
        reward_models=_reward_models(config),
        step_tokens=algorithm.problems_per_step * algorithm.group_size * (prompt + new),
        micro_batch_tokens=config.batching.micro_batch_tokens,
        kv_tokens=config.engine.kv_tokens,
        assumes_prompt=longest_prompt is None and limit is None,
    )


def _sampling(
    config: RejectSampleConfig | EvalConfig, context: int | None, longest_prompt: int | None
) -> Workload:
    read = (
        [config.data, *config.more_data]
        if isinstance(config, RejectSampleConfig)
        else [task.data for task in config.tasks]
    )
    limit = _prompt_limit(read)
    prompt, new = _lengths(config.sampling.max_new_tokens, context, longest_prompt, limit)
    group = _fewest_samples(config)
    return Workload(
        trains=False,
        prompt_tokens=prompt,
        new_tokens=new,
        context=context,
        group=group,
        samples_whole=config.sampling.top_p == 1
        and config.sampling.top_k == 0
        and config.sampling.min_p == 0,
        rows=config.engine.batch_size,
        prompts=_prompts(config.engine, config.engine.batch_size, group),
        kv_tokens=config.engine.kv_tokens,
        assumes_prompt=longest_prompt is None and limit is None,
        reward_models=_reward_models(config),
    )


def _reward_models(config: StageConfig) -> tuple[Path, ...]:
    return tuple(
        Path(reward.options["path"]).expanduser()
        for reward in rewards_of(config)
        if reward.name == "reward_model"
    )


def _fewest_samples(config: RejectSampleConfig | EvalConfig) -> int:
    """Completions of a prompt; of several ways to ask the fewest, which hold the most prompts."""
    if isinstance(config, RejectSampleConfig):
        return config.num_samples
    if config.greedy:
        return 1
    if config.num_samples is not None:
        return config.num_samples
    return min(BENCHMARKS[task.name].num_samples if task.name in BENCHMARKS else 1 for task in config.tasks)


def _prompt_limit(read: Sequence[ProblemData | None]) -> int | None:
    """The longest prompt that any of the data lets through; None when one of them has no limit."""
    limits = [None if data is None else data.max_prompt_tokens for data in read]
    return None if None in limits else max(tokens for tokens in limits if tokens is not None)


def _lengths(new_tokens: int, context: int | None, known: int | None, limit: int | None) -> tuple[int, int]:
    """The longest prompt, and the longest completion, for which any prompt leaves some of the context."""
    prompt = known or limit or ASSUMED_PROMPT_TOKENS
    if context is None:
        return prompt, new_tokens
    most = context - 1 if known or limit else context // 2
    return max(1, min(prompt, most)), max(1, min(new_tokens, context - 1))


def _prompts(engine: EngineConfig, rows: int, group: int, most: int | None = None) -> int:
    """Prompts that are held beside `rows` completions.

    The native engine holds each once, and up to twice as many as full groups need, and one; the plain loop over
    transformers holds one a row.
    """
    if engine.kind == "transformers":
        return rows
    prompts = min(rows, 2 * math.ceil(rows / group) + 1)
    return prompts if most is None else min(prompts, most)
