"""How completions are drawn, and how many at once."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from r1kit.config.section import Section


class SamplingConfig(Section):
    """The distribution each token is drawn from. Filters apply in this order: top-k, top-p, min-p."""

    temperature: float = Field(default=1.0, ge=0.0, le=10.0)
    """Divides the logits; 0 takes the most likely token (greedy)."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Keep the smallest set of tokens whose probability reaches this; 1 keeps all."""
    top_k: int = Field(default=0, ge=0)
    """Keep this many most likely tokens; 0 keeps all."""
    min_p: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Keep tokens at least this likely relative to the most likely one; 0 keeps all."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """A completion that reaches this many tokens is cut off and counted as truncated."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion, besides the end-of-sequence tokens; they stay in its text."""


class EngineConfig(Section):
    """What runs the sampling."""

    kind: Literal["auto", "native", "transformers"] = "auto"
    """native: r1kit's own engine; transformers: a plain loop over the model's forward pass; auto: native where
    the model allows it."""
    batch_size: int = Field(default=64, ge=1)
    """Most completions decoded at the same time."""
    kv_tokens: int | None = Field(default=None, ge=1)
    """Most tokens whose keys and values are held at once, prompts included (native engine); when left out, the
    memory plan decides."""
    cuda_graphs: bool = False
    """Record decoding as CUDA graphs and replay it (native engine, CUDA only)."""
