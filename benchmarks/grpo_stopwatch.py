"""Seconds by phase and peak memory of a step, taken in the same way on both sides of the GRPO benchmark.

Phases are told apart by what every trainer has to call: the sampling function, the log-prob function (with a
gradient or without), torch's backward, and the optimizer's step with the clipping before it. What is left of a
step is the rest. A fused head forms its gradient while the loss is computed: that time counts as forward.

Memory is the kernel's own high-water mark of resident pages (VmHWM), set back at the start of each step through
/proc/self/clear_refs: it misses no short peak, and needs Linux.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

PHASES: Final = ("generation", "reference", "forward", "backward", "optimizer", "rest")

_STATUS: Final = Path("/proc/self/status")


@dataclass(slots=True)
class Stopwatch:
    """Adds up seconds by phase; a phase inside another one is taken off the outer one.

    `wait` is called before the clock is read: a device that works behind the caller's back is waited for.
    """

    wait: Callable[[], None] = lambda: None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    running: list[tuple[str, float]] = field(default_factory=list)

    def start(self, phase: str) -> None:
        """Enter `phase`; the one around it stands still."""
        now = self._now()
        self._charge(now)
        self.running.append((phase, now))

    def stop(self) -> None:
        """Leave the innermost phase."""
        now = self._now()
        self._charge(now)
        self.running.pop()
        if self.running:
            self.running[-1] = (self.running[-1][0], now)

    def _now(self) -> float:
        self.wait()
        return time.perf_counter()

    def _charge(self, now: float) -> None:
        if self.running:
            phase, since = self.running[-1]
            self.seconds[phase] += now - since

    def timed(self, phase: str | Callable[[], str], function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time counted as `phase` (or as what `phase()` says when it is called)."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.start(phase if isinstance(phase, str) else phase())
            try:
                return function(*args, **kwargs)
            finally:
                self.stop()

        return wrapper

    def take(self, total_seconds: float) -> dict[str, float]:
        """The seconds of each phase since the last call, the rest of `total_seconds` as "rest"."""
        taken = {phase: self.seconds.get(phase, 0.0) for phase in PHASES[:-1]}
        self.seconds.clear()
        return taken | {"rest": total_seconds - sum(taken.values())}

    def watch_torch(self) -> None:
        """Time torch's backward, clipping and optimizer steps, whoever calls them."""
        for name in ("backward", "grad"):
            wrapped = self.timed("backward", getattr(torch.autograd, name))
            setattr(torch.autograd, name, wrapped)
        clip = torch.nn.utils.clip_grad_norm_
        replace_everywhere(clip, self.timed("optimizer", clip))
        register_optimizer_step_pre_hook(lambda *_: self.start("optimizer"))
        register_optimizer_step_post_hook(lambda *_: self.stop())


def forward_or_reference() -> str:
    """The phase of a log-prob pass: without a gradient it is the reference's."""
    return "forward" if torch.is_grad_enabled() else "reference"


def replace_everywhere(original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Put `replacement` wherever a loaded module holds `original`, also under names it was imported to."""
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is original:
                setattr(module, name, replacement)


def settle() -> None:
    """Free what can be freed and hand it back to the system."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def resident_mb() -> float:
    """Megabytes (10^6 bytes) of resident memory of this process."""
    return _status("VmRSS")


def reset_peak() -> None:
    """Let the high-water mark start again from what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mb() -> float:
    """The high-water mark of resident memory since `reset_peak`, in megabytes."""
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"{_STATUS} has no {name}; the benchmark measures memory on Linux alone")


@dataclass(slots=True)
class Record:
    """The steps of one run, as its child process prints them."""

    watch: Stopwatch
    steps: list[dict[str, Any]] = field(default_factory=list)
    loaded_mb: float = 0.0
    _began: float = 0.0
    _began_cpu: float = 0.0

    def loaded(self) -> None:
        """All is loaded and nothing has run: what is resident now is the loaded model."""
        settle()
        self.loaded_mb = resident_mb()
        self.begin()

    def begin(self) -> None:
        """A step begins."""
        reset_peak()
        self.watch.seconds.clear()
        self._began, self._began_cpu = time.perf_counter(), time.process_time()

    def end(self, lengths: list[int]) -> None:
        """A step has ended; `lengths` are the tokens of its completions, EOS included. The next one begins."""
        seconds = time.perf_counter() - self._began
        cpu_seconds = time.process_time() - self._began_cpu
        self.steps.append(
            {
                "tokens": sum(lengths),
                "lengths": sorted(lengths),
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "phases": self.watch.take(seconds),
                "peak_mb": peak_mb(),
            }
        )
        self.begin()

    def report(self, **more: Any) -> dict[str, Any]:
        """Everything but the first step, which was the warm-up; `more` is added."""
        return {"loaded_mb": self.loaded_mb, "steps": self.steps[1:], **more}
