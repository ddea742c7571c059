"""Log-probabilities of the trained tokens of a batch, without logits of any other position.

Legend: N packed tokens, M trained tokens, B completions, T the longest one's tokens, D hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.models.hidden import hidden_states
from r1kit.models.logprobs import head_logprobs
from r1kit.models.policy import Policy
from r1kit.ops.logprobs import TokenScores
from r1kit.ops.trees import PackedTrees, Tree, pack_trees


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Prompts and completions as one row of tokens; the completions are what is trained."""

    packed: PackedTrees

    @property
    def num_tokens(self) -> int:
        """Trained tokens in the batch (M)."""
        return len(self.packed.targets)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Trained tokens of each completion, tree after tree; their sum is M."""
        return self.packed.lengths


def tree_batch(policy: Policy, trees: Sequence[Tree]) -> TokenBatch:
    """`trees` in one batch; a prompt is shared by its completions where the model can and it pays."""
    return TokenBatch(pack_trees(trees, share=None if policy.follows_layouts else False))


def trained_logprobs(
    policy: Policy, batch: TokenBatch, *, temperature: float = 1.0, with_entropy: bool = False
) -> TokenScores:
    """Log-probabilities [M], float32, of the completion tokens, tree after tree, from left to right.

    They are of the distribution at `temperature`; gradients flow to the policy unless disabled outside. With
    `with_entropy` the entropy of each of these distributions comes with them.
    """
    hidden = trained_hidden(policy, batch)
    return hidden_logprobs(policy, hidden, batch, temperature=temperature, with_entropy=with_entropy)


def trained_hidden(policy: Policy, batch: TokenBatch) -> Tensor:
    """Last hidden states [M, D] before each trained token: what its log-probability and its value are made from."""
    return hidden_states(policy, batch.packed)[batch.packed.sources.to(policy.device)]


def hidden_logprobs(
    policy: Policy,
    hidden: Tensor,
    batch: TokenBatch,
    *,
    temperature: float = 1.0,
    with_entropy: bool = False,
) -> TokenScores:
    """As `trained_logprobs`, from the `hidden` states [M, D] of `trained_hidden`."""
    targets = batch.packed.targets.to(policy.device)
    return head_logprobs(policy, hidden, targets, temperature, with_entropy=with_entropy)


def unflatten(values: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Values [M] of completions of `lengths` (sum M) as a matrix [B, T] padded with 0, and its mask bool [B, T].

    Completions without a trained token have empty rows; T is at least 1.
    """
    width = max([1, *lengths])
    counts = torch.tensor(lengths, device=values.device)[:, None]
    mask = torch.arange(width, device=values.device)[None] < counts
    return values.new_zeros(mask.shape).masked_scatter(mask, values), mask
