"""The tiny tokenizer: byte-level BPE of 384 entries with one token for each number from 0 to 20.

How text is cut before merging decides whether the same number is the same token everywhere:

- a number from 0 to 20 is a piece of its own, whatever stands around it: one token in `+7`, ` 7` and `>7`;
- a newline is a piece of its own, so nothing merges across the end of the prompt, "Assistant:" and a newline;
- a word takes the space after it, not the one before it: "first " is one token and leaves the number alone;
- each think/answer tag is a piece, and any other character stands alone.

Every byte has an entry, so any text survives a round trip.
"""

from __future__ import annotations

import itertools
import random
from typing import Final

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from r1kit.tasks.arithmetic.chains import MAX_VALUE
from r1kit.tasks.arithmetic.corpus import END, documents

VOCAB_SIZE: Final = 384
PAD: Final = "<|pad|>"
_TRAINING_DOCUMENTS: Final = 20_000
_PIECES: Final = Regex(
    r"</?(?:think|answer)>|User: |Assistant:|1[0-9]|20|[0-9]|\n|\p{Han}+ ?|[\p{L}&&\P{Han}]+ ?|[\s\S]"
)


def build_tokenizer(seed: int, max_length: int) -> PreTrainedTokenizerFast:
    """The tokenizer, merges learned from documents of the corpus; the same for the same seed."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = itertools.islice(documents(random.Random(seed)), _TRAINING_DOCUMENTS)
    tokenizer.train_from_iterator((text.removesuffix(END) for text in texts), trainer)
    _check_numbers(tokenizer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def _check_numbers(tokenizer: Tokenizer) -> None:
    split = [number for number in range(MAX_VALUE + 1) if len(tokenizer.encode(str(number)).ids) != 1]
    if split:
        raise ValueError(f"these numbers need more than one token: {split}; train on more documents")
