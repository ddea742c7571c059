"""Comparisons in processes that can be killed: `pool` hands them out, `process` is one of them, `worker` runs in it."""
