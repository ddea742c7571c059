"""One run of r1kit's GRPO on the benchmark's workload, in a process of its own; prints its steps as JSON."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from grpo_stopwatch import Record, Stopwatch, forward_or_reference, replace_everywhere
from grpo_workload import WARM_UP_TOKENS, Workload, even_share, prompt_ids, text_of

import r1kit.training.forward
from r1kit.config.load import validate
from r1kit.config.rl import GrpoConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion
from r1kit.generation import Engine, build_engine
from r1kit.grpo.trainer import GrpoTrainer
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.rewards.compose import Scorer, WeightedReward
from r1kit.rewards.parts import Part
from r1kit.rl.loop import Workshop
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.self_check import SamplingGapAlarm
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import Sizes, resolve_sizes
from r1kit.training.optimizer import Optimizer, peak_learning_rate
from r1kit.training.recovery import MicroBatchSize

SCORER = Scorer((WeightedReward("even", 1.0, lambda _, completion: Part(even_share(completion.token_ids))),))


def main() -> None:
    """Run the steps that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", type=Workload.loads)
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--settings", type=json.loads, default={}, help="fields of GrpoConfig, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = grpo_config(arguments.workload, arguments.model, arguments.adapter, arguments.settings)
        config = config.model_copy(update={"seed": arguments.seed, "output": Path(folder) / "run"})
        print(json.dumps(run(config, arguments.workload, arguments.steps)))


def grpo_config(workload: Workload, model: Path, adapter: Path, settings: dict[str, Any]) -> GrpoConfig:
    """The workload as r1kit's configuration; `settings` by dotted name win."""
    values: dict[str, Any] = {
        "model": {
            "path": str(model),
            "adapter": str(adapter),
            "dtype": "float32",
            "device": "cpu",
            "lora": {"rank": workload.lora_rank, "alpha": 2 * workload.lora_rank},
        },
        "output": "run",
        # The prompts are handed to the trainer as token ids; this file is never read.
        "data": "prompts.jsonl",
        "sampling": {"max_new_tokens": workload.max_new_tokens},
        "algorithm": {
            "group_size": workload.group_size,
            "problems_per_step": workload.prompts_per_step,
            "beta": workload.beta,
            "clip_eps_low": workload.clip,
            "clip_eps_high": workload.clip,
        },
        "optim": {"learning_rate": workload.learning_rate, "schedule": "constant", "warmup_ratio": 0.0},
    }
    for dotted, value in settings.items():
        section, name = dotted.split(".")
        values.setdefault(section, {})[name] = value
    return validate(GrpoConfig, values, source="benchmark")


def run(config: GrpoConfig, workload: Workload, num_steps: int) -> dict[str, Any]:
    """One warm-up step with short completions and `num_steps` that are measured; see `Record.report`."""
    watch = Stopwatch()
    record = Record(watch)
    policy = load_policy(config.model, train=True, with_reference=workload.beta > 0, seed=config.seed)
    with Tracker(config.output, stage="grpo", config={}, seed=config.seed, quiet=True) as tracker:
        sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=workload.max_prompt)
        trainer = build_trainer(config, policy, tracker, sizes, num_steps + 1)
        engine = WatchedEngine(trainer.workshop.engine, watch)
        trainer = replace(trainer, workshop=replace(trainer.workshop, engine=engine))
        watch_training(watch)
        record.loaded()
        for step, prompts in enumerate(prompt_ids(workload, config.seed, num_steps + 1)):
            stream = ProblemStream(prompted(workload, prompts, step), len(prompts), config.seed)
            (trainer if step else warm_up(trainer)).step(step, stream)
            record.end(engine.lengths.copy())
            engine.lengths.clear()
    return record.report(torch=torch.__version__, engine=type(engine.engine).__name__)


def build_trainer(
    config: GrpoConfig, policy: Policy, tracker: Tracker, sizes: Sizes, num_steps: int
) -> GrpoTrainer:
    """The trainer as `r1kit grpo` makes it, with the benchmark's reward."""
    optimizer = Optimizer(
        policy.trainable_parameters(),
        config.optim,
        learning_rate=peak_learning_rate(config.optim, "grpo", config.model),
        num_steps=num_steps,
    )
    workshop = Workshop(
        policy,
        build_engine(policy, config.engine, tracker.say, sizes.kv_tokens),
        Rewarder(SCORER),
        tracker,
        MicroBatchSize(sizes.micro_batch_tokens, tracker.say),
        SamplingGapAlarm(config.max_sampling_gap, tracker.say),
        RewardWatch({}, tracker.say),
    )
    return GrpoTrainer(config, workshop, optimizer)


def warm_up(trainer: GrpoTrainer) -> GrpoTrainer:
    """The trainer with short completions."""
    sampling = trainer.config.sampling
    short = sampling.model_copy(update={"max_new_tokens": min(WARM_UP_TOKENS, sampling.max_new_tokens)})
    return replace(trainer, config=trainer.config.model_copy(update={"sampling": short}))


class WatchedEngine:
    """An engine whose time is counted as generation; `lengths` collects its completions' tokens."""

    def __init__(self, engine: Engine, watch: Stopwatch) -> None:
        self.engine = engine
        self.lengths: list[int] = []
        self._generate = watch.timed("generation", engine.generate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def generate(self, *args: Any, **kwargs: Any) -> list[tuple[Completion, ...]]:
        """As the engine does."""
        groups: list[tuple[Completion, ...]] = self._generate(*args, **kwargs)
        self.lengths.extend(completion.num_tokens for group in groups for completion in group)
        return groups


def watch_training(watch: Stopwatch) -> None:
    """Time log-prob passes, backward and the optimizer from now on, in this whole process."""
    logprobs = r1kit.training.forward.trained_logprobs
    replace_everywhere(logprobs, watch.timed(forward_or_reference, logprobs))
    watch.watch_torch()


def prompted(workload: Workload, prompts: Sequence[tuple[int, ...]], step: int) -> list[PromptedProblem]:
    """Prompts of token ids as the trainer takes them."""
    return [
        PromptedProblem(Problem(f"{step}-{index}", text_of(workload, ids)), text_of(workload, ids), ids)
        for index, ids in enumerate(prompts)
    ]


if __name__ == "__main__":
    main()
