"""The scalar head: one number a token, in float32, kept exactly on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from r1kit.core.errors import ModelError
from r1kit.models.scalar_head import SCALAR_HEAD_FILE, ScalarHead


def random_head(size: int = 5) -> ScalarHead:
    head = ScalarHead(size)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        head.weight.copy_(torch.randn(size, generator=generator))
        head.bias.fill_(0.25)
    return head


def test_the_value_is_the_dot_product_and_the_bias() -> None:
    head = ScalarHead(3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        head.bias.fill_(3.0)
    values = head(torch.tensor([[1.0, 1.0, 2.0], [0.0, 1.0, 0.0]]))
    assert values.tolist() == [3.0, 1.0]


def test_a_fresh_head_says_zero_and_has_a_gradient() -> None:
    head = ScalarHead(3)
    hidden = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    head(hidden).sum().backward()
    assert head(hidden).tolist() == [0.0]
    assert head.weight.grad is not None
    assert head.weight.grad.tolist() == [1.0, 2.0, 3.0]
    assert hidden.grad is not None
    assert hidden.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_half_precision_states_are_added_up_in_float32() -> None:
    head = random_head(64)
    hidden = torch.randn(4, 64, generator=torch.Generator().manual_seed(2)).to(torch.bfloat16)
    values = head(hidden)
    assert values.dtype == torch.float32
    assert torch.allclose(values, hidden.float() @ head.weight + head.bias, atol=1e-5)


def test_a_saved_head_comes_back_bit_for_bit(tmp_path: Path) -> None:
    head = random_head()
    head.save(tmp_path)
    again = ScalarHead.load(tmp_path)
    assert torch.equal(again.weight, head.weight)
    assert torch.equal(again.bias, head.bias)
    assert again.weight.requires_grad


def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        ScalarHead.load(tmp_path)


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2, 3)}, tmp_path / SCALAR_HEAD_FILE)
    with pytest.raises(ModelError, match="not a scalar head"):
        ScalarHead.load(tmp_path)
    (tmp_path / SCALAR_HEAD_FILE).write_text("no tensors", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        ScalarHead.load(tmp_path)
