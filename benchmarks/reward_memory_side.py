"""One run of GRPO beside reward models, in a process of its own: what is held and what a step adds, printed as JSON.

Held are all tensors that Python knows of between two steps, each storage once, optimizer states included. What a step
adds is the kernel's high-water mark of resident memory over what is resident when the step begins. The step before it
has touched all weights, so pages of the model's file that were mapped while it was loaded are on both sides.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from grpo_r1kit_side import warm_up
from grpo_stopwatch import peak_mb, reset_peak, resident_mb, settle
from grpo_workload import Workload, even_share, prompt_ids, text_of
from torch import Tensor

from r1kit.config.load import validate
from r1kit.config.model import ModelConfig
from r1kit.config.rl import GrpoConfig
from r1kit.core.problem import Message, Problem
from r1kit.generation import build_engine
from r1kit.grpo.loop import make_trainer
from r1kit.models.adapter import POLICY_ADAPTER, REFERENCE_ADAPTER
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import RewardModel
from r1kit.models.scalar_head import ScalarHead
from r1kit.rewards.compose import Scorer, WeightedReward
from r1kit.rewards.parts import Part
from r1kit.rewards.weighted import ModelReward
from r1kit.rl.loop import Workshop
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.self_check import SamplingGapAlarm
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import Sizes, resolve_sizes
from r1kit.training.recovery import MicroBatchSize

MB: Final = 1e6
NUM_STEPS: Final = 2
"""The first step, with short completions, is not measured: it touches the weights for the first time."""


@dataclass(frozen=True, slots=True)
class Arm:
    """What stands beside the policy; with `apart` each reward model has a base of its own."""

    reference: bool = False
    reward_models: int = 0
    apart: bool = False


ARMS: Final = {
    "policy alone": Arm(),
    "with the reference": Arm(reference=True),
    "and one reward model": Arm(reference=True, reward_models=1),
    "and two reward models": Arm(reference=True, reward_models=2),
    "two, each with its own base": Arm(reference=True, reward_models=2, apart=True),
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The folders that a run reads: a model, a starting adapter, reward models."""

    model: Path
    adapter: Path
    reward_models: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path) -> Inputs:
        """Those in `folder`."""
        return cls(
            folder / "model", folder / "adapter", (folder / "reward_model_0", folder / "reward_model_1")
        )


def main() -> None:
    """Run the arm that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("inputs", type=Path)
    parser.add_argument("workload", type=Workload.loads)
    parser.add_argument("model", type=json.loads, help="fields of ModelConfig, as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(
            ARMS[arguments.arm],
            Inputs.of(arguments.inputs),
            arguments.workload,
            arguments.model,
            Path(folder) / "run",
        )
        print(json.dumps(found))


def measure(
    arm: Arm, inputs: Inputs, workload: Workload, model: dict[str, Any], output: Path
) -> dict[str, Any]:
    """Megabytes held by part, the memory plan's figures for the same, and what a step adds."""
    config = grpo_config(arm, inputs, workload, model, output)
    policy = load_policy(config.model, train=True, with_reference=arm.reference)
    prompted = prompted_problems(policy, workload)
    longest = max(len(problem.prompt_ids) for step in prompted for problem in step)
    with Tracker(config.output, stage="grpo", config={}, seed=0, quiet=True) as tracker:
        sizes = resolve_sizes(config, policy, tracker.say, longest_prompt=longest)
        rewarder, apart = open_rewarder(arm, inputs, policy, sizes.micro_batch_tokens, tracker)
        trainer = make_trainer(config, build_workshop(config, policy, rewarder, sizes, tracker))
        warm_up(trainer).step(0, ProblemStream(prompted[0], len(prompted[0]), 0))
        settle()
        before, began = resident_mb(), time.perf_counter()
        reset_peak()
        trainer.step(1, ProblemStream(prompted[1], len(prompted[1]), 0))
        added, seconds = peak_mb() - before, time.perf_counter() - began
    plan = sizes.plan
    return {
        "parts": parts_held(policy, apart),
        "held": sum(storages(tensors_alive()).values()) / MB,
        "added": added,
        "seconds": seconds,
        "plan": {} if plan is None else {name: size / MB for name, size in plan.static.items()},
        "plan added": 0 if plan is None else max(sum(plan.rollout.values()), sum(plan.update.values())) / MB,
        "micro-batch": sizes.micro_batch_tokens,
    }


