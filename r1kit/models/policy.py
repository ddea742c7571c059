"""A model ready to sample, train and save: what every command works with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import peft
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from r1kit.config.model import ModelConfig
from r1kit.core.errors import ModelError
from r1kit.core.problem import Message
from r1kit.models.adapter import POLICY_ADAPTER, REFERENCE_ADAPTER, REWARD_ADAPTERS
from r1kit.models.folder import whole_folder
from r1kit.models.lineage import Lineage
from r1kit.models.modes import evaluation_mode
from r1kit.models.quantization import num_elements
from r1kit.models.quiet import quiet_libraries
from r1kit.models.reference import Reference
from r1kit.models.tokenizer import render_chat
from r1kit.models.weights import save_weights


@dataclass(frozen=True)
class Policy:
    """A model with its tokenizer, what ends its completions, and what it descends from.

    `model(input_ids [B, T], attention_mask, position_ids, past_key_values, use_cache, logits_to_keep)` returns
    an object with `.logits [B, T or logits_to_keep, V]` in the computation dtype. `eos_token_ids` holds every
    id that ends a completion; `pad_token_id` is none of them where the tokenizer has another special token.
    """

    model: PreTrainedModel | peft.PeftModel
    tokenizer: PreTrainedTokenizerBase
    config: ModelConfig
    device: torch.device
    dtype: torch.dtype
    eos_token_ids: tuple[int, ...]
    pad_token_id: int
    lineage: Lineage
    reference_state: Reference | None = field(default=None, repr=False)
    follows_layouts: bool = False
    """Whether the model takes its attention from a `layouts.TokenLayout`."""

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The parameters an optimizer updates, in the model's order; empty when loaded with train=False."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    @property
    def saved_as(self) -> str:
        """Name of the folder in a run that `save` writes: "adapter", or "model" under full tuning."""
        return "adapter" if self.config.tuning == "lora" else "model"

    @property
    def context_length(self) -> int | None:
        """Most tokens of prompt and completion together; None when the model's config names no limit."""
        length: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return length

    def longest_text(self, max_length: int) -> tuple[int, str]:
        """Most tokens of a text that `max_length` and the context allow, and which of them it is, in words."""
        context = self.context_length
        if context is not None and context < max_length:
            return context, f"the model's context of {context} tokens"
        return max_length, f"max_length {max_length}"

    @property
    def num_parameters(self) -> int:
        """How many numbers base and trained adapter hold; a 4-bit weight counts as one."""
        others = (f".{REFERENCE_ADAPTER}.", f".{REWARD_ADAPTERS}")
        return sum(
            num_elements(value)
            for name, value in self.model.named_parameters()
            if not any(mark in name for mark in others)
        )

    @property
    def num_trainable(self) -> int:
        """How many of them are trained."""
        return sum(parameter.numel() for parameter in self.trainable_parameters())

    @contextmanager
    def reference(self) -> Iterator[None]:
        """Inside, `model` computes as this policy did when it was loaded: frozen, without gradient or dropout.

        Raises ModelError when the policy was loaded without a reference.
        """
        if self.reference_state is None:
            raise ModelError("the policy was loaded without a reference; load it with with_reference=True")
        with evaluation_mode(self.model), self.reference_state.active():
            yield

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Inside, `model` is ready for rollouts: no gradient, no dropout, no checkpointing, with cache.

        On exit every module is in the mode it was in. See `modes.evaluation_mode`.
        """
        with evaluation_mode(self.model):
            yield

    def render(
        self, messages: Sequence[Message], add_generation_prompt: bool = True
    ) -> tuple[str, tuple[int, ...]]:
        """A conversation through the chat template: text and token ids. See `tokenizer.render_chat`."""
        return render_chat(self.tokenizer, messages, add_generation_prompt)

    def save(self, folder: Path, *, stage: str | None = None, seed: int = 0) -> None:
        """Write the trained adapter (or all weights under full tuning), tokenizer and lineage to `folder`.

        The folder appears whole or not at all. With `stage` the lineage gains that stage. An adapter folder
        can be `model.adapter` of a later run, a full one `model.path`. Raises as `folder.whole_folder`.
        """
        lineage = self.lineage if stage is None else self.lineage.with_stage(stage, seed)
        with whole_folder(folder) as partial, quiet_libraries():
            if isinstance(self.model, peft.PeftModel):
                # save_embedding_layers: peft would otherwise ask the hub how large the vocabulary was.
                self.model.save_pretrained(
                    partial, selected_adapters=[POLICY_ADAPTER], save_embedding_layers=False
                )
                (partial / "README.md").unlink(missing_ok=True)
            else:
                save_weights(self.model, partial)
            self.tokenizer.save_pretrained(partial)
            lineage.write(partial)
