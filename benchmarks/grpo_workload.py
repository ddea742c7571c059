"""What both sides of the GRPO benchmark are given: one model, one adapter, one list of prompts, one reward.

Everything is random and made on the spot from a seed; nothing is downloaded. The model is a Qwen2 with tied
embeddings. One dimension of its residual stream is the same for every token and no layer writes to it, so that
the EOS row of the embedding can raise the EOS logit everywhere by the same amount: completions end with about the
same probability at each token and their lengths spread.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import peft
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.utils import logging

EOS: Final = 0
PAD: Final = 1
EOS_TEXT: Final = "<|endoftext|>"
PAD_TEXT: Final = "<|pad|>"

WARM_UP_TOKENS: Final = 16
"""Longest completion of the first step, which is not measured."""

_CONSTANT: Final = 1.0
"""What every embedding holds in dimension 0."""
_ADAPTER_STD: Final = 0.02
_POSITIONS_MEASURED: Final = 512


@dataclass(frozen=True, slots=True)
class Workload:
    """Sizes of the model and of a step, and the settings both sides share.

    `mean_tokens` is the mean of the geometric distribution that completion lengths follow before `max_new_tokens`
    cuts them; 0 makes EOS unreachable, so that every completion has `max_new_tokens`.
    """

    hidden: int = 256
    intermediate: int = 1024
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 32_000
    lora_rank: int = 16
    prompts_per_step: int = 4
    group_size: int = 8
    min_prompt: int = 64
    max_prompt: int = 256
    max_new_tokens: int = 256
    mean_tokens: float = 128.0
    beta: float = 0.04
    learning_rate: float = 1e-5
    clip: float = 0.2

    def dumps(self) -> str:
        """The fields as JSON, for the command line of a child process."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Workload:
        """The workload that `dumps` wrote."""
        return cls(**json.loads(text))


QUICK: Final = Workload(
    hidden=32,
    intermediate=64,
    layers=2,
    heads=2,
    kv_heads=1,
    vocabulary=320,
    lora_rank=4,
    prompts_per_step=2,
    group_size=4,
    min_prompt=4,
    max_prompt=12,
    max_new_tokens=16,
    mean_tokens=8.0,
)
"""Sizes for a look at the harness; its figures say nothing."""


def write_inputs(folder: Path, workload: Workload, seed: int) -> tuple[Path, Path]:
    """Write model, tokenizer and adapter of `seed` under `folder`; the paths of model and adapter."""
    logging.disable_progress_bar()
    model_path, adapter_path = folder / f"model-{seed}", folder / f"adapter-{seed}"
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = biased_model(workload)
        model.save_pretrained(model_path)
        word_tokenizer(workload.vocabulary).save_pretrained(model_path)
        model.name_or_path = str(model_path)
        with warnings.catch_warnings():
            # peft asks for an attribute by its old name.
            warnings.simplefilter("ignore", FutureWarning)
            adapted = peft.get_peft_model(model, _lora(workload))
        # A fresh B is 0: the adapter would do nothing, and A would get no gradient.
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=_ADAPTER_STD)
        adapted.save_pretrained(adapter_path, save_embedding_layers=False)
    return model_path, adapter_path


def _lora(workload: Workload) -> peft.LoraConfig:
    return peft.LoraConfig(
        r=workload.lora_rank,
        lora_alpha=2 * workload.lora_rank,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )


def biased_model(workload: Workload) -> Qwen2ForCausalLM:
    """A random model in float32 whose EOS comes as often as `workload.mean_tokens` says."""
    config = Qwen2Config(
        hidden_size=workload.hidden,
        intermediate_size=workload.intermediate,
        num_hidden_layers=workload.layers,
        num_attention_heads=workload.heads,
        num_key_value_heads=workload.kv_heads,
        vocab_size=workload.vocabulary,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        eos_token_id=EOS,
        pad_token_id=PAD,
        bos_token_id=None,
    )
    model = Qwen2ForCausalLM(config).eval()
    model.generation_config = GenerationConfig(eos_token_id=EOS, pad_token_id=PAD)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = _CONSTANT
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        hazard = 1 / workload.mean_tokens if workload.mean_tokens else 1e-30
        model.model.embed_tokens.weight[EOS, 0] += _eos_offset(model, hazard)
    return model


