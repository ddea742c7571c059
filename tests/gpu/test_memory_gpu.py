"""The memory plan on a CUDA device: the cap holds, what is free is seen, and the worst case is proven."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from r1kit.config.memory import MemoryConfig
from r1kit.training.memory.available import cap_memory, memory_for
from r1kit.training.memory.prove import prove

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


@pytest.fixture
def device() -> Iterator[torch.device]:
    yield torch.device("cuda", 0)
    torch.cuda.set_per_process_memory_fraction(1.0, 0)
    torch.cuda.empty_cache()


def test_a_cap_is_the_most_that_tensors_take(device: torch.device) -> None:
    cap_memory(MemoryConfig(vram="2GB"), device)
    torch.empty(2**30, dtype=torch.uint8, device=device)
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(2**31, dtype=torch.uint8, device=device)


def test_a_worst_case_above_the_cap_is_halved_until_it_fits(device: torch.device) -> None:
    cap_memory(MemoryConfig(vram="2GB"), device)

    def forward_backward(tokens: int) -> None:
        torch.empty(tokens * 2**20, dtype=torch.uint8, device=device)

    assert prove(forward_backward, 4096, [].append) == 1024


def test_what_is_free_and_what_is_held_is_planned_for(device: torch.device) -> None:
    torch.empty(1, device=device)
    _, total = torch.cuda.mem_get_info(device)
    before = memory_for(MemoryConfig(), device)
    held = torch.empty(2**30, dtype=torch.uint8, device=device)
    assert abs(memory_for(MemoryConfig(), device) - before) < 2**26
    assert before <= total + 2**30
    assert memory_for(MemoryConfig(vram="1GB"), device) == 2**30
    del held
