"""Arithmetic problems for RL, validation and the benchmark."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Final

from r1kit.core.errors import DataError
from r1kit.core.problem import Problem
from r1kit.core.seeds import derive_seed
from r1kit.tasks.arithmetic.chains import Chain, draw_chain
from r1kit.tasks.arithmetic.held_out import banned_pairs_in

TEST_SEED: Final = 20
TEST_LEVELS: Final = (4, 5, 6)
TEST_PROBLEMS_PER_LEVEL: Final = 500
_MAX_DRAWS_PER_PROBLEM: Final = 200


def generate_problems(
    num_operands: int, count: int, seed: int, held_out: bool, exclude: Collection[str] = ()
) -> list[Problem]:
    """`count` distinct problems of `num_operands` operands, always the same ones for the same arguments.

    Args:
        num_operands: 2 or more; also each problem's `extra["level"]`.
        held_out: True draws problems with at least one banned pair (3 operands or more), which no training
            text holds; False draws problems without any.
        exclude: problem texts that must not come up.

    Raises:
        DataError: so many distinct problems were not found within a bounded number of draws.
    """
    rng = random.Random(derive_seed("arithmetic", seed, num_operands, int(held_out)))
    found: dict[str, Chain] = {}
    for chain in _draws(rng, num_operands - 1, _MAX_DRAWS_PER_PROBLEM * count, held_out):
        if len(found) == count:
            break
        if str(chain) not in exclude:
            found.setdefault(str(chain), chain)
    if len(found) < count:
        raise DataError(
            f"arithmetic: found {len(found)} of {count} distinct problems with {num_operands} operands"
            f" (held_out={held_out}); ask for fewer problems or more operands"
        )
    return [_problem(chain) for chain in found.values()]


def test_problems() -> list[Problem]:
    """The benchmark: 500 held-out problems each of 4, 5 and 6 operands, in turns, so that any first part is fair."""
    levels = [
        generate_problems(level, TEST_PROBLEMS_PER_LEVEL, TEST_SEED, held_out=True) for level in TEST_LEVELS
    ]
    return [problem for row in zip(*levels, strict=True) for problem in row]


# The name says what it returns; this keeps pytest from collecting it wherever it is imported.
test_problems.__test__ = False  # type: ignore[attr-defined]


def _draws(rng: random.Random, num_operations: int, limit: int, held_out: bool) -> Iterator[Chain]:
    for _ in range(limit):
        chain = draw_chain(rng, num_operations, avoid_held_out=not held_out)
        if not held_out or banned_pairs_in(str(chain)):
            yield chain


def _problem(chain: Chain) -> Problem:
    # The id is the expression, so that the same problem has the same id in every file.
    return Problem(
        id=f"arithmetic/{chain}",
        problem=str(chain),
        answers=(str(chain.value),),
        extra={"level": chain.num_operations + 1},
        # What the tiny base says instead of reasoning is a bare number.
        marked_only=True,
    )
