"""Hidden states of many texts at once, without a token of padding where the model allows it.

Legend: N packed tokens, D hidden, R texts, L the longest one's length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from r1kit.models.layouts import TreeLayout, forward_with_layout, without_wrapper
from r1kit.models.policy import Policy
from r1kit.ops.tree_attention import TreeAttention
from r1kit.ops.trees import PackedTrees


def hidden_states(policy: Policy, packed: PackedTrees) -> Tensor:
    """Last hidden states [N, D] of `packed`, adapter applied; gradients flow unless disabled outside.

    A model that does not follow layouts takes trees only when they were packed without shared prompts.
    """
    if not policy.follows_layouts:
        return _in_rows(policy, packed)
    device = policy.device
    layout = TreeLayout(TreeAttention(packed.spans, device))
    return forward_with_layout(
        without_wrapper(policy.model), packed.input_ids.to(device), packed.position_ids.to(device), layout
    )


def _in_rows(policy: Policy, packed: PackedTrees) -> Tensor:
    """The same with a row a text, padded on its right; causal attention never looks there."""
    if any(span.parent is not None for span in packed.spans):
        raise ValueError(
            "trees with shared prompts need a model that follows layouts; pack them with share=False"
        )
    width = max(span.length for span in packed.spans)
    input_ids = torch.full((len(packed.spans), width), policy.pad_token_id)
    for row, span in zip(input_ids, packed.spans, strict=True):
        row[: span.length] = packed.input_ids[span.start : span.start + span.length]
    position_ids = torch.arange(width).expand_as(input_ids)
    hidden: Tensor = (
        without_wrapper(policy.model)
        .base_model(
            input_ids=input_ids.to(policy.device),
            attention_mask=torch.ones_like(input_ids).to(policy.device),
            position_ids=position_ids.to(policy.device),
            use_cache=False,
        )
        .last_hidden_state
    )
    return torch.cat([row[: span.length] for row, span in zip(hidden, packed.spans, strict=True)])
