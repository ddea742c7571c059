"""The length penalty."""

from __future__ import annotations


def overlong_penalty(num_tokens: int, *, max_tokens: int, buffer: int) -> float:
    """The soft overlong punishment, in [-1, 0] (DAPO, Yu et al. 2025, eq. 13).

    0 up to `max_tokens - buffer` tokens, then falling linearly to -1 at `max_tokens` and beyond.
    """
    excess = num_tokens - (max_tokens - buffer)
    return -min(max(excess / buffer, 0.0), 1.0)
