"""Problems in turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain

from r1kit.rollout.prompts import PromptedProblem
from r1kit.training.sampler import shuffled_batches


class ProblemStream:
    """Problems in the order of a seed, without end: every one once an epoch, in a new order each epoch."""

    def __init__(self, prompted: Sequence[PromptedProblem], batch_size: int, seed: int) -> None:
        self.prompted = prompted
        self._indices = chain.from_iterable(shuffled_batches(len(prompted), batch_size, seed))

    def take(self, count: int, without: Collection[int] = ()) -> list[int]:
        """The indices of the next `count` different problems that are not in `without`; fewer if there are no more."""
        available = min(count, len(self.prompted) - len(without))
        taken: dict[int, None] = {}
        while len(taken) < available:
            index = next(self._indices)
            if index not in without:
                taken[index] = None
        return list(taken)
