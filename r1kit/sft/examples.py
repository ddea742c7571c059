"""Conversations as token ids: what is read, and what is learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from r1kit.config.stages import SftConfig
from r1kit.core.errors import DataError
from r1kit.models.policy import Policy
from r1kit.ops.micro_batches import micro_batches
from r1kit.ops.packing import pack_flags, pack_rows, pack_sequences
from r1kit.rewards.reasoning import THINK_OPEN
from r1kit.rollout.prompts import opened_reasoning
from r1kit.tasks.conversations import Conversation
from r1kit.training.forward import TokenBatch


@dataclass(frozen=True, slots=True)
class SftExample:
    """A prompt and the completion that is learned, which ends with the token that ends a turn."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def tokenize(policy: Policy, conversation: Conversation) -> SftExample:
    """`conversation` with its last turn as the completion.

    The completion is tokenized apart from the prompt, as it is when the model writes it, and not through the
    chat template: several templates drop the reasoning from assistant turns.
    """
    *before, last = conversation.messages
    prompt, prompt_ids = policy.render(before)
    content = last.content
    opened = opened_reasoning(prompt)
    if opened:
        # The template has opened the reasoning already; the model goes on from there.
        content = content.removeprefix(opened if content.startswith(opened) else THINK_OPEN)
    completion_ids = policy.tokenizer(content, add_special_tokens=False)["input_ids"]
    return SftExample(prompt_ids, (*completion_ids, policy.eos_token_ids[0]))


def tokenize_all(
    policy: Policy, conversations: Iterable[Conversation], max_length: int, source: str
) -> tuple[list[SftExample], int]:
    """All examples of at most `max_length` tokens, and how many were longer and left out.

    Raises:
        DataError: none is left.
    """
    examples = [tokenize(policy, conversation) for conversation in conversations]
    kept = [example for example in examples if len(example) <= max_length]
    if not kept:
        shortest = min(map(len, examples))
        raise DataError(
            f"{source}: every text is longer than max_length {max_length}; the shortest has {shortest} tokens"
        )
    return kept, len(examples) - len(kept)


def token_batches(examples: Sequence[SftExample], config: SftConfig, pad_id: int) -> list[TokenBatch]:
    """One optimizer update's examples as micro-batches; every example is in exactly one."""
    rows = _share_rows([len(example) for example in examples], config)
    lengths = [sum(len(examples[i]) for i in row) for row in rows]
    slices = micro_batches(lengths, config.batching.micro_batch_tokens)
    return [_token_batch(examples, [rows[i] for i in indices], pad_id) for indices in slices]


def _share_rows(lengths: Sequence[int], config: SftConfig) -> list[list[int]]:
    """Which examples share a row: packed up to the longest row that fits a micro-batch, or one each."""
    if not config.packing:
        return [[index] for index in range(len(lengths))]
    return pack_sequences(lengths, max(*lengths, min(config.max_length, config.batching.micro_batch_tokens)))


def _token_batch(examples: Sequence[SftExample], rows: Sequence[Sequence[int]], pad_id: int) -> TokenBatch:
    sequences = [[*example.prompt_ids, *example.completion_ids] for example in examples]
    flags = [[False] * len(e.prompt_ids) + [True] * len(e.completion_ids) for e in examples]
    packed = pack_rows(sequences, rows, pad_id)
    return TokenBatch(packed.input_ids, packed.position_ids, pack_flags(flags, rows))
