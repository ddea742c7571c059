"""Whether the libraries below work on this machine: each is imported, and a 4-bit layer computes and learns."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Final

from r1kit.core.errors import EnvironmentError_, first_line

if TYPE_CHECKING:
    import torch

LIBRARIES: Final = ("torch", "transformers", "peft", "bitsandbytes")

_ROWS: Final = 192
_COLUMNS: Final = 256
# Half a byte a number keeps normal weights to about 0.09 of their norm.
_MOST_LOST: Final = 0.15
# bfloat16 keeps three decimal digits, and sums of 256 products lose a part of them.
_MOST_INEXACT: Final = 0.02


def import_failure(name: str) -> str | None:
    """None when a library can be imported, else why not in a line."""
    try:
        with warnings.catch_warnings(action="ignore"):
            importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  # a broken installation may raise anything
        return f"{type(error).__name__}: {first_line(error)}"
    return None


def try_4bit(device: torch.device, dtype: torch.dtype) -> float:
    """What NF4 loses of random weights on this device, as a share of their norm.

    A layer of 192 x 256 is quantized, computes in `dtype` and passes a gradient back to its input; both are compared
    with its own weights, unpacked.

    Raises:
        EnvironmentError_: it does not work, or not as it should.
    """
    try:
        lost, inexact = _errors(device, dtype)
    except Exception as error:
        # The libraries' kernels raise whatever they like.
        raise EnvironmentError_(
            f"4-bit weights do not work on {device}: {type(error).__name__}: {first_line(error)}"
        ) from error
    if not (lost < _MOST_LOST and inexact < _MOST_INEXACT):
        raise EnvironmentError_(
            f"4-bit weights compute wrongly on {device}: {lost:.3f} of their norm is lost, products are "
            f"{inexact:.3f} off; reinstall bitsandbytes and torch for this machine"
        )
    return lost


def _errors(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """What quantizing loses, and the larger error of a product and of its gradient; both relative."""
    import bitsandbytes as bnb
    import torch

    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(_ROWS, _COLUMNS, generator=generator)
    inputs = torch.randn(5, _COLUMNS, generator=generator).to(device, dtype).requires_grad_()
    layer = bnb.nn.Linear4bit(_COLUMNS, _ROWS, bias=False, compute_dtype=dtype, quant_type="nf4")
    layer.weight = bnb.nn.Params4bit(weight.to(dtype), requires_grad=False, quant_type="nf4")
    # As in `quantization.pin_4bit_layers`.
    layer.support_avx512bf16_for_cpu = False
    layer = layer.to(device)
    outputs = layer(inputs)
    outputs.sum().backward()
    kept = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
    product, gradient = inputs.detach().float() @ kept.T, kept.sum(0).expand(5, -1)
    errors = (_relative(outputs.detach(), product), _relative(inputs.grad, gradient))
    return _relative(kept, weight.to(device)), max(errors)


def _relative(found: torch.Tensor | None, wanted: torch.Tensor) -> float:
    if found is None:
        return float("inf")
    return float((found.float() - wanted).norm() / wanted.norm())
