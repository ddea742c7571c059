from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from r1kit.training.sampler import shuffled_batches


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 5))
def test_every_item_comes_once_an_epoch(size, batch_size, seed):
    batches = list(islice(shuffled_batches(size, batch_size, seed), 2 * size))
    assert all(len(batch) == batch_size for batch in batches)
    visited = [item for batch in batches for item in batch]
    for epoch in range(len(visited) // size):
        assert sorted(visited[epoch * size : (epoch + 1) * size]) == list(range(size))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_no_batch_holds_an_item_twice(size, batch_size, seed):
    if batch_size <= size:
        for batch in islice(shuffled_batches(size, batch_size, seed), 3 * size):
            assert len(set(batch)) == batch_size


def test_the_order_depends_on_the_seed_and_changes_from_epoch_to_epoch():
    first, second = islice(shuffled_batches(30, 30, 0), 2)
    assert first != second
    assert next(shuffled_batches(30, 30, 0)) == first
    assert next(shuffled_batches(30, 30, 1)) != first
