"""Which token may look at which, in rows that hold several documents.

B rows, L tokens a row.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def document_mask(
    document_ids: Int[Tensor, "B L"], sliding_window: int | None = None
) -> Bool[Tensor, "B 1 L L"]:
    """True where a query (second last axis) may attend to a key (last axis): the same document, not later.

    `document_ids` is 0 on padding; a padding token sees itself alone, because a query without any key would
    make NaN of its softmax. With `sliding_window` w a query sees at most the last w tokens, itself included.
    """
    position = torch.arange(document_ids.shape[1], device=document_ids.device)
    distance = position[:, None] - position[None, :]
    allowed = distance >= 0
    if sliding_window is not None:
        allowed = allowed & (distance < sliding_window)
    same = document_ids[:, :, None] == document_ids[:, None, :]
    real = document_ids[:, :, None] > 0
    return (same & allowed & (real | (distance == 0)))[:, None]


def packed_attention_mask(
    document_ids: Int[Tensor, "B L"],
    implementation: str,
    dtype: torch.dtype,
    sliding_window: int | None = None,
) -> Tensor | None:
    """The document mask in the form that a transformers attention implementation takes as `attention_mask`.

    "sdpa": the bool mask [B, 1, L, L]. "eager": added to the scores, so 0 or the least number of `dtype` (a
    bool mask would be added as 0 and 1, and mask nothing). "flash_attention_2": None, because it reads the
    documents off `position_ids` that start again at 0, and only in a batch of one row; raises ValueError for
    more rows, and for any other implementation.

    A model with both full and sliding layers (Gemma 2 and 3) takes a dict of two such masks by layer type.
    """
    if implementation == "flash_attention_2":
        if len(document_ids) > 1:
            raise ValueError(
                f"flash_attention_2 keeps documents apart in a batch of one row, not {len(document_ids)}; "
                "give it one packed row at a time"
            )
        return None
    if implementation not in ("sdpa", "eager"):
        raise ValueError(
            f"no packed mask for attention {implementation!r}; use sdpa, eager or flash_attention_2"
        )
    mask = document_mask(document_ids, sliding_window)
    if implementation == "sdpa":
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)
