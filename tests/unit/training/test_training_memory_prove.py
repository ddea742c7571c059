"""The worst case is run until it fits."""

from __future__ import annotations

import pytest
import torch

from r1kit.core.errors import EnvironmentError_
from r1kit.training.memory.prove import prove


def out_of_memory_above(limit, tried):
    def forward_backward(tokens):
        tried.append(tokens)
        if tokens > limit:
            raise torch.OutOfMemoryError(f"tried to allocate for {tokens}")

    return forward_backward


def test_a_size_that_fits_is_run_once_and_kept():
    tried, said = [], []
    assert prove(out_of_memory_above(512, tried), 512, said.append) == 512
    assert tried == [512]
    assert said == ["a micro-batch of 512 tokens was run once and fits"]


def test_a_size_that_does_not_fit_is_halved_until_one_does():
    tried, said = [], []
    assert prove(out_of_memory_above(200, tried), 1001, said.append) == 125
    assert tried == [1001, 500, 250, 125]
    assert said[0] == "a micro-batch of 1,001 tokens does not fit; 500 are tried"


def test_memory_for_less_than_a_token_is_an_error_of_the_machine():
    with pytest.raises(EnvironmentError_, match="out of memory in a micro-batch of one token"):
        prove(out_of_memory_above(0, []), 8, [].append)


def test_any_other_error_is_not_swallowed():
    def broken(tokens):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        prove(broken, 8, [].append)


def test_what_a_failed_try_held_is_let_go_before_the_next():
    alive = []

    class Held:
        def __del__(self):
            alive.remove(id(self))

    def forward_backward(tokens):
        assert not alive
        held = Held()
        alive.append(id(held))
        if tokens > 2:
            raise torch.OutOfMemoryError("no room")

    assert prove(forward_backward, 8, [].append) == 2
