"""The error tree. Each error is also the standard type a Python reader expects, and knows its exit code."""

from __future__ import annotations

from typing import ClassVar


class R1KitError(Exception):
    """Anything r1kit refuses or fails at, with one line that says what, where, the value and the next move."""

    exit_code: ClassVar[int] = 1


class ConfigError(R1KitError, ValueError):
    """The configuration (file, flag or combination) is wrong; nothing has started."""

    exit_code = 2


class DataError(R1KitError, ValueError):
    """A data file or data set cannot be used as it is; nothing has started."""

    exit_code = 2


class ModelError(R1KitError, ValueError):
    """A model, adapter or tokenizer cannot be used as it is configured; nothing has started."""

    exit_code = 2


class EnvironmentError_(R1KitError, RuntimeError):  # noqa: N801, N818  # EnvironmentError is taken by Python
    """The machine lacks something the run needs: a GPU, disk, network or an optional package."""

    exit_code = 3


class SandboxError(R1KitError, RuntimeError):
    """No sandbox strong enough for untrusted code holds on this machine."""

    exit_code = 4


class TrainingError(R1KitError, RuntimeError):
    """A run that had started cannot go on, for example because the loss is not finite."""


class RewardError(R1KitError, RuntimeError):
    """A reward function failed, or returned something that is no reward."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something, else the error's type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
