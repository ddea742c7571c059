"""Chains of steps such as `3+4-5`: read from left to right, with every running value between 0 and 20."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from r1kit.tasks.arithmetic.held_out import is_banned_pair

MAX_VALUE: Final = 20
_SMALL: Final = range(1, 10)
_LARGE: Final = range(10, MAX_VALUE + 1)
_FACTORS: Final = range(2, 10)
_SMALL_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: `operator` is "+", "-" or "*"."""

    operator: str
    operand: int

    def __str__(self) -> str:
        return f"{self.operator}{self.operand}"

    def apply(self, value: int) -> int:
        """The running value after this step."""
        if self.operator == "+":
            return value + self.operand
        return value - self.operand if self.operator == "-" else value * self.operand


@dataclass(frozen=True, slots=True)
class Chain:
    """A start and the steps after it. `*` may only be the first step, so usual precedence agrees."""

    start: int
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.start}{''.join(map(str, self.steps))}"

    @property
    def num_operations(self) -> int:
        """Number of steps; the chain has one operand more."""
        return len(self.steps)

    @property
    def value(self) -> int:
        """What the whole chain comes to."""
        return self.running_values[-1]

    @property
    def running_values(self) -> tuple[int, ...]:
        """The start, then the value after each step."""
        values = [self.start]
        for step in self.steps:
            values.append(step.apply(values[-1]))
        return tuple(values)

    def after(self, num_steps: int) -> Chain:
        """The chain that is left once the first `num_steps` have been worked out."""
        return Chain(self.running_values[num_steps], self.steps[num_steps:])


def parse_chain(text: str) -> Chain:
    """The chain written as `3+4-5`.

    Raises:
        ValueError: `text` is not such a chain.
    """
    if not re.fullmatch(r"[0-9]+(?:[-+*][0-9]+)*", text):
        raise ValueError(f"{text!r} is not a chain such as 3+4-5")
    start, *rest = re.findall(r"[-+*]?[0-9]+", text)
    return Chain(int(start), tuple(Step(step[0], int(step[1:])) for step in rest))


def draw_chain(rng: random.Random, num_operations: int, *, avoid_held_out: bool) -> Chain:
    """A random chain; with `avoid_held_out` no two neighbouring steps are a banned pair.

    Operands are 1-9 with weight .8 and 10-20 with weight .2, as far as the running value stays in range.
    """
    start = rng.choice(_SMALL) if rng.random() < _SMALL_SHARE else rng.choice(_LARGE)
    steps: list[Step] = []
    value = start
    for index in range(num_operations):
        before = steps[-1] if steps and avoid_held_out else None
        options, weights = step_options(value, before, is_first=index == 0)
        steps.append(rng.choices(options, weights)[0])
        value = steps[-1].apply(value)
    return Chain(start, tuple(steps))


@cache
def step_options(
    value: int, before: Step | None, *, is_first: bool
) -> tuple[tuple[Step, ...], tuple[float, ...]]:
    """The steps that keep `value` in range and make no banned pair with `before`, and their weights."""
    steps = [Step(operator, operand) for operator in "+-" for operand in (*_SMALL, *_LARGE)]
    if is_first:
        steps += [Step("*", factor) for factor in _FACTORS]
    options = tuple(
        step
        for step in steps
        if 0 <= step.apply(value) <= MAX_VALUE and not (before and is_banned_pair(str(before), str(step)))
    )
    return options, tuple(_weight(step.operand) for step in options)


def _weight(operand: int) -> float:
    if operand in _SMALL:
        return _SMALL_SHARE / len(_SMALL)
    return (1 - _SMALL_SHARE) / len(_LARGE)
