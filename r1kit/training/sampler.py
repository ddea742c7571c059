"""The order in which training data is visited."""

from __future__ import annotations

import random
from collections.abc import Iterator

from r1kit.core.seeds import derive_seed


def shuffled_batches(size: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Endless batches of indices into `size` items: every item once an epoch, in a new order each epoch.

    The order of an epoch depends on (`seed`, epoch) alone. A batch may span two epochs; it never holds an
    item twice as long as `batch_size` is at most `size`.
    """
    pending: list[int] = []
    epoch = 0
    while True:
        while len(pending) < batch_size:
            order = list(range(size))
            random.Random(derive_seed(seed, "epoch", epoch)).shuffle(order)
            carried = set(pending) if batch_size <= size else set()
            # Items still waiting from the last epoch come first; their new turn moves to the end of this one.
            pending += [i for i in order if i not in carried] + [i for i in order if i in carried]
            epoch += 1
        yield pending[:batch_size]
        pending = pending[batch_size:]
