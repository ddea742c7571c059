"""Runs of SFT that are out of memory on the way end as those that are not."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_sft_loop import lines, make_config

import r1kit.training.forward
from r1kit.sft import run

STEPS = 3


@pytest.fixture(autouse=True, scope="module")
def frozen() -> Iterator[None]:
    """What is alive already is kept out of the garbage collector's way, which runs at each recovery."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def failing(patch: pytest.MonkeyPatch, owner: Any, name: str, calls: set[int]) -> list[int]:
    """Make the calls with these numbers raise torch's own error before they begin; the numbers that did."""
    real, counted, raised = getattr(owner, name), [0], []

    def guarded(*args: Any, **kwargs: Any) -> Any:
        counted[0] += 1
        if counted[0] in calls:
            raised.append(counted[0])
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(*args, **kwargs)

    patch.setattr(owner, name, guarded)
    return raised


def trained(output: Path) -> dict[str, torch.Tensor]:
    run(make_config(output, steps=STEPS))
    return load_file(output / "adapter/adapter_model.safetensors")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sft") / "calm"
    trained(output)
    return output


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (r1kit.training.forward, "head_logprobs", {1}),
        (r1kit.training.forward, "head_logprobs", {2, 3}),
        (torch.Tensor, "backward", {2, 4}),
        (torch.nn.utils, "clip_grad_norm_", {2, 3}),
        (torch, "_fused_adamw_", {1, 3}),
    ],
)
def test_weights_and_losses_are_those_of_a_run_with_memory_enough(
    owner: Any, name: str, calls: set[int], calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised = failing(monkeypatch, owner, name, calls)
    weights = trained(tmp_path / "run")
    expected = load_file(calm / "adapter/adapter_model.safetensors")
    assert set(raised) == calls
    # Adam turns the rounding of a gradient near 0 into a step of its own; on the mean nothing is left of that.
    assert all((value - expected[key]).abs().mean() < 1e-6 for key, value in weights.items())
    rows, calm_rows = lines(tmp_path / "run"), lines(calm)
    for figure in ("sft/loss", "optim/grad_norm"):
        assert [row[figure] for row in rows] == pytest.approx([row[figure] for row in calm_rows], rel=1e-4)
    assert [row["memory/num_oom"] for row in calm_rows] == [0] * STEPS
    assert rows[-1]["memory/num_oom"] == len(calls)
    is_cut = rows[-1]["memory/micro_batch_tokens"] < calm_rows[-1]["memory/micro_batch_tokens"]
    assert is_cut is (name in ("head_logprobs", "backward"))
