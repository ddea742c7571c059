"""How far sampling has come, on the screen."""

from __future__ import annotations

import time
from collections.abc import Callable

from r1kit.generation.engine import OnProgress
from r1kit.tracking.screen import Meter


def shown_on(meter: Meter, clock: Callable[[], float] = time.monotonic) -> OnProgress:
    """Moves `meter`, whose unit is a completion, and shows the tokens a second beside it."""
    rate = _Rate(clock)
    return lambda num_ended, num_tokens: meter.advance(num_ended, **rate.after(num_tokens))


def shown_beside(meter: Meter, clock: Callable[[], float] = time.monotonic) -> OnProgress:
    """Shows completions and tokens a second beside `meter`, whose unit is something larger, without moving it."""
    rate, total = _Rate(clock), 0

    def show(num_ended: int, num_tokens: int) -> None:
        nonlocal total
        total += num_ended
        meter.advance(0, completions=total, **rate.after(num_tokens))

    return show


class _Rate:
    """Tokens a second since it was made."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._started, self._tokens = clock, clock(), 0

    def after(self, num_tokens: int) -> dict[str, float]:
        """With so many more tokens, as a value to show; none before any time has passed."""
        self._tokens += num_tokens
        seconds = self._clock() - self._started
        return {"tokens/s": self._tokens / seconds} if seconds > 0 else {}
