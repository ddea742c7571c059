"""Conversations as token ids: what is read, and what is learned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from r1kit.core.errors import DataError
from r1kit.models.policy import Policy
from r1kit.models.texts import text_ids
from r1kit.ops.trees import Tree, tree_slices
from r1kit.tasks.conversations import Conversation
from r1kit.training.forward import TokenBatch, tree_batch


@dataclass(frozen=True, slots=True)
class SftExample:
    """A prompt and the completion that is learned, which ends with the token that ends a turn."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


def tokenize(policy: Policy, conversation: Conversation) -> SftExample:
    """`conversation` with its last turn as the completion; see `models.texts.text_ids`."""
    *before, last = conversation.messages
    ids = text_ids(policy.tokenizer, policy.eos_token_ids[0], before, last.content)
    return SftExample(ids.prompt_ids, ids.completion_ids)


def tokenize_all(
    policy: Policy, conversations: Iterable[Conversation], max_length: int, source: str
) -> tuple[list[SftExample], int]:
    """All examples of at most `max_length` tokens that fit the model's context, and how many were longer and left out.

    Raises:
        DataError: none is left.
    """
    examples = [tokenize(policy, conversation) for conversation in conversations]
    longest, limit = policy.longest_text(max_length)
    kept = [example for example in examples if len(example) <= longest]
    if not kept:
        shortest = min(map(len, examples))
        raise DataError(f"{source}: every text is longer than {limit}; the shortest has {shortest} tokens")
    return kept, len(examples) - len(kept)


def token_batches(policy: Policy, examples: Sequence[SftExample], max_tokens: int) -> list[TokenBatch]:
    """One optimizer update's examples as micro-batches of `max_tokens`; every example is in exactly one."""
    trees = [Tree(example.prompt_ids, (example.completion_ids,)) for example in examples]
    slices = tree_slices(trees, max_tokens)
    return [tree_batch(policy, [trees[number] for number, _ in piece]) for piece in slices]
