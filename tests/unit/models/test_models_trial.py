"""The trials of a machine: libraries that can be imported or not, and 4-bit weights that compute."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from r1kit.core.errors import EnvironmentError_
from r1kit.models import trial

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nf4_loses_about_a_tenth_of_normal_weights(dtype: torch.dtype) -> None:
    # The sixteen values of NF4 in blocks of 64 keep normal weights to 0.09 of their norm.
    assert trial.try_4bit(CPU, dtype) == pytest.approx(0.092, abs=0.003)


def test_a_product_that_is_not_that_of_the_weights_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    import bitsandbytes as bnb

    unpack = bnb.functional.dequantize_4bit
    monkeypatch.setattr(bnb.functional, "dequantize_4bit", lambda *given: 1.05 * unpack(*given))
    with pytest.raises(EnvironmentError_, match=r"compute wrongly on cpu: .* products are 0\.0\d+ off"):
        trial.try_4bit(CPU, torch.float32)


def test_a_device_that_is_not_there_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(EnvironmentError_, match="4-bit weights do not work on cuda: ") as raised:
        trial.try_4bit(torch.device("cuda"), torch.float32)
    assert "\n" not in str(raised.value)


def test_a_library_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("raise OSError('libx.so: no such file\\nmore')")
    monkeypatch.syspath_prepend(tmp_path)
    assert trial.import_failure("broken_library") == "OSError: libx.so: no such file"
    assert trial.import_failure("no_such_library") == "ModuleNotFoundError: No module named 'no_such_library'"
    assert trial.import_failure("json") is None
    sys.modules.pop("broken_library", None)
