"""Rebuilds what `data/` ships: the problem files, and the tiny base model with its tokenizer.

    python data/make_tiny_base.py --out data/tiny_base     # everything, about 6 minutes on one core
    python data/make_tiny_base.py --only-data              # the JSONL files alone, a second

Exits with 1 when the trained base does not pass its gate.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from tiny_gate import Base, gate_failures, measure
from tiny_tokenizer import build_tokenizer
from tiny_training import TrainingPlan, build_model, train
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from r1kit.tasks.arithmetic.files import shipped_files

_DATA_DIR: Final = Path(__file__).parent
_MAX_LENGTH: Final = 512


def main() -> int:
    """Parses the command line and does what it asks; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=_DATA_DIR / "tiny_base", help="folder of the model")
    parser.add_argument("--steps", type=int, default=TrainingPlan.steps, help="optimizer steps")
    parser.add_argument("--only-data", action="store_true", help="write the JSONL files and stop")
    arguments = parser.parse_args()
    write_data(_DATA_DIR)
    if arguments.only_data:
        return 0
    return make_base(arguments.out, replace(TrainingPlan(), steps=arguments.steps))


def write_data(data_dir: Path) -> None:
    """Writes every shipped JSONL file under `data_dir`."""
    for name, content in shipped_files().items():
        path = data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")


def make_base(out: Path, plan: TrainingPlan) -> int:
    """Trains, saves and measures the base; returns 1 when it fails its gate."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = build_tokenizer(plan.seed, _MAX_LENGTH)
    model = build_model(tokenizer, plan.seed)
    train(model, tokenizer, plan)
    save(model, tokenizer, out)
    figures = measure(Base(model, tokenizer))
    (out / "measured.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    failures = gate_failures(figures)
    print(json.dumps({"figures": figures, "gate_failures": failures}, indent=2))
    return 1 if failures else 0


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes model and tokenizer in the form `from_pretrained` reads."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)
    # Newer releases of transformers write a class name here that older ones do not know; all know this one.
    path = out / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
