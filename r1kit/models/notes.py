"""Remarks of bitsandbytes that would only puzzle a user, kept off the screen."""

from __future__ import annotations

import logging
from typing import Final

_REMARKS: Final = {
    # At import, on CPUs with AVX512-BF16: a kernel for repacked weights, which r1kit never has.
    "bitsandbytes.backends.cpu.ops": "Failed to load CPU gemm_4bit_forward",
    # At every call of every 8-bit layer: its products are computed in float16, as LLM.int8() is defined.
    "bitsandbytes.autograd._functions": "MatMul8bitLt: inputs will be cast",
}


def drop_remarks() -> None:
    """Filter these remarks, and nothing else, out of their loggers; to be called before bitsandbytes loads."""
    for name in _REMARKS:
        logger = logging.getLogger(name)
        if _is_worth_reading not in logger.filters:
            logger.addFilter(_is_worth_reading)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_REMARKS[record.name])
