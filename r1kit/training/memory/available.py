"""How much memory there is, and how a process is kept to less."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]
import torch

from r1kit.config.memory import MemoryConfig
from r1kit.core.errors import EnvironmentError_
from r1kit.training.memory.phases import CONTEXT_BYTES

_SHARE: Final = 0.8
"""Of a machine's free memory, what a run plans for; other programs live there too."""
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_USED: Final = Path("/sys/fs/cgroup/memory.current")


def memory_for(config: MemoryConfig, device: torch.device, held: int = 0) -> int:
    """Bytes to plan for on `device`, of which the caller's tensors on it already take `held`.

    `memory.vram` where it is given, but on CUDA no more than there is; else what is free and what is held.
    Without a GPU a fifth of what is free is left to others.
    """
    given = config.vram_bytes
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # The plan counts the context too, and here it exists already.
        room = free + torch.cuda.memory_reserved(device) + CONTEXT_BYTES
        return room if given is None else min(given, room)
    return given if given is not None else int(_SHARE * free_memory_of_machine()) + held


def free_memory_of_machine() -> int:
    """Bytes that programs can still take, within the limit of the container, if there is one."""
    available: int = psutil.virtual_memory().available
    try:
        room = int(_LIMIT.read_text(encoding="ascii")) - int(_USED.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return available
    return max(0, min(available, room))


def cap_memory(config: MemoryConfig, device: torch.device) -> None:
    """Keep the tensors of this process on a CUDA device to `memory.vram`, its context counted; else do nothing.

    Called before weights are loaded, so that a card of that size is what the whole run sees.

    Raises:
        EnvironmentError_: `memory.vram` does not even hold the context.
    """
    given = config.vram_bytes
    if given is None or device.type != "cuda":
        return
    if given <= CONTEXT_BYTES:
        raise EnvironmentError_(
            f"memory.vram {config.vram}: CUDA itself takes {CONTEXT_BYTES >> 20} MiB; give more"
        )
    _, total = torch.cuda.mem_get_info(device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, (given - CONTEXT_BYTES) / total), device)
