"""Telling that the memory ran out, and giving back what is no longer used."""

from __future__ import annotations

import gc
from typing import Final

import torch

from r1kit.core.errors import R1KitError

_SIGNS: Final = (
    "can't allocate memory",
    "not enough memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What errors say that are no `OutOfMemoryError`: those of the allocator on the CPU and of CUDA's libraries."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that an allocation failed, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    said = str(error)
    return (
        isinstance(error, RuntimeError)
        and not isinstance(error, R1KitError)
        and any(sign in said for sign in _SIGNS)
    )


def free_memory() -> None:
    """Give back what nobody refers to any more, on the device too."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
