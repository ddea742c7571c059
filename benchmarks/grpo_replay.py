"""One batch through both trainers: TRL's loss and r1kit's update, and how far their gradients are apart.

There are three policies, made of the saved adapter and noise: the reference (the adapter as it is), the one that
sampled, and the one in training, moved so far from it that ratios lie away from 1 and both sides of the clip are hit.
r1kit runs its own update with two updates on the batch: the first one finds the old log-probs, then an optimizer that
only moves the weights to the policy in training stands in, and the second update's gradient is what is compared.
TRL's loss is given the same old log-probs, computed by its own pass. Each side runs its own reference pass.
The error is |g_r1kit - g_TRL| / |g_TRL| over all LoRA parameters as one vector.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from grpo_r1kit_side import grpo_config as r1kit_config
from grpo_trl_side import build_trainer as trl_trainer
from grpo_trl_side import grpo_config as trl_config
from grpo_workload import EOS, PAD, Workload, prompt_ids
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from trl import GRPOTrainer
from trl.trainer.utils import pad, use_adapter

from r1kit.config.rl import GrpoConfig
from r1kit.grpo.batch import RlBatch
from r1kit.grpo.update import update_policy
from r1kit.models.load import load_policy
from r1kit.objectives.aggregate import Normalizer
from r1kit.rl.rows import RlRow
from r1kit.training.optimizer import StepStats
from r1kit.training.recovery import MicroBatchSize

MAX_NEW_TOKENS: Final = 48
ROWS: Final = 8
"""Completions in TRL's micro-batches, its default."""
MICRO_BATCH_TOKENS: Final = 700
NOISE_SAMPLED: Final = 0.01
NOISE_TRAINED: Final = 0.05
LIMIT: Final = 1e-5

VARIANTS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "grpo, beta 0.04": ({}, {}),
    "grpo, beta 0": ({"algorithm.beta": 0.0}, {"beta": 0.0}),
    "grpo, clip 0.2 / 0.28": ({"algorithm.clip_eps_high": 0.28}, {"epsilon_high": 0.28}),
    "dr_grpo": (
        {"algorithm.aggregation": "constant_length", "algorithm.beta": 0.0},
        {"loss_type": "dr_grpo", "beta": 0.0},
    ),
    "dapo": (
        {"algorithm.aggregation": "token_mean", "algorithm.clip_eps_high": 0.28, "algorithm.beta": 0.0},
        {"loss_type": "dapo", "epsilon_high": 0.28, "beta": 0.0},
    ),
    "gspo": (
        {
            "algorithm.ratio": "sequence",
            "algorithm.beta": 0.0,
            "algorithm.clip_eps_low": 3e-4,
            "algorithm.clip_eps_high": 4e-4,
        },
        {"importance_sampling_level": "sequence", "beta": 0.0, "epsilon": 3e-4, "epsilon_high": 4e-4},
    ),
}
"""Name -> what it changes in r1kit's configuration, and in TRL's. `use_bias_correction_kl` is off in all."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The batch: B completions with their prompts and advantages, group by group."""

    prompts: list[tuple[int, ...]]
    completions: list[tuple[int, ...]]
    advantages: list[float]


@dataclass(frozen=True, slots=True)
class Result:
    """The gradient by parameter name, and the shares of tokens on either clipped branch."""

    gradient: dict[str, Tensor]
    clipped_low: float
    clipped_high: float


def main() -> None:
    """Replay every variant and print the table; SystemExit 1 when an error is over the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workload", type=Workload.loads)
    parser.add_argument("model", type=Path)
    parser.add_argument("adapter", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    workload: Workload = arguments.workload
    saved = saved_batch(workload)
    table = Table(box=MARKDOWN)
    for heading in ("variant", "relative error", "gradient norm", "clipped low", "clipped high"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    errors = []
    for name, (ours, theirs) in VARIANTS.items():
        r1kit = r1kit_gradient(
            r1kit_config(
                workload, arguments.model, arguments.adapter, ours | {"algorithm.updates_per_batch": 2}
            ),
            saved,
        )
        with tempfile.TemporaryDirectory() as folder:
            trl = trl_gradient(workload, arguments.model, arguments.adapter, saved, theirs, folder)
        errors.append(relative_error(r1kit.gradient, trl))
        shares = f"{r1kit.clipped_low:.3f}", f"{r1kit.clipped_high:.3f}"
        table.add_row(name, f"{errors[-1]:.1e}", f"{norm(trl):.4g}", *shares)
    Console(width=100).print(table)
    if max(errors) > LIMIT:
        raise SystemExit(f"the largest error is {max(errors):.1e}, over {LIMIT:g}")


def saved_batch(workload: Workload, seed: int = 0) -> Saved:
    """Random completions of spread lengths, with rewards that are normal and normalised in each group."""
    generator = torch.Generator().manual_seed(seed)
    size = workload.group_size
    prompts = [ids for ids in prompt_ids(workload, seed, 1)[0] for _ in range(size)]
    longest = min(MAX_NEW_TOKENS, workload.max_new_tokens)
    lengths = torch.randint(2, longest + 1, (len(prompts),), generator=generator).tolist()
    completions = [
        (*torch.randint(PAD + 1, workload.vocabulary, (length - 1,), generator=generator).tolist(), EOS)
        for length in lengths
    ]
    rewards = torch.randn(len(prompts) // size, size, generator=generator)
    advantages = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    return Saved(prompts, completions, advantages.flatten().tolist())


@torch.no_grad()
def move(parameters: Sequence[nn.Parameter], noise: float, seed: int) -> None:
    """Add normal noise to `parameters`; the same for the same shapes in the same order."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=noise)


