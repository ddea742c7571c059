"""Which model, how it is loaded, and what of it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from r1kit.config.section import Section, expand_home


class LoraConfig(Section):
    """The low-rank adapter that is trained (Hu et al. 2021)."""

    rank: int = Field(default=32, ge=1, le=1024)
    """Rank r of the update B @ A."""
    alpha: float = Field(default=64.0, gt=0)
    """Scale: the update is multiplied by alpha / r (alpha / sqrt(r) with rank-stabilised scaling)."""
    targets: Literal["all-linear", "attention"] | tuple[str, ...] = "all-linear"
    """Which layers get an adapter: every linear layer but the head, the attention projections, or names."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Dropout on the adapter's input while training; RL recipes use 0."""
    use_rslora: bool = False
    """Rank-stabilised scaling (Kalajdzievski 2023)."""
    use_dora: bool = False
    """Weight-decomposed adaptation (Liu et al. 2024)."""


class ModelConfig(Section):
    """A base model with its precision, quantization and adapter. Every command loads its model from this."""

    path: str = Field(min_length=1)
    """Hub id (`Qwen/Qwen2.5-1.5B`) or local folder of the base model."""
    revision: str | None = None
    """Hub branch, tag or commit; pin a commit for a run that must be repeatable."""
    adapter: Path | None = None
    """Folder of a LoRA adapter to start from; training continues it instead of stacking a second one."""
    quantization: Literal["none", "nf4", "int8"] = "none"
    """Weights of the base in memory: as they are, 4-bit NF4, or 8-bit."""
    use_double_quantization: bool = True
    """Quantize the 4-bit scales as well (QLoRA), saving 0.37 bit a weight."""
    tuning: Literal["lora", "full"] = "lora"
    """Train a LoRA adapter, or every weight of the model."""
    lora: LoraConfig = LoraConfig()
    """The adapter's shape; unused when every weight is trained."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision of weights and computation. auto: bfloat16 on a GPU that has it (not when every weight is
    trained), else float32."""
    device: str = "auto"
    """auto (cuda, then mps, then cpu), or a torch device such as cuda:1."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """Attention implementation; auto leaves the choice to transformers."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third more time."""
    chat_template: str = "auto"
    """auto (the tokenizer's own, else r1), own, r1, r1_zero, or the path of a Jinja file."""

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("path", "chat_template")
    @classmethod
    def _expand_home(cls, value: str) -> str:
        return expand_home(value)

    @field_validator("adapter")
    @classmethod
    def _expand_home_of_adapter(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(expand_home(str(value)))

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if self.tuning == "full" and self.quantization != "none":
            raise ValueError(
                f"quantization {self.quantization!r} cannot be trained in full; "
                'set tuning to "lora" or quantization to "none"'
            )
        if self.tuning == "full" and self.dtype in ("bfloat16", "float16"):
            raise ValueError(
                f'tuning "full" cannot train {self.dtype} weights: most updates are smaller than what they can '
                'hold, and nothing is learned; set dtype to float32 or auto, or tuning to "lora"'
            )
        if self.tuning == "full" and self.adapter is not None:
            raise ValueError('a starting adapter needs tuning "lora"; merge it with `r1kit export` first')
        return self


def means_a_folder(path: str) -> bool:
    """Whether `model.path` can only be local: by its form, or because its first part is a folder here."""
    shaped = path.startswith((".", "~", "/")) or path.count("/") > 1 or path.endswith("/") or "\\" in path
    return shaped or ("/" in path and Path(path).parent.is_dir())
