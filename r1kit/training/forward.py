"""Log-probabilities of the trained tokens of a batch, without logits of any other position.

Legend: R rows, L row length, N trained tokens in all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from r1kit.models.logprobs import head_logprobs, hidden_states
from r1kit.models.policy import Policy


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Rows of token ids with the positions that are trained.

    Each row holds one text padded at its end, or several packed texts whose `position_ids` start again at 0.
    There is no attention mask: attention is causal, padding comes after everything that counts, and where
    positions start again the model keeps the texts apart.

    Attributes:
        input_ids: int64 [R, L].
        position_ids: int64 [R, L].
        trained: bool [R, L], True where the token at that place is predicted and learned; never a text's first.
    """

    input_ids: Tensor
    position_ids: Tensor
    trained: Tensor

    @property
    def num_tokens(self) -> int:
        """Trained tokens in the batch (N)."""
        return int(self.trained.sum())


def trained_logprobs(policy: Policy, batch: TokenBatch, *, temperature: float = 1.0) -> Tensor:
    """Log-probabilities [N], float32, of the trained tokens, row after row, from left to right.

    They are of the distribution at `temperature`; gradients flow to the policy unless disabled outside.
    """
    batch_ids = batch.input_ids.to(policy.device)
    trained = batch.trained.to(policy.device)
    hidden = hidden_states(policy, batch_ids, batch.position_ids.to(policy.device))
    rows, places = trained.nonzero(as_tuple=True)
    return head_logprobs(policy, hidden[rows, places - 1], batch_ids[rows, places], temperature)


def unflatten(values: Tensor, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Values [N] of texts of `lengths` (sum N) as a matrix [B, T] padded with 0, and its mask bool [B, T].

    Texts without a trained token have empty rows; T is at least 1.
    """
    width = max([1, *lengths])
    mask = (
        torch.arange(width, device=values.device)[None] < torch.tensor(lengths, device=values.device)[:, None]
    )
    return values.new_zeros(mask.shape).masked_scatter(mask, values), mask
