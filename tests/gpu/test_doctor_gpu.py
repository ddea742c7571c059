"""`r1kit doctor` on a machine with a CUDA GPU."""

from __future__ import annotations

import pytest
import torch

from r1kit.cli.doctor_checks import four_bit, gpus

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]


def test_each_gpu_is_a_row_with_its_name_and_memory() -> None:
    driver, *found = gpus()
    assert (driver.name, driver.state) == ("driver", "ok")
    assert [check.name for check in found] == [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    assert torch.cuda.get_device_name(0) in found[0].detail


def test_4bit_weights_are_tried_on_the_gpu() -> None:
    check = four_bit()
    assert (check.name, check.state) == ("cuda", "ok"), check.detail
