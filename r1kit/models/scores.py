"""One number a text: what a scalar head says at the text's last token.

Legend: N packed tokens, D hidden, B texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from r1kit.models.hidden import hidden_states
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead
from r1kit.ops.trees import PackedTrees, Tree, pack_trees


def score_trees(policy: Policy, head: ScalarHead, trees: Sequence[Tree]) -> Float[Tensor, " B"]:
    """The score [B], float32, of every completion of `trees`, tree after tree, behind its prompt.

    No completion may be empty. Gradients flow to `policy` and `head` unless disabled outside.
    """
    packed = pack_trees(trees, share=None if policy.follows_layouts else False)
    hidden = hidden_states(policy, packed)
    scores: Tensor = head(hidden[last_tokens(packed).to(hidden.device)])
    return scores


def last_tokens(packed: PackedTrees) -> Int[Tensor, " B"]:
    """The place [B] in the row of each completion's last token; the completions hold at least one token each."""
    trunks = {span.parent for span in packed.spans}
    ends = [span.start + span.length - 1 for number, span in enumerate(packed.spans) if number not in trunks]
    if len(ends) != len(packed.lengths):
        raise ValueError("a completion is empty; the last token of a text needs one to be there")
    return torch.tensor(ends, dtype=torch.int64)
