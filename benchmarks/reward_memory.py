"""What a reference and two reward models cost in memory beside a policy, their base being one and the same.

    python benchmarks/reward_memory.py [--shapes Qwen2.5-0.5B Qwen2.5-1.5B] [--quantization nf4 none]

Qwen2.5's shapes with random weights, on CPU in bfloat16 with gradient checkpointing, as `pipelines/r1.yaml` has it on a
card: a starting adapter of rank 32 on all linear layers, two reward models of rank 16. Each run is a child process with
two steps of GRPO, of which the second is measured (`reward_memory_side.py` says how): 2 prompts of about 100 tokens,
4 completions each of 64 tokens, in one micro-batch. That is a small step; a larger one adds more on both sides, so
that the share of reference and reward models falls. The models are written to --folder first (1 and 3.1 GB).

No token but whole characters is ever drawn, so that the reward models read as many tokens as were sampled. The aim is
that policy, reference and two reward models take no more than 15 % above the policy alone at the peak of a step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from grpo_workload import Workload, word_tokenizer, words
from reward_memory_side import ARMS, Inputs
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import save_reward_model
from r1kit.models.scalar_head import ScalarHead, hidden_size_of
from r1kit.training.memory.table import QWEN, qwen_config

AIM: Final = 0.15
ALONE, WITH_TWO = "policy alone", "and two reward models"
POLICY_RANK, REWARD_RANK = 32, 16
WORKLOAD: Final = Workload(
    prompts_per_step=2, group_size=4, min_prompt=90, max_prompt=110, max_new_tokens=64, beta=0.001
)
# Every block of more than 128 KiB goes back to the system when it is freed.
_MALLOC: Final = {"MALLOC_MMAP_THRESHOLD_": str(2**17), "MALLOC_TRIM_THRESHOLD_": str(2**17)}
_NEVER: Final = -100.0
_STD: Final = 0.02


def main() -> None:
    """Write the models, run every arm, print the tables and whether the aim is reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=QWEN, default=["Qwen2.5-0.5B", "Qwen2.5-1.5B"])
    parser.add_argument("--quantization", nargs="+", choices=["nf4", "none"], default=["nf4"])
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--new-tokens", type=int, default=WORKLOAD.max_new_tokens)
    parser.add_argument("--folder", type=Path, help="where the models go; kept. Default: a temporary folder")
    arguments = parser.parse_args()
    workload = replace(WORKLOAD, max_new_tokens=arguments.new_tokens)
    with tempfile.TemporaryDirectory() as folder:
        for shape in arguments.shapes:
            inputs = (arguments.folder or Path(folder)) / shape
            write_inputs(inputs, qwen_config(shape))
            for quantization in arguments.quantization:
                model = {
                    "quantization": quantization,
                    "dtype": arguments.dtype,
                    "gradient_checkpointing": True,
                }
                found = {arm: child(arm, inputs, workload, model) for arm in ARMS}
                report(f"{shape}, quantization {quantization}, {arguments.dtype}", found)


def write_inputs(folder: Path, config: Qwen2Config) -> None:
    """Write a random model, a starting adapter and two reward models into `folder`, unless they are there."""
    inputs = Inputs.of(folder)
    if inputs.reward_models[-1].is_dir():
        return
    write_model(inputs.model, config)
    with_rank(inputs.model, POLICY_RANK, seed=0).save(inputs.adapter)
    for seed, path in enumerate(inputs.reward_models, start=1):
        policy = with_rank(inputs.model, REWARD_RANK, seed)
        head = ScalarHead(hidden_size_of(policy.model))
        torch.nn.init.normal_(head.weight, std=_STD)
        save_reward_model(policy, head, invented_info(policy), path, seed=seed)


