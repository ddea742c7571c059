"""Tiny random models of every family r1kit is tested on, with a tokenizer built on the spot; no downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)
from transformers.utils import logging

FAMILIES: Final = ("qwen2", "qwen3", "llama", "mistral", "gemma2", "gemma3", "phi3", "smollm3")

CHATML: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""A template as Qwen's: turns end with <|im_end|> whatever the tokenizer's EOS is."""

_VOCABULARY: Final = 320
# 64 columns and 128: 4-bit blocks hold 64 values, and the repacking on CPU needs whole ones.
_SHAPE: Final = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": _VOCABULARY,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}


def tiny_config(family: str) -> PreTrainedConfig:
    """The configuration of a two-layer model of `family`: hidden 64, 4 heads, 2 key-value heads."""
    configs = {
        "qwen2": Qwen2Config,
        "qwen3": Qwen3Config,
        "llama": LlamaConfig,
        "mistral": MistralConfig,
        "gemma2": Gemma2Config,
        "gemma3": Gemma3TextConfig,
        "phi3": Phi3Config,
        "smollm3": SmolLM3Config,
    }
    head_dim = {"head_dim": 16} if family in ("qwen3", "gemma2", "gemma3") else {}
    # Sliding windows shorter than the test texts, so that masks of both kinds are met.
    window = {"sliding_window": 16} if family in ("mistral", "gemma2", "gemma3") else {}
    tied = {"tie_word_embeddings": True} if family in ("gemma2", "gemma3", "smollm3") else {}
    return configs[family](**_SHAPE, **head_dim, **window, **tied)


def tiny_tokenizer(
    *,
    eos: str = "<|endoftext|>",
    special: tuple[str, ...] = ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    pad: str | None = None,
    bos: str | None = None,
    chat_template: str | None = None,
) -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 280 entries; with `bos` it puts that token in front of every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    lines = ["User: what is 3+4-5?", "Assistant: <think> 3+4=7, 7-5=2 </think> <answer>2</answer>"]
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=list(dict.fromkeys([*special, *([bos] if bos else [])])),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines * 4, trainer)
    if bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=pad, bos_token=bos)
    fast.chat_template = chat_template
    return fast


def write_tiny_model(
    folder: Path,
    family: str = "qwen2",
    *,
    seed: int = 0,
    tokenizer: PreTrainedTokenizerFast | None = None,
    generation_eos: int | list[int] | None = None,
) -> Path:
    """Write a random model of `family` with its tokenizer into `folder`, and return the folder."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(tiny_config(family))
    model.generation_config = GenerationConfig(eos_token_id=generation_eos)
    model.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    return folder


def random_ids(num_rows: int, length: int, *, seed: int = 0) -> torch.Tensor:
    """Token ids [num_rows, length] drawn from the tiny vocabulary, special tokens left out."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, 270, (num_rows, length), generator=generator)