@torch.no_grad()
def _eos_offset(model: Qwen2ForCausalLM, hazard: float) -> float:
    """What to add to the EOS row's dimension 0, so that random text is followed by EOS with probability `hazard`."""
    vocabulary = model.config.vocab_size
    ids = torch.randint(PAD + 1, vocabulary, (1, _POSITIONS_MEASURED))
    hidden = model.model(ids).last_hidden_state[0]
    logits = model.lm_head(hidden).double()
    others = torch.logsumexp(logits[:, PAD + 1 :], dim=-1)
    wanted = math.log(hazard / (1 - hazard)) + others - logits[:, EOS]
    return float((wanted / hidden[:, 0].double()).mean())


@dataclass(frozen=True, slots=True)
class Words:
    """A byte-level vocabulary: EOS, padding, the 256 bytes, then Chinese and Korean characters and their beginnings.

    Attributes:
        entries: the id of each entry, written as byte-level BPE writes bytes.
        merges: what makes characters of bytes. Nothing joins two characters, so a text has one token a character.
        characters: the character of each id that stands for a whole one.
    """

    entries: dict[str, int]
    merges: list[tuple[str, str]]
    characters: dict[int, str]


@functools.cache
def words(vocabulary: int) -> Words:
    """The vocabulary of so many entries."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    found = Words({text: index for index, text in enumerate([EOS_TEXT, PAD_TEXT, *alphabet])}, [], {})
    for character in map(chr, (*range(0x4E00, 0xA000), *range(0xAC00, 0xD7A4))):
        first, second, third = _as_bytes(character)
        if first + second not in found.entries:
            found.entries[first + second] = len(found.entries)
            found.merges.append((first, second))
        if len(found.entries) >= vocabulary:
            break
        found.characters[len(found.entries)] = character
        found.entries[first + second + third] = len(found.entries)
        found.merges.append((first + second, third))
    return found


def _as_bytes(character: str) -> str:
    """The UTF-8 bytes of `character` as byte-level BPE writes them, one printable letter a byte."""
    (text, _), *_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(
        character
    )
    return str(text)


def word_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """The tokenizer over `words`. It is a byte-level BPE because transformers reads any Qwen2's as one."""
    found = words(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=found.entries, merges=found.merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS_TEXT, pad_token=PAD_TEXT)


def prompt_ids(workload: Workload, seed: int, num_steps: int) -> list[list[tuple[int, ...]]]:
    """The prompts of each step: random characters, lengths uniform between the workload's two."""
    generator = torch.Generator().manual_seed(seed)
    return [
        [_random_prompt(workload, generator) for _ in range(workload.prompts_per_step)]
        for _ in range(num_steps)
    ]


def _random_prompt(workload: Workload, generator: torch.Generator) -> tuple[int, ...]:
    length = _randint(workload.min_prompt, workload.max_prompt + 1, 1, generator)[0]
    ids = list(words(workload.vocabulary).characters)
    return tuple(ids[index] for index in _randint(0, len(ids), length, generator))


def _randint(low: int, high: int, count: int, generator: torch.Generator) -> list[int]:
    """`count` whole numbers from `low` to `high` - 1."""
    drawn: list[int] = torch.randint(low, high, (count,), generator=generator).tolist()
    return drawn


def text_of(workload: Workload, ids: Sequence[int]) -> str:
    """The text that the tokenizer reads as the prompt `ids`."""
    characters = words(workload.vocabulary).characters
    return "".join(characters[index] for index in ids)


def even_share(ids: Sequence[int]) -> float:
    """The reward: the share of even token ids, so that hardly any two completions of a group have the same."""
    return sum(index % 2 == 0 for index in ids) / max(len(ids), 1)
