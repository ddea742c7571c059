"""What a rollout and what an update hold beside the static parts; in bytes by part.

They take turns, so a run needs the larger of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from r1kit.config.model import ModelConfig
from r1kit.models.folding import FOLD_LIMIT_BYTES
from r1kit.models.shapes import ModelShapes, targeted
from r1kit.ops.logprobs import CHUNK_ELEMENTS, CHUNK_TOKENS
from r1kit.training.memory.activations import (
    Layout,
    activation_bytes,
    layout_of,
    passing_bytes,
    working_bytes,
)
from r1kit.training.memory.static import FLOAT32, dtype_bytes, static_parts, trained_parameters
from r1kit.training.memory.workload import Workload

CONTEXT_BYTES: Final = 600 * 2**20
"""What a CUDA context and its libraries take of a card before the first tensor."""
FRAGMENTATION: Final = 0.08
"""The share of all parts that is set aside for gaps between tensors."""
PREFILL_TOKENS: Final = 8192
"""Most tokens of prompts that the native engine reads in one pass."""
_TILES: Final = 3


@dataclass(frozen=True, slots=True)
class Demand:
    """A model, how it is loaded, and what is done with it on a kind of device ("cuda", "cpu")."""

    shapes: ModelShapes
    model: ModelConfig
    work: Workload
    device: str

    @property
    def dtype(self) -> int:
        """Bytes of a number in the computation."""
        return dtype_bytes(self.model, self.device)

    def static(self) -> dict[str, int]:
        """Held all the time."""
        return static_parts(self.shapes, self.model, self.dtype, self.work)

    def update(self, tokens: int) -> dict[str, int]:
        """A forward and backward pass of a micro-batch of `tokens`."""
        work, shapes, model, dtype = self.work, self.shapes, self.model, self.dtype
        completion = max(1, work.text_tokens - work.prompt_tokens)
        layout = layout_of(tokens, work.prompt_tokens, completion, work.group, shapes.window)
        return {
            "gradients": FLOAT32 * trained_parameters(shapes, model),
            "activations": activation_bytes(shapes, model, dtype, tokens, layout),
            "working space": working_bytes(shapes, model, dtype, tokens, layout),
            "logits": _head_bytes(shapes, model, dtype, tokens),
        }

    def rollout(self, kv_tokens: int) -> dict[str, int]:
        """Decoding with room for the keys and values of `kv_tokens`."""
        work, shapes, dtype = self.work, self.shapes, self.dtype
        row = 2 * shapes.kv_heads * shapes.head_dim * dtype
        logit = 3 * FLOAT32 if work.samples_whole else 8 * FLOAT32
        parts = {
            # A layer that grows is held twice for a moment.
            "keys and values": kv_tokens * row * (shapes.layers + 1),
            "working space": self._reading_bytes() + self._weights_of_attention(),
            "logits": work.rows * shapes.vocabulary * logit,
            "folded weights": self._folded_bytes(),
        }
        return {name: size for name, size in parts.items() if size}

    def margin(self, parts: int) -> int:
        """Beside `parts` bytes of tensors."""
        return round(parts * FRAGMENTATION) + (CONTEXT_BYTES if self.device == "cuda" else 0)

    def total(self, update_tokens: int | None, kv_tokens: int | None) -> int:
        """Bytes a run needs with a micro-batch and a KV budget of these tokens; None leaves a phase out."""
        phases = [0]
        phases += [] if update_tokens is None else [sum(self.update(update_tokens).values())]
        phases += [] if kv_tokens is None else [sum(self.rollout(kv_tokens).values())]
        parts = sum(self.static().values()) + max(phases)
        return parts + self.margin(parts)

    def _folded_bytes(self) -> int:
        """The copy of small float32 layers with their adapters folded in that rollouts on a CPU run on."""
        model = self.model
        plain = self.device == "cpu" and self.dtype == FLOAT32 and model.quantization == "none"
        if not plain or "adapter" not in self.static() or model.lora.use_dora:
            return 0
        copied = sum(layer.size for layer in targeted(self.shapes, model.lora)) * FLOAT32
        return copied if copied <= FOLD_LIMIT_BYTES else 0

    def _reading_bytes(self) -> int:
        """Prompts on their way into memory, as many as are read in one pass."""
        work = self.work
        tokens = max(work.prompt_tokens, min(PREFILL_TOKENS, work.prompts * work.prompt_tokens), work.rows)
        layout = Layout(1.0, work.prompt_tokens, is_masked=False)
        return passing_bytes(self.shapes, self.model, self.dtype, tokens, layout)

    def _weights_of_attention(self) -> int:
        """Logits and weights of one layer's attention while a token a row is decoded."""
        work = self.work
        return work.rows * self.shapes.heads * work.text_tokens * (2 * self.dtype + 2 * FLOAT32)


def _head_bytes(shapes: ModelShapes, model: ModelConfig, dtype: int, tokens: int) -> int:
    """Tiles of logits, sums of one chunk, and each token's hidden state with its gradient before and after.

    A head that is trained needs its own gradient a second time until it is added up.
    """
    chunk = min(tokens, CHUNK_TOKENS) * shapes.hidden * 2 * FLOAT32
    head = shapes.vocabulary * shapes.hidden * dtype if model.tuning == "full" else 0
    return _TILES * CHUNK_ELEMENTS * FLOAT32 + chunk + 3 * tokens * shapes.hidden * dtype + head