class Mover:
    """Stands in for r1kit's optimizer: its first step moves the weights, its second keeps the gradient."""

    num_oom = 0

    def __init__(self, named: dict[str, nn.Parameter]) -> None:
        self._named = named
        self._has_moved = False
        self.gradient: dict[str, Tensor] = {}

    def step(self) -> StepStats:
        """Take the step."""
        if self._has_moved:
            self.gradient = {name: gradient_of(parameter) for name, parameter in self._named.items()}
        else:
            move(list(self._named.values()), NOISE_TRAINED, seed=2)
            self._has_moved = True
        self.clear_gradient()
        return StepStats(grad_norm=0.0, learning_rate=0.0)

    def clear_gradient(self) -> None:
        """Forget what has been accumulated."""
        for parameter in self._named.values():
            parameter.grad = None


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """The gradient in float64."""
    return torch.zeros_like(parameter).double() if parameter.grad is None else parameter.grad.double()


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The trained parameters by their name in the base model, which is the same on both sides."""
    named = model.named_parameters()
    return {name: parameter for name, parameter in named if parameter.requires_grad}


def r1kit_gradient(config: GrpoConfig, saved: Saved) -> Result:
    """The gradient of r1kit's second update on the batch, in micro-batches of packed trees."""
    policy = load_policy(config.model, train=True, with_reference=config.algorithm.beta > 0)
    named = trained(policy.model)
    move(list(named.values()), NOISE_SAMPLED, seed=1)
    mover = Mover(named)
    size = config.algorithm.group_size
    texts = zip(saved.prompts, saved.completions, saved.advantages, strict=True)
    rows = [
        RlRow(index, index // size, prompt, completion, (0.0,) * len(completion), advantage=advantage)
        for index, (prompt, completion, advantage) in enumerate(texts)
    ]
    lengths = [len(completion) for completion in saved.completions]
    batch = RlBatch(rows, Normalizer.from_lengths(lengths, config.sampling.max_new_tokens), 0, 0, 0)
    metrics = update_policy(policy, mover, batch, config, MicroBatchSize(MICRO_BATCH_TOKENS))  # type: ignore[arg-type]
    return Result(mover.gradient, metrics["policy/clip_fraction_low"], metrics["policy/clip_fraction_high"])


def trl_gradient(
    workload: Workload, model: Path, adapter: Path, saved: Saved, settings: dict[str, Any], folder: str
) -> dict[str, Tensor]:
    """The gradient of TRL's loss on the batch, in micro-batches of ROWS completions."""
    plain = {"gradient_checkpointing": False, "per_device_train_batch_size": ROWS}
    config = trl_config(workload, folder, plain | settings, max_steps=1)
    trainer = trl_trainer(workload, model, adapter, config, prompt_ids(workload, 0, 1))
    named = trained(trainer.model)
    inputs = padded(saved)
    if config.beta > 0:
        with use_adapter(trainer.model, adapter_name="ref"):
            inputs["ref_per_token_logps"] = logprobs(trainer, inputs)
    move(list(named.values()), NOISE_SAMPLED, seed=1)
    inputs["old_per_token_logps"] = logprobs(trainer, inputs)
    move(list(named.values()), NOISE_TRAINED, seed=2)
    num_slices = len(saved.prompts) // ROWS
    trainer.current_gradient_accumulation_steps = num_slices
    trainer.model.train()
    for start in range(0, len(saved.prompts), ROWS):
        part = {name: value[start : start + ROWS] for name, value in inputs.items()}
        part["num_items_in_batch"] = inputs["completion_mask"].sum()
        trainer._compute_loss(trainer.model, part).backward()  # noqa: SLF001
    return {name: gradient_of(parameter) for name, parameter in named.items()}


def padded(saved: Saved) -> dict[str, Tensor]:
    """The batch as TRL lays it out: prompts padded on the left, completions on the right."""
    prompts = [torch.tensor(ids) for ids in saved.prompts]
    completions = [torch.tensor(ids) for ids in saved.completions]
    return {
        "prompt_ids": pad(prompts, padding_value=PAD, padding_side="left"),
        "prompt_mask": pad([torch.ones_like(ids) for ids in prompts], padding_side="left"),
        "completion_ids": pad(completions, padding_value=PAD, padding_side="right"),
        "completion_mask": pad([torch.ones_like(ids) for ids in completions], padding_side="right"),
        "advantages": torch.tensor(saved.advantages),
    }


@torch.no_grad()
def logprobs(trainer: GRPOTrainer, inputs: dict[str, Tensor]) -> Tensor:
    """TRL's own log-probs of the completions under the weights as they are."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    found = trainer._get_per_token_logps_and_entropies(  # noqa: SLF001
        trainer.model, ids, mask, inputs["completion_ids"].shape[1], batch_size=ROWS
    )
    result: Tensor = found[0]
    return result


def relative_error(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """|ours - theirs| / |theirs| over all parameters. ValueError when they do not have the same names."""
    if ours.keys() != theirs.keys():
        raise ValueError(f"parameters differ: {sorted(ours.keys() ^ theirs.keys())[:4]}")
    return norm({name: ours[name] - theirs[name] for name in ours}) / norm(theirs)


def norm(gradient: dict[str, Tensor]) -> float:
    """The Euclidean norm of all parameters' gradients as one vector."""
    return torch.cat([value.flatten() for value in gradient.values()]).norm().item()


if __name__ == "__main__":
    main()
