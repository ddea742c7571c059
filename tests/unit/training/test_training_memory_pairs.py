"""The memory plan of reward-model training: the two texts of a pair are in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r1kit.config.reward_model import RewardModelConfig
from r1kit.training.memory.workload import workload_of


def config(**fields: Any) -> RewardModelConfig:
    return RewardModelConfig(model="unread", output=Path("out"), data="pairs.jsonl", **fields)


@pytest.mark.parametrize(("context", "longest"), [(None, 300), (4096, 300), (128, 128)])
def test_a_micro_batch_holds_at_least_a_pair(context: int | None, longest: int) -> None:
    work = workload_of(config(max_length=300, batch_size=4), context)
    assert work.text_tokens == 2 * longest
    assert work.step_tokens == 4 * 2 * longest
    assert work.trains
    assert work.rows == 0
