"""The table of docs/memory.md: what fits cards of 8 to 24 GB."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from transformers import Qwen2Config

from r1kit.config.data import ProblemData
from r1kit.config.model import ModelConfig
from r1kit.config.rl import GrpoConfig
from r1kit.models.shapes import ModelShapes, shapes_of
from r1kit.training.memory.plan import GIB, MemoryPlan, plan_memory

CARDS: Final = (8, 12, 16, 24)
"""GiB of memory."""

QWEN: Final = {
    "Qwen2.5-0.5B": (896, 4864, 24, 14, 2, 151936, True),
    "Qwen2.5-1.5B": (1536, 8960, 28, 12, 2, 151936, True),
    "Qwen2.5-3B": (2048, 11008, 36, 16, 2, 151936, True),
    "Qwen2.5-7B": (3584, 18944, 28, 28, 4, 152064, False),
}
"""Hidden and intermediate size, layers, query and key-value heads, vocabulary, whether the head is tied: what the
config.json of each model says."""


def table_config() -> GrpoConfig:
    """The run that the table is about: GRPO's defaults on a 4-bit base with gradient checkpointing."""
    model = ModelConfig(path="Qwen", quantization="nf4", gradient_checkpointing=True)
    return GrpoConfig(model=model, output=Path(), data=ProblemData(path="problems"))


def qwen_shapes(name: str) -> ModelShapes:
    """The shapes of the model of QWEN called `name`."""
    return shapes_of(qwen_config(name), name)


def qwen_config(name: str) -> Qwen2Config:
    """The configuration of the model of QWEN called `name`."""
    hidden, intermediate, layers, heads, kv_heads, vocabulary, tied = QWEN[name]
    return Qwen2Config(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        max_position_embeddings=32768,
        rms_norm_eps=1e-6,
    )


def markdown_table() -> str:
    """The table, a row for each model and card, without a newline at its end."""
    head = [
        "model",
        "card",
        "largest context",
        "largest micro-batch",
        "largest KV budget",
        "the default run needs",
    ]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name in QWEN:
        shapes = qwen_shapes(name)
        rows += [_row(name, card, plan_memory(shapes, table_config(), card * GIB)) for card in CARDS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name: str, card: int, plan: MemoryPlan) -> list[str]:
    need = f"{plan.total / GIB:.1f} GiB"
    if not plan.fits:
        return [name, f"{card} GB", *["does not fit"] * 3, need]
    sizes = (plan.context, plan.largest_micro_batch, plan.largest_kv)
    return [name, f"{card} GB", *(f"{size:,}" for size in sizes), need]
