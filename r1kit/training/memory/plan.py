"""The memory plan of a run: what it needs by part, and the largest sizes that fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from r1kit.config.model import ModelConfig
from r1kit.config.stage import StageConfig
from r1kit.models.shapes import ModelShapes
from r1kit.training.memory.phases import Demand
from r1kit.training.memory.workload import workload_of

DEFAULT_MICRO_BATCH: Final = 16384
"""A larger micro-batch is not taken by itself: by then the work hides what it costs to begin one."""
DEFAULT_MICRO_BATCH_CPU: Final = 2048
"""The same where there is no GPU: 1,300 to 16,384 tokens took the same time, and 0.5 to 2 GB (docs/log.md)."""
GIB: Final = 2**30
_MOST_TOKENS: Final = 2**21


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """What a run needs, in bytes by part, and sizes in tokens.

    Attributes:
        stage, model: what is run, in a reader's words.
        vram: what there is.
        static: held all the time.
        rollout, update: held beside it in turn; empty where there is no such phase.
        margin: for gaps between tensors, and on CUDA for the context.
        total: static, the larger phase and the margin.
        micro_batch_tokens, kv_tokens: given by the user or chosen; None without such a phase.
        largest_micro_batch, largest_kv: what would fit at most; 0 when nothing does.
        wanted_kv_tokens: what all rows need at their full length.
        text_tokens: the longest text of the run, prompt and completion.
        context: the longest text that fits, with the keys and values of a whole group; 0 when none does.
        fits: the run with its longest text and these sizes fits.
        assumed_prompt: the longest prompt in tokens, where it is an assumption.
        note: what the figures leave out, in words; empty for most models.
    """

    stage: str
    model: str
    vram: int
    static: Mapping[str, int]
    rollout: Mapping[str, int]
    update: Mapping[str, int]
    margin: int
    total: int
    micro_batch_tokens: int | None
    kv_tokens: int | None
    largest_micro_batch: int
    largest_kv: int
    wanted_kv_tokens: int
    text_tokens: int
    context: int
    fits: bool
    assumed_prompt: int | None = None
    note: str = ""

    def line(self) -> str:
        """The plan in one line, for the start of a run."""
        held = [
            *self.static.items(),
            *max(self.rollout, self.update, key=lambda phase: sum(phase.values())).items(),
        ]
        parts = ", ".join(f"{name} {_gib(size)}" for name, size in held if size >= 0.005 * self.total)
        verdict = "" if self.fits else ", which does not fit"
        return (
            f"memory: {_gib(self.total)} of {_gib(self.vram)} GiB{verdict} ({parts}, margin {_gib(self.margin)}); "
            f"{self._sizes()}{f'; {self.note}' if self.note else ''}"
        )

    def _sizes(self) -> str:
        sizes = []
        if self.micro_batch_tokens is not None:
            sizes.append(f"micro-batch {self.micro_batch_tokens:,} tokens")
        if self.kv_tokens is not None:
            few = f" of {self.wanted_kv_tokens:,}" if self.kv_tokens < self.wanted_kv_tokens else ""
            sizes.append(f"keys and values of {self.kv_tokens:,}{few} tokens")
        return ", ".join([*sizes, f"largest context {self.context:,}"])


def plan_memory(
    shapes: ModelShapes,
    config: StageConfig,
    vram_bytes: int,
    *,
    device: str = "cuda",
    longest_prompt: int | None = None,
    stage: str = "",
) -> MemoryPlan:
    """The plan for `config` with `vram_bytes` on a kind of device; sizes that the user left open are chosen.

    `longest_prompt` is its length in tokens where it is known. An adapter that is continued must stand in
    `config.model.lora` already (`models.shapes.lora_of`). The largest KV budget and micro-batch that fit are chosen,
    but no more than the run can use, and no micro-batch above DEFAULT_MICRO_BATCH (on a CPU
    DEFAULT_MICRO_BATCH_CPU). Raises ConfigError for a stage that neither trains nor samples, ModelError for
    adapter targets that the model does not have.
    """
    work = workload_of(config, shapes.context, longest_prompt)
    demand = Demand(shapes, config.model, work, device)
    text = work.text_tokens
    largest_micro = _round(largest(lambda n: demand.total(n, None), vram_bytes)) if work.trains else 0
    largest_kv = _round(largest(lambda n: demand.total(None, n), vram_bytes)) if work.rows else 0
    micro = kv = None
    if work.trains:
        most = DEFAULT_MICRO_BATCH_CPU if device == "cpu" else DEFAULT_MICRO_BATCH
        useful = min(most, work.step_tokens or most, largest_micro)
        micro = work.micro_batch_tokens or max(useful, text)
    if work.rows:
        kv = work.kv_tokens or max(min(work.wanted_kv_tokens, largest_kv), work.least_kv_tokens)
    # A text above the micro-batch still runs, alone.
    total = demand.total(None if micro is None else max(micro, text), kv)
    return MemoryPlan(
        stage=stage,
        model=shapes.name,
        vram=vram_bytes,
        static=(static := demand.static()),
        rollout=(rollout := demand.rollout(kv) if kv is not None else {}),
        update=(update := demand.update(max(micro, text)) if micro is not None else {}),
        margin=total - sum(static.values()) - max(sum(rollout.values()), sum(update.values())),
        total=total,
        micro_batch_tokens=micro,
        kv_tokens=kv,
        largest_micro_batch=largest_micro,
        largest_kv=largest_kv,
        wanted_kv_tokens=work.wanted_kv_tokens,
        text_tokens=text,
        context=_largest_context(demand, vram_bytes),
        fits=total <= vram_bytes,
        assumed_prompt=work.prompt_tokens if work.assumes_prompt else None,
        note=_note(shapes, config.model),
    )


def largest(need: Callable[[int], int], budget: int, most: int = _MOST_TOKENS) -> int:
    """The largest n up to `most` for which the rising `need(n)` is within `budget`; 0 when not even 1 is."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if need(middle) <= budget else (low, middle - 1)
    return low


def _largest_context(demand: Demand, budget: int) -> int:
    """The longest text that can be trained on, while a whole group of completions so long is decoded together."""
    work = demand.work

    def need(tokens: int) -> int:
        prompt = min(work.prompt_tokens, tokens // 2)
        new = tokens - prompt
        group = min(work.group, work.rows)
        scaled = replace(demand, work=replace(work, prompt_tokens=prompt, new_tokens=new))
        return scaled.total(tokens if work.trains else None, prompt + group * new if work.rows else None)

    return _round(largest(need, budget, demand.shapes.context or _MOST_TOKENS))


def _note(shapes: ModelShapes, model: ModelConfig) -> str:
    if not shapes.has_experts:
        return ""
    # bitsandbytes replaces linear layers, and a stack of experts is none.
    weights = "" if model.quantization == "none" else "experts are not quantized, "
    return f"mixture of experts: {weights}their activations are not counted"


def _round(tokens: int) -> int:
    """Down to a multiple of 64, where there is one."""
    return tokens if tokens < 64 else tokens // 64 * 64


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}" if size < 10 * GIB else f"{size / GIB:.1f}"
