"""Where a model lives and in which precision."""

from __future__ import annotations

import os
from typing import Final

import torch

from r1kit.core.errors import ConfigError, EnvironmentError_

_SMALL: Final = 5_000_000


def resolve_device(name: str) -> torch.device:
    """The device called `name`; "auto" is cuda, else mps, else cpu.

    Raises ConfigError for a word torch does not know, EnvironmentError_ for a device that is not there.
    """
    if name == "auto":
        return torch.device(_best_device())
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"model.device {name!r} is not a device; use auto, cpu, mps, cuda or cuda:N"
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise EnvironmentError_(
            f"model.device {name!r}: torch sees {torch.cuda.device_count()} CUDA devices; use auto or cpu"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise EnvironmentError_(f"model.device {name!r}: this machine has no mps device; use auto or cpu")
    return device


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype called `name`; "auto" is bfloat16 on a CUDA device that computes in it, else float32.

    On CPUs bfloat16 saves memory but is slower than float32, so "auto" never takes it there.
    """
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name != "auto":
        return named[name]
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float32


def fit_threads(num_parameters: int, device: torch.device) -> str:
    """Let a small model on CPU compute in one thread; what was decided, in words (empty: nothing).

    Under a few million parameters a second thread gains nothing (measured on 2 cores), and where another
    program holds a core the threads wait for each other at every small operation: a run takes many times as
    long. OMP_NUM_THREADS, when set, is left alone.
    """
    if device.type != "cpu" or num_parameters > _SMALL or "OMP_NUM_THREADS" in os.environ:
        return ""
    torch.set_num_threads(1)
    return ", 1 thread (small model)"
