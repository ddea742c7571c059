"""Reward functions of the user's own, named as `module:function`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from r1kit.core.errors import ConfigError, RewardError
from r1kit.core.nearest import did_you_mean
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion
from r1kit.rewards.parts import Part, RewardFunction


def build_custom(name: str, options: Mapping[str, Any]) -> RewardFunction:
    """The reward that calls `function(problem, completion, **options) -> float | None` of a module.

    The module may lie in the current directory. ConfigError when it cannot be imported, has no such function,
    or the function does not take the options; RewardError when a call fails or returns no finite number.
    """
    function = _load(name)
    _check_signature(name, function, options)

    def custom_reward(problem: Problem, completion: Completion) -> Part:
        try:
            value = function(problem, completion, **options)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise RewardError(f"reward {name} failed on problem {problem.id!r}: {reason}") from error
        return Part(_checked(name, problem, value))

    return custom_reward


def reward_file(name: str) -> Path | None:
    """The source file of the module in `module:function`; None where there is none to be found."""
    with _current_directory_on_path():
        try:
            found = importlib.util.find_spec(name.partition(":")[0])
        except (ImportError, ValueError):
            return None
    path = Path(found.origin) if found is not None and found.origin else None
    return path if path is not None and path.is_file() else None


def _load(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    if not module_name or not function_name:
        raise ConfigError(f"reward {name!r} must be written as module:function")
    try:
        module = _import(module_name)
    except Exception as error:
        # Whatever the user's module raises while it is imported, its name is what has to be mended.
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"reward {name}: module {module_name!r} cannot be imported: {reason}") from error
    function: Callable[..., Any] | None = getattr(module, function_name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value)]
        hint = did_you_mean(function_name, names)
        raise ConfigError(f"reward {name}: module {module_name!r} has no function {function_name!r}{hint}")
    return function


def _import(module_name: str) -> Any:
    with _current_directory_on_path():
        return importlib.import_module(module_name)


@contextmanager
def _current_directory_on_path() -> Iterator[None]:
    here = os.getcwd()  # noqa: PTH109  # sys.path holds strings
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def _check_signature(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"reward {name}: its arguments cannot be read: {error}") from error
    try:
        signature.bind(None, None, **options)
    except TypeError as error:
        raise ConfigError(
            f"reward {name}: {error}; it is called as function(problem, completion"
            f"{''.join(f', {key}=...' for key in options)})"
        ) from error


def _checked(name: str, problem: Problem, value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RewardError(
            f"reward {name} returned {value!r} for problem {problem.id!r}; it must return a finite number, "
            "or None when the reward cannot be determined"
        )
    return float(value)
