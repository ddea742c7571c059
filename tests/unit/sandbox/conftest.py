"""The sandbox of this machine, and bait for those who would leave it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from r1kit.sandbox import Sandbox, open_sandbox
from r1kit.sandbox.layers import Layers
from r1kit.sandbox.probe import Bait, bait
from r1kit.sandbox.sandbox import probed


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return open_sandbox()


@pytest.fixture(scope="session")
def layers() -> Layers:
    return probed()


@pytest.fixture
def lure() -> Iterator[Bait]:
    with bait() as bait_of_this_test:
        yield bait_of_this_test


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
