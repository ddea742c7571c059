"""What a run says while it works: lines and progress on stderr, so that stdout is free for results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

SCREEN: Final = Console(stderr=True)
"""The one console of the program, so that a line never breaks a progress bar."""

_PLAIN_LINE_SECONDS: Final = 10.0


class Meter(Protocol):
    """What a long piece of work tells of its progress."""

    def advance(self, n: int = 1, /, **shown: float | str) -> None:
        """`n` more units are done; `shown` are the latest values to show beside them, by name."""


def say(text: str) -> None:
    """One line on stderr, above a progress bar that is running."""
    SCREEN.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def show_progress(label: str, total: int, unit: str) -> Iterator[Meter]:
    """A meter of `total` units: a bar on a terminal, elsewhere a line at most every 10 seconds and at the end.

    Args:
        label: what is being done.
        total: how many units there are; more may be done.
        unit: the word for one unit, in the singular.
    """
    if SCREEN.is_terminal:
        with Progress(TextColumn("{task.description}"), BarColumn(), _StatusColumn(), console=SCREEN) as bars:
            yield _BarMeter(bars, label, total, unit)
    else:
        meter = PlainMeter(label, total, unit)
        try:
            yield meter
        finally:
            meter.close()


class SilentMeter:
    """Shows nothing."""

    def advance(self, n: int = 1, /, **shown: float | str) -> None:
        """Nothing."""


class PlainMeter:
    """Progress as plain lines, for logs and pipes."""

    def __init__(
        self,
        label: str,
        total: int,
        unit: str,
        clock: Callable[[], float] = time.monotonic,
        write: Callable[[str], None] = say,
    ) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._clock, self._write = clock, write
        self._started = self._last_line = clock()
        self._done = 0
        self._shown: dict[str, float | str] = {}
        self._is_written = False

    def advance(self, n: int = 1, /, **shown: float | str) -> None:
        """`n` more units are done; a line is written when the last one is 10 seconds old."""
        self._done += n
        self._shown.update(shown)
        self._is_written = False
        if self._clock() - self._last_line >= _PLAIN_LINE_SECONDS:
            self._line()

    def close(self) -> None:
        """Writes the last line, unless it was just written."""
        if not self._is_written:
            self._line()

    def _line(self) -> None:
        self._last_line = self._clock()
        status = status_text(
            self._done, self._total, self._unit, self._last_line - self._started, self._shown
        )
        self._write(f"{self._label}: {status}")
        self._is_written = True


class _BarMeter:
    def __init__(self, bars: Progress, label: str, total: int, unit: str) -> None:
        self._bars = bars
        self._shown: dict[str, float | str] = {}
        self._task = bars.add_task(label, total=total, unit=unit, shown=self._shown)

    def advance(self, n: int = 1, /, **shown: float | str) -> None:
        self._shown = {**self._shown, **shown}
        self._bars.update(self._task, advance=n, shown=self._shown)


class _StatusColumn(ProgressColumn):
    """Count, rate, elapsed and remaining time, and the values shown."""

    def render(self, task: Task) -> Text:
        total = int(task.total or 0)
        fields = task.fields
        return Text(
            status_text(int(task.completed), total, fields["unit"], task.elapsed or 0.0, fields["shown"])
        )


def status_text(done: int, total: int, unit: str, elapsed: float, shown: dict[str, float | str]) -> str:
    """Progress in words, such as `30/60 step, 2.0 step/s, 0:15 passed, 0:15 left, reward 0.41`."""
    parts = [f"{done}/{total} {unit}"]
    if done > 0 and elapsed > 0:
        parts.append(_rate_text(done / elapsed, unit))
    parts.append(f"{duration_text(elapsed)} passed")
    if 0 < done < total:
        parts.append(f"{duration_text(elapsed * (total - done) / done)} left")
    parts += [f"{name} {_value_text(value)}" for name, value in shown.items()]
    return ", ".join(parts)


def duration_text(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`, rounded."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _rate_text(rate: float, unit: str) -> str:
    # A slow unit reads better as its price in seconds.
    if rate < 1:
        return f"{1 / rate:.1f} s/{unit}"
    return f"{rate:.1f} {unit}/s" if rate < 100 else f"{rate:,.0f} {unit}/s"


def _value_text(value: float | str) -> str:
    if isinstance(value, str | int):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
