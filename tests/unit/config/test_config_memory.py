"""Sizes of memory as people write them."""

from __future__ import annotations

import pytest

from r1kit.config.memory import MemoryConfig, parse_size
from r1kit.config.stages import SftConfig


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GB", 24 * 2**30),
        ("24GiB", 24 * 2**30),
        ("8 gb", 8 * 2**30),
        ("7.5GiB", 15 * 2**29),
        ("800MB", 800 * 2**20),
        ("1MiB", 2**20),
    ],
)
def test_a_size_is_a_number_and_a_unit_of_powers_of_two(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert MemoryConfig(vram=text).vram_bytes == size


@pytest.mark.parametrize(
    "text", ["24", "GB", "24 G", "24KB", "-8GB", "1e1GB", "8GB ", "8.GB", "٨GB", 24, True, ""]
)
def test_anything_else_is_a_mistake_that_shows_how(text: object) -> None:
    with pytest.raises(ValueError, match="must be a number and a unit, such as 24GB"):
        MemoryConfig(vram=text)


def test_less_than_a_megabyte_is_no_memory() -> None:
    with pytest.raises(ValueError, match="at least 1MB"):
        parse_size("0.5MB")


def test_every_stage_has_the_memory_to_plan_for_and_none_by_default() -> None:
    config = SftConfig(model="m", output="o", data="d.jsonl")
    assert config.memory.vram_bytes is None
    assert config.batching.micro_batch_tokens is None
