"""Models that write code: each word of their vocabulary is a whole block, so that a random one writes programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tiny_models import tiny_config
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import logging

EOS = "<|endoftext|>"
PROSE = "No idea.\n"
"""A word of every model's, which also stands for each word of a prompt that it does not know."""


def block(code: str) -> str:
    """Code as a fenced block, with a line end behind it."""
    return f"```python\n{code.rstrip()}\n```\n"


def write_code_model(folder: Path, words: Sequence[str], *, seed: int = 0) -> Path:
    """Write a random model whose completions are sequences of PROSE and `words` into `folder`; return the folder."""
    vocabulary = {word: number for number, word in enumerate([EOS, PROSE, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PROSE))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=EOS, unk_token=PROSE, clean_up_tokenization_spaces=False
    )
    # A family whose tokenizer is loaded as it was saved; that of qwen2 would be made into one of bytes.
    config = tiny_config("qwen3")
    config.vocab_size = len(vocabulary)
    config.max_position_embeddings = 2048
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    model.generation_config = GenerationConfig(eos_token_id=0)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
    return folder
