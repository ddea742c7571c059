"""GRPO on a CUDA GPU: decode and training tokens/s against the card's roofline, peak memory against the plan.

    python benchmarks/gpu_grpo.py [--shapes Qwen2.5-1.5B Qwen2.5-7B] [--vram 24GB 8GB] [--steps 3] [--folder DIR]

THIS SCRIPT HAS NOT BEEN RUN YET: it was written where there was no GPU. Without one it says so and exits with 3.

Qwen2.5's shapes with random weights, base in NF4 with double quantization, LoRA of rank 32, bfloat16, gradient
checkpointing, G 8, 2 prompts of 512 tokens, 512 new tokens. The models are written to --folder first (3 and 15 GB),
then each run is a child process that is capped at --vram, takes the sizes of the memory plan, and runs a warm-up step
and the measured ones. The roofline comes from the card itself: decode cannot be faster than reading the weights
once a step at the bandwidth of a large copy; training (4 floating-point operations a weight and token: the base's own
gradient is not needed) not faster than a large bfloat16 product. A random model hardly ever draws EOS.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from grpo_r1kit_side import WatchedEngine, build_trainer, prompted, watch_training
from grpo_stopwatch import Stopwatch
from grpo_workload import Workload, prompt_ids, word_tokenizer
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from transformers import Qwen2ForCausalLM

from r1kit.config.load import validate
from r1kit.config.rl import GrpoConfig
from r1kit.grpo.trainer import GrpoTrainer
from r1kit.models.load import load_policy
from r1kit.rl.stream import ProblemStream
from r1kit.tracking.tracker import Tracker
from r1kit.training.memory import cap_memory, prove, resolve_sizes
from r1kit.training.memory.table import QWEN, qwen_config

NO_GPU: Final = 3
# Prompts are written in the benchmark's own vocabulary, which is smaller than the models'.
WORKLOAD: Final = Workload(prompts_per_step=2, min_prompt=512, max_prompt=512, max_new_tokens=512)


def main() -> int:
    """Write the models, run every pair of shape and limit, print the table; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", choices=QWEN, default=["Qwen2.5-1.5B", "Qwen2.5-7B"])
    parser.add_argument("--vram", nargs="+", default=["24GB", "8GB"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the models go; kept. Default: a temporary folder")
    parser.add_argument("--child", nargs=2, metavar=("MODEL", "VRAM"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_grpo: there is no CUDA GPU here, so nothing was measured", file=sys.stderr)
        return NO_GPU
    if arguments.child:
        print(json.dumps(measure(*arguments.child, arguments.steps)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {
                "shape": shape,
                "VRAM": vram,
                **child(write_model(arguments.folder or Path(folder), shape), vram, arguments.steps),
            }
            for shape in arguments.shapes
            for vram in arguments.vram
        ]
    print_report(rows)
    return 0


def write_model(folder: Path, shape: str) -> Path:
    """The folder of a random model of `shape`, written if it is not there."""
    path = folder / shape
    if (path / "config.json").is_file():
        return path
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = Qwen2ForCausalLM(qwen_config(shape)).to(torch.bfloat16)
    model.save_pretrained(path)
    word_tokenizer(WORKLOAD.vocabulary).save_pretrained(path)
    del model
    torch.cuda.empty_cache()
    return path


def child(model: Path, vram: str, num_steps: int) -> dict[str, Any]:
    """The figures of one run in a process of its own; one that fails gives its last words."""
    command = [sys.executable, __file__, "--steps", str(num_steps), "--child", str(model), vram]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": (done.stderr.splitlines() or ["without a word"])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(model: str, vram: str, num_steps: int) -> dict[str, Any]:
    """One run under the limit `vram`: its rates, what the card could do, and its peak beside the plan's."""
    bandwidth, flops = card_bandwidth(), card_flops()
    torch.cuda.empty_cache()
    with tempfile.TemporaryDirectory() as folder:
        config = grpo_config(model, vram, Path(folder) / "run")
        cap_memory(config.memory, torch.device("cuda"))
        policy = load_policy(config.model, train=True, with_reference=config.algorithm.beta > 0)
        sizes = resolve_sizes(config, policy, say, longest_prompt=WORKLOAD.max_prompt)
        watch = Stopwatch(torch.cuda.synchronize)
        with Tracker(config.output, stage="grpo", config={}, seed=0, quiet=True) as tracker:
            trainer = build_trainer(config, policy, tracker, sizes, num_steps + 1)
            size = trainer.workshop.size
            size.tokens = prove(lambda tokens: trainer.prove(tokens, WORKLOAD.max_prompt), size.tokens, say)
            tokens = steps(trainer, watch, num_steps)
    trained = sum(watch.seconds[phase] for phase in ("reference", "forward", "backward"))
    decode, training = tokens / watch.seconds["generation"], tokens / trained
    rows = min(config.engine.batch_size, WORKLOAD.prompts_per_step * WORKLOAD.group_size)
    held = sum(parameter.nbytes for parameter in policy.model.parameters())
    return {
        "decode tokens/s": decode,
        "share of roofline, decode": decode / (rows * bandwidth / held),
        "training tokens/s": training,
        "share of roofline, training": training / (flops / (4 * policy.num_parameters)),
        "peak GiB": torch.cuda.max_memory_reserved() / 2**30,
        **({} if sizes.plan is None else {"plan GiB": sizes.plan.total / 2**30}),
        "micro-batch": size.tokens,
        "out of memory": size.num_oom,
    }


def say(text: str) -> None:
    """To stderr: stdout is for the figures."""
    print(text, file=sys.stderr)


def grpo_config(model: str, vram: str, output: Path) -> GrpoConfig:
    """The run as r1kit's configuration; sizes that are not here are chosen by the memory plan."""
    values = {
        "model": {"path": model, "quantization": "nf4", "device": "cuda", "gradient_checkpointing": True},
        "memory": {"vram": vram},
        "output": str(output),
        "data": "prompts.jsonl",
        "sampling": {"max_new_tokens": WORKLOAD.max_new_tokens},
        "algorithm": {"group_size": WORKLOAD.group_size, "problems_per_step": WORKLOAD.prompts_per_step},
    }
    return validate(GrpoConfig, values, source="gpu_grpo")


def steps(trainer: GrpoTrainer, watch: Stopwatch, num_steps: int) -> int:
    """Run a warm-up step and `num_steps` whose phases `watch` adds up; completion tokens of the measured ones."""
    engine = WatchedEngine(trainer.workshop.engine, watch)
    trainer = replace(trainer, workshop=replace(trainer.workshop, engine=engine))
    watch_training(watch)
    for step, prompts in enumerate(prompt_ids(WORKLOAD, 0, num_steps + 1)):
        trainer.step(step, ProblemStream(prompted(WORKLOAD, prompts, step), len(prompts), 0))
        if step == 0:
            watch.seconds.clear()
            engine.lengths.clear()
    return sum(engine.lengths)


def card_bandwidth() -> float:
    """Bytes a second that the card reads, from a copy of 1 GiB (read once, written once)."""
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source))


def card_flops() -> float:
    """bfloat16 operations a second, from a product of two 8192 x 8192 matrices."""
    size = 8192
    matrix = torch.randn(size, size, dtype=torch.bfloat16, device="cuda")
    return 2 * size**3 / seconds_of(lambda: matrix @ matrix)


def seconds_of(work: Callable[[], object], repeats: int = 20) -> float:
    """Mean seconds of `work` on the device, after a first call that is not counted."""
    work()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats


def print_report(rows: list[dict[str, Any]]) -> None:
    """A column a run, a row a figure."""
    properties = torch.cuda.get_device_properties(0)
    console = Console(width=140)
    console.print(f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, torch {torch.__version__}")
    table = Table(box=MARKDOWN)
    table.add_column("figure")
    for row in rows:
        table.add_column(f"{row['shape']}, {row['VRAM']}", justify="right")
    names = dict.fromkeys(name for row in rows for name in row if name not in ("shape", "VRAM"))
    for name in names:
        table.add_row(name, *(shown(row.get(name, "")) for row in rows))
    console.print(table)


def shown(value: Any) -> str:
    """Numbers with three significant digits or as whole ones, words as they are."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