def grpo_config(
    arm: Arm, inputs: Inputs, workload: Workload, model: dict[str, Any], output: Path
) -> GrpoConfig:
    """The run as r1kit's configuration; reward models with a base of their own are not named in it."""
    shared = inputs.reward_models[: 0 if arm.apart else arm.reward_models]
    values = {
        "model": {**model, "path": str(inputs.model), "adapter": str(inputs.adapter), "device": "cpu"},
        "output": str(output),
        "data": "prompts.jsonl",
        "steps": NUM_STEPS,
        "rewards": ["math", *({"name": f"reward_model:{path}", "label": path.name} for path in shared)],
        "sampling": {"max_new_tokens": workload.max_new_tokens},
        "algorithm": {
            "group_size": workload.group_size,
            "problems_per_step": workload.prompts_per_step,
            "beta": workload.beta if arm.reference else 0.0,
        },
    }
    return validate(GrpoConfig, values, source="reward_memory")


def prompted_problems(policy: Policy, workload: Workload) -> list[list[PromptedProblem]]:
    """The problems of each step, through the policy's chat template."""
    return [
        [prompted(policy, text_of(workload, ids), f"{step}-{index}") for index, ids in enumerate(prompts)]
        for step, prompts in enumerate(prompt_ids(workload, 0, NUM_STEPS))
    ]


def prompted(policy: Policy, question: str, name: str) -> PromptedProblem:
    """One question as the trainer takes it."""
    messages = (Message("user", question),)
    text, ids = policy.render(messages)
    return PromptedProblem(Problem(name, question), text, ids, messages)


def open_rewarder(
    arm: Arm, inputs: Inputs, policy: Policy, max_tokens: int, tracker: Tracker
) -> tuple[Rewarder, list[RewardModel]]:
    """The rewards of an arm, and those of its reward models that have a base of their own."""
    rule = WeightedReward("even", 1.0, lambda _, completion: Part(even_share(completion.token_ids)))
    folders = inputs.reward_models[: arm.reward_models]
    judged = [WeightedReward(path.name, 0.5, ModelReward(path, "completion"), clip=3.0) for path in folders]
    scorer = Scorer((rule, *judged))
    if not arm.apart:
        return Rewarder.open(scorer, policy, max_tokens, tracker.say), []
    apart = [load_apart(path, policy.config) for path in folders]
    infos = {model.label: model.info for model in apart}
    return Rewarder(scorer, {model.label: model.score for model in apart}, infos), apart


def load_apart(folder: Path, like: ModelConfig) -> RewardModel:
    """As `load_reward_model` does, but in the policy's dtype on every device."""
    config = ModelConfig(
        path=like.path, adapter=folder, quantization=like.quantization, dtype=like.dtype, device=like.device
    )
    policy = load_policy(config, train=False)
    head = ScalarHead.load(folder).requires_grad_(False)
    return RewardModel(folder.name, RewardInfo.read(folder), policy, POLICY_ADAPTER, head, policy.tokenizer)


def build_workshop(
    config: GrpoConfig, policy: Policy, rewarder: Rewarder, sizes: Sizes, tracker: Tracker
) -> Workshop:
    """As `rl.loop` makes it."""
    return Workshop(
        policy,
        build_engine(policy, config.engine, tracker.say, sizes.kv_tokens),
        rewarder,
        tracker,
        MicroBatchSize(sizes.micro_batch_tokens, tracker.say),
        SamplingGapAlarm(config.max_sampling_gap, tracker.say),
        RewardWatch(rewarder.infos, tracker.say),
    )


def parts_held(policy: Policy, apart: list[RewardModel]) -> dict[str, float]:
    """Megabytes of weights and adapters, named as the memory plan names them."""
    sizes: dict[str, dict[int, int]] = defaultdict(dict)
    for name, parameter in policy.model.named_parameters():
        sizes[part_of(name)] |= storages(with_scales(parameter))
    for model in apart:
        for parameter in model.policy.model.parameters():
            sizes["reward models"] |= storages(with_scales(parameter))
    return {part: sum(found.values()) / MB for part, found in sizes.items()}


def part_of(name: str) -> str:
    """The part of the plan that a parameter belongs to."""
    if ".lora_" not in name:
        return "weights"
    if f".{POLICY_ADAPTER}." in name:
        return "adapter"
    return "reference" if f".{REFERENCE_ADAPTER}." in name else "reward models"


def with_scales(parameter: Tensor) -> Iterator[Tensor]:
    """A parameter, and what a quantized one needs to be read."""
    yield parameter
    states = [getattr(parameter, "quant_state", None)]
    for state in filter(None, states):
        yield from (value for value in vars(state).values() if isinstance(value, Tensor))
        states.append(vars(state).get("state2"))


def tensors_alive() -> Iterator[Tensor]:
    """Every tensor with data that Python holds."""
    gc.collect()
    with warnings.catch_warnings():
        # Asking an object for its type wakes aliases that torch has deprecated.
        warnings.simplefilter("ignore")
        found = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    yield from (tensor for tensor in found if tensor.device.type == "cpu")


def storages(tensors: Iterator[Tensor]) -> dict[int, int]:
    """Bytes of each distinct storage by its address."""
    return {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}


if __name__ == "__main__":
    main()
