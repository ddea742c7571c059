"""Who sees whom, decided outside the model: the attention of transformers' own modules replaced by ours.

A transformer treats every token alone but in attention. So tokens of many texts can run through a model as one
row, as long as attention is told which of them belong together: that is a `TokenLayout`. It travels as a keyword
through the model's forward pass down to a registered attention function, also through gradient checkpointing.
Without it the model computes as transformers has it.

Legend: N tokens, H query heads, K key-value heads, d head width.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, Protocol

import peft
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from r1kit.models.modes import evaluation_mode
from r1kit.ops.tree_attention import AttentionRule, TreeAttention
from r1kit.ops.trees import Tree, pack_trees

_PREFIX: Final = "r1kit_"
_KEYWORD: Final = "token_layout"


class TokenLayout(Protocol):
    """Attention for a row of tokens."""

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: AttentionRule) -> Tensor:
        """What the tokens gather in layer `layer`: [N, H, d] from `query` [H, N, d], `key`, `value` [K, N, d]."""
        ...


class TreeLayout:
    """Packed trees (`ops.trees`): nothing is remembered from one forward pass to the next."""

    def __init__(self, attention: TreeAttention) -> None:
        self._attention = attention

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: AttentionRule) -> Tensor:
        """See `TokenLayout.attend`."""
        return self._attention(query, key, value, rule)


def forward_with_layout(
    model: PreTrainedModel, input_ids: Tensor, position_ids: Tensor, layout: TokenLayout
) -> Tensor:
    """Last hidden states [N, D] of `model` (without adapter wrapper) for int64 [N] ids and positions."""
    # A mask of four dimensions is passed on as it is, so that transformers builds none; nothing reads it.
    unread = torch.empty((1, 1, 1, 1), device=input_ids.device)
    output = model.base_model(
        input_ids=input_ids[None],
        attention_mask=unread,
        position_ids=position_ids[None],
        use_cache=False,
        **{_KEYWORD: layout},
    )
    hidden: Tensor = output.last_hidden_state[0]
    return hidden


def without_wrapper(model: PreTrainedModel | peft.PeftModel) -> PreTrainedModel:
    """The transformers model below an adapter's wrapper; its layers still carry the adapter."""
    return model.get_base_model() if isinstance(model, peft.PeftModel) else model


def install_layouts(model: PreTrainedModel) -> None:
    """Let `model` understand layouts; without one it goes on computing with the attention it was loaded with."""
    original = getattr(model.config, "_attn_implementation", None)
    if not isinstance(original, str) or original.startswith(_PREFIX):
        return
    name = _PREFIX + original
    AttentionInterface.register(name, _dispatching(original))
    if original in ALL_MASK_ATTENTION_FUNCTIONS:
        AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[original])
    for module in model.modules():
        config = getattr(module, "config", None)
        if config is not None and getattr(config, "_attn_implementation", None) == original:
            config._attn_implementation_internal = name  # noqa: SLF001  # the setter would recurse and re-check


def attention_name(model: PreTrainedModel | peft.PeftModel) -> str:
    """The attention `model` was loaded with, in transformers' word."""
    return str(getattr(model.config, "_attn_implementation", "")).removeprefix(_PREFIX)


def _dispatching(original: str) -> Any:
    """The attention function that follows a layout where there is one, and otherwise computes as `original`."""

    def attention(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kw: Any
    ) -> tuple[Tensor, Tensor | None]:
        layout: TokenLayout | None = kw.pop(_KEYWORD, None)
        if layout is None:
            plain = ALL_ATTENTION_FUNCTIONS.get(original) or _eager_of(module)
            return plain(module, query, key, value, attention_mask, **kw)
        rule = AttentionRule(
            scale=kw.get("scaling") or query.shape[-1] ** -0.5,
            window=kw.get("sliding_window"),
            softcap=kw.get("softcap"),
            dropout=kw.get("dropout") or 0.0,
        )
        return layout.attend(int(module.layer_idx), query[0], key[0], value[0], rule)[None], None  # type: ignore[arg-type]

    return attention


def _eager_of(module: nn.Module) -> Any:
    """transformers keeps one eager attention in the file of each family."""
    return sys.modules[type(module).__module__].eager_attention_forward


def layouts_work(model: PreTrainedModel) -> bool:
    """Whether `model` computes the same with a layout as without one, tried on two short texts.

    False for a model whose attention is not transformers' exchangeable function, or does more than it is told
    (recurrent layers, sinks, windows or chunks that only transformers' own mask knows). The model must hold its
    weights; it is left as it was.
    """
    if not str(getattr(model.config, "_attn_implementation", "")).startswith(_PREFIX):
        return False
    asked: list[AttentionRule] = []
    try:
        with evaluation_mode(model):
            together, alone = _trial(model, asked)
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError):
        return False
    return bool(asked) and _is_told_of_windows(model, asked) and _close(together, alone)


def _trial(model: PreTrainedModel, asked: list[AttentionRule]) -> tuple[Tensor, Tensor]:
    """Hidden states of two texts with one beginning: with a layout, and each text alone without one."""
    device = next(model.parameters()).device
    vocabulary = int(model.config.get_text_config().vocab_size)
    ids = torch.arange(7, device=device) * 131 % vocabulary
    packed = pack_trees([Tree((int(ids[0]),), (tuple(ids[1:4].tolist()), tuple(ids[4:].tolist())))])
    layout = _Recording(TreeAttention(packed.spans, device), asked)
    together = forward_with_layout(model, packed.input_ids.to(device), packed.position_ids.to(device), layout)
    first, second = (
        model.base_model(input_ids=torch.cat([ids[:1], part])[None], use_cache=False).last_hidden_state[0]
        for part in (ids[1:4], ids[4:])
    )
    return together, torch.cat([first, second[1:]])


def _is_told_of_windows(model: PreTrainedModel, asked: Sequence[AttentionRule]) -> bool:
    """Whether layers that see a part of the text say so; the texts of a trial are too short to show it."""
    config = model.config.get_text_config()
    kinds = getattr(config, "layer_types", None) or ()
    if "chunked_attention" in kinds or getattr(config, "attention_chunk_size", None) is not None:
        return False
    if kinds:
        has_window = "sliding_attention" in kinds
    else:
        has_window = getattr(config, "sliding_window", None) is not None
    return not has_window or any(rule.window is not None for rule in asked)


def _close(a: Tensor, b: Tensor) -> bool:
    """Equal up to the rounding of the dtype."""
    tolerance = 1e-3 if a.dtype == torch.float32 else 5e-2
    return a.shape == b.shape and float((a - b).norm()) <= tolerance * float(b.norm())


class _Recording(TreeLayout):
    """Notes what the layers ask for."""

    def __init__(self, attention: TreeAttention, asked: list[AttentionRule]) -> None:
        super().__init__(attention)
        self._asked = asked

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, rule: AttentionRule) -> Tensor:
        """As the tree layout does."""
        self._asked.append(rule)
        return super().attend(layer, query, key, value, rule)