def write_model(folder: Path, config: Qwen2Config) -> None:
    """A random model in bfloat16 that draws whole characters alone, and its tokenizer."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        model = Qwen2ForCausalLM(config)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.no_grad():
        forbid_all_but(model, list(words(WORKLOAD.vocabulary).characters))
    model.save_pretrained(folder)
    word_tokenizer(WORKLOAD.vocabulary).save_pretrained(folder)


def forbid_all_but(model: Qwen2ForCausalLM, allowed: Sequence[int]) -> None:
    """Give all other tokens a logit far below: dimension 0 is the same for every allowed token, and no layer writes to it.

    A head of its own reads it in the same way.
    """
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight[0] = 0
        layer.mlp.down_proj.weight[0] = 0
    for matrix in (model.model.embed_tokens.weight, model.lm_head.weight):
        matrix[:, 0] = _NEVER
        matrix[allowed, 0] = 1.0


def with_rank(model: Path, rank: int, seed: int) -> Policy:
    """The model with an adapter that does something: a fresh B is 0."""
    lora = LoraConfig(rank=rank, alpha=2 * rank)
    policy = load_policy(
        ModelConfig(path=str(model), dtype="bfloat16", device="cpu", lora=lora), train=True, seed=seed
    )
    torch.manual_seed(seed)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=_STD)
    return policy


def invented_info(policy: Policy) -> RewardInfo:
    """What a trained reward model would know of itself."""
    return RewardInfo(
        span="completion",
        mean=0.0,
        std=1.0,
        accuracy=0.5,
        accuracy_interval=(0.4, 0.6),
        num_pairs=100,
        mean_margin=0.0,
        calibration_error=0.0,
        length_correlation=None,
        length_rule_accuracy=0.5,
        eos_token_id=policy.eos_token_ids[0],
        dtype="bfloat16",
        chosen_quantiles={"0.05": -2.0, "0.5": 0.0, "0.95": 2.0},
    )


def child(arm: str, inputs: Path, workload: Workload, model: dict[str, Any]) -> dict[str, Any]:
    """The figures of one arm, from a process of its own."""
    script = Path(__file__).with_name("reward_memory_side.py")
    command = [sys.executable, str(script), arm, str(inputs), workload.dumps(), json.dumps(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | _MALLOC)
    if done.returncode != 0:
        sys.exit(f"reward_memory: {arm} failed\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{arm}: a step of {found['seconds']:.0f} s", file=sys.stderr)
    return found


def report(title: str, found: dict[str, dict[str, Any]]) -> None:
    """A row an arm; what the plan says beside what was measured; whether the aim is reached."""
    console = Console(width=140)
    console.print(f"\n{title}, torch {torch.__version__}; MB of 10^6 bytes\n")
    table = Table(box=MARKDOWN)
    for name in ("", "reference", "reward models", "held", "above", "a step adds", "peak", "above"):
        table.add_column(name, justify="right" if name else "left")
    alone = found[ALONE]
    for arm, figures in found.items():
        parts = figures["parts"]
        table.add_row(
            arm,
            *(f"{parts[name]:,.0f}" if name in parts else "" for name in ("reference", "reward models")),
            f"{figures['held']:,.0f}",
            f"{figures['held'] / alone['held'] - 1:+.1%}",
            f"{figures['added']:,.0f}",
            f"{peak(figures):,.0f}",
            f"{peak(figures) / peak(alone) - 1:+.1%}",
        )
    console.print(table)
    console.print(f"\nThe memory plan: {beside_the_plan(found[WITH_TWO])}.")
    console.print(verdict(peak(found[WITH_TWO]) / peak(alone) - 1))


def peak(figures: dict[str, Any]) -> float:
    """Megabytes of tensors at the widest moment of a step."""
    return float(figures["held"] + figures["added"])


def beside_the_plan(figures: dict[str, Any]) -> str:
    """Each part that the plan names, and what was measured."""
    parts, plan = figures["parts"], figures["plan"]
    held = {**parts, "optimizer states": figures["held"] - sum(parts.values())}
    said = [f"{name} {plan[name]:,.0f} (measured {held.get(name, 0):,.0f})" for name in plan]
    return ", ".join([*said, f"a step {figures['plan added']:,.0f} (measured {figures['added']:,.0f})"])


def verdict(share: float) -> str:
    """Whether the aim is reached, in words."""
    reached = "reached" if share <= AIM else "MISSED"
    return f"Reference and two reward models: {share:+.1%} of the policy alone at the peak; the aim of {AIM:.0%} is {reached}."


if __name__ == "__main__":
    main()
