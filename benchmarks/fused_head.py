"""Times r1kit's fused head against whole logits, and prints seconds and peak memory of both with their ratio.

    python benchmarks/fused_head.py [--tokens 1024] [--hidden 896] [--vocabulary 151936] [--dtype bfloat16]

One forward and backward pass each: log-probabilities of random targets after random hidden states, the gradient
going to the hidden states only, as under LoRA. "whole logits" is linear, float32, log_softmax, gather and torch's
own gradient. Every pass is a process of its own, the two sides taking turns, and comes after a pass over a few
tokens that is not counted. Memory is what comes on top of the inputs: on a CPU the kernel's high-water mark of
resident pages (VmHWM, set back through /proc/self/clear_refs; needs Linux), on a GPU torch's own. The gradients
of both sides are compared, too; in half precision both are rounded, each in its own way.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch
import torch.nn.functional as F
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from torch import Tensor

from r1kit.ops.logprobs import TokenScores, completion_logprobs

FEW_TOKENS: Final = 8
STATUS: Final = Path("/proc/self/status")


def main() -> None:
    """Run both sides in turns and print the medians; as a child, run one side once and print its figures."""
    arguments = _arguments()
    if arguments.side is not None:
        print(json.dumps(measured(arguments.side, arguments)))
        return
    passes: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for side in SIDES:
                passes[side].append(child(side, Path(folder) / f"{side}.pt"))
        ours, plain = (torch.load(Path(folder) / f"{side}.pt").double() for side in SIDES)
    figures = {side: medians(rows) for side, rows in passes.items()}
    report = {**vars(arguments), "passes": passes, "medians": figures}
    report["gradient difference"] = ((ours - plain).norm() / plain.norm()).item()
    print(json.dumps(report, indent=1)) if arguments.json else print_report(report)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--hidden", type=int, default=896)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3, help="passes of each side")
    parser.add_argument("--entropy", action="store_true", help="of each distribution as well, on both sides")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--gradient", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def whole_logits(hidden: Tensor, weight: Tensor, targets: Tensor, *, with_entropy: bool) -> TokenScores:
    """Log-probabilities and entropies as one writes them first."""
    logprobs = F.linear(hidden, weight).float().log_softmax(dim=-1)
    entropy = None
    if with_entropy:
        with torch.no_grad():
            entropy = -(logprobs.exp() * logprobs).sum(dim=-1)
    return TokenScores(logprobs.gather(-1, targets[:, None]).squeeze(-1), entropy)


def fused(hidden: Tensor, weight: Tensor, targets: Tensor, *, with_entropy: bool) -> TokenScores:
    """The same through r1kit."""
    return completion_logprobs(hidden, weight, None, targets, with_entropy=with_entropy)


SIDES: Final[dict[str, Callable[..., TokenScores]]] = {"r1kit": fused, "whole logits": whole_logits}


def child(side: str, gradient: Path) -> dict[str, float]:
    """The figures of one pass in a process of its own, which leaves its gradient in a file."""
    words = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--gradient", str(gradient)]
    finished = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(finished.stdout)


def measured(side: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of a forward and backward pass, and the most bytes it held beyond its inputs."""
    torch.set_num_threads(arguments.threads)
    hidden, weight, targets = inputs(arguments)
    run_pass(side, hidden[:FEW_TOKENS], weight, targets[:FEW_TOKENS], arguments.entropy)
    before = start_peak(arguments.device)
    started = time.perf_counter()
    gradient = run_pass(side, hidden, weight, targets, arguments.entropy)
    peak = peak_bytes(arguments.device)
    seconds = time.perf_counter() - started
    if arguments.gradient is not None:
        torch.save(gradient.cpu(), arguments.gradient)
    return {"seconds": seconds, "peak bytes": peak - before}


def inputs(arguments: argparse.Namespace) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states [N, D], head [V, D] and targets [N]; logits have a standard deviation of about 3."""
    generator = torch.Generator(arguments.device).manual_seed(0)
    make = {"device": arguments.device, "dtype": getattr(torch, arguments.dtype)}
    hidden = torch.empty(arguments.tokens, arguments.hidden, **make).normal_(generator=generator)
    weight = torch.empty(arguments.vocabulary, arguments.hidden, **make)
    weight.normal_(std=3 / arguments.hidden**0.5, generator=generator)
    targets = torch.randint(
        arguments.vocabulary, (arguments.tokens,), device=arguments.device, generator=generator
    )
    return hidden, weight, targets


def run_pass(side: str, hidden: Tensor, weight: Tensor, targets: Tensor, with_entropy: bool) -> Tensor:
    """The gradient [N, D] of the mean log-probability."""
    hidden = hidden.detach().requires_grad_()
    scores = SIDES[side](hidden, weight, targets, with_entropy=with_entropy)
    return torch.autograd.grad(scores.logprobs.mean(), hidden)[0]


def start_peak(device: str) -> int:
    """Set the high-water mark back to what is held now, in bytes, and return that."""
    gc.collect()
    if device != "cpu":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak_bytes(device: str) -> int:
    """The most bytes held since then."""
    if device != "cpu":
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines())
    return int(lines[field].split()[0]) * 1024


def medians(passes: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: median(row[name] for row in passes) for name in passes[0]}


def print_report(report: dict[str, Any]) -> None:
    """What was run, and one Markdown table."""
    console = Console(width=110)
    console.print(
        f"{report['tokens']:,} tokens, hidden {report['hidden']:,}, vocabulary {report['vocabulary']:,}, "
        f"{report['dtype']}, {'with' if report['entropy'] else 'without'} entropy; {report['device']}, "
        f"{report['threads']} thread(s), torch {torch.__version__}; medians of {report['rounds']} passes each\n"
    )
    table = Table(box=MARKDOWN)
    for index, heading in enumerate(("forward and backward", *SIDES, "ratio")):
        table.add_column(heading, justify="right" if index else "left")
    for label, name, unit in (("seconds", "seconds", 1.0), ("peak above the inputs, MB", "peak bytes", 1e6)):
        ours, plain = (report["medians"][side][name] / unit for side in SIDES)
        table.add_row(label, f"{ours:,.2f}", f"{plain:,.2f}", f"{plain / ours:,.2f}")
    console.print(table)
    console.print(f"\nrelative difference of the gradients: {report['gradient difference']:.1e}")


if __name__ == "__main__":
    main()
