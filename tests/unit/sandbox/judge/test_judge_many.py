"""Many completions side by side."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import repeat

import pytest

from r1kit.sandbox import Limits, Outcome, Sandbox, Session
from r1kit.sandbox.judge.many import judge_many
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.judge.tests import FunctionTest, Tests

TESTS: Tests = (FunctionTest("f", (1,), {}, 2),)
RIGHT, WRONG, ENDLESS = "def f(x): return 2", "def f(x): return 3", "def f(x):\n    while True: pass"


class Gauge:
    """A sandbox that knows how many of its sessions are open, and how many were at most."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._open: set[Session] = set()
        self.most = 0

    @property
    def num_open(self) -> int:
        return len(self._open)

    def start(self, limits: Limits = Limits()) -> Session:  # noqa: B008
        session = self._sandbox.start(limits)
        close = session.close

        def note_and_close() -> Outcome:
            outcome = close()
            self._open.discard(session)
            return outcome

        session.close = note_and_close  # type: ignore[method-assign]
        self._open.add(session)
        self.most = max(self.most, self.num_open)
        return session


def test_judgements_come_in_the_order_of_the_items(sandbox: Sandbox) -> None:
    sources = [ENDLESS, RIGHT, WRONG, RIGHT] + [RIGHT, WRONG] * 4
    found = [one.result for one in judge_many(sandbox, zip(sources, repeat(TESTS)), 3, test_seconds=0.5)]
    word = {RIGHT: Result.PASSED, WRONG: Result.FAILED, ENDLESS: Result.TIMED_OUT}
    assert found == [word[source] for source in sources]


def test_no_more_jails_are_open_than_workers(sandbox: Sandbox) -> None:
    gauge = Gauge(sandbox)
    list(judge_many(gauge, [(RIGHT, TESTS)] * 12, 3))
    assert gauge.most in {2, 3}
    assert gauge.num_open == 0


def test_a_judgement_does_not_wait_for_the_next_item(sandbox: Sandbox) -> None:
    go_on = threading.Event()

    def items() -> Iterator[tuple[str, Tests]]:
        yield RIGHT, TESTS
        # Whoever writes the items reads the first judgement before the next one.
        assert go_on.wait(20)
        yield WRONG, TESTS

    judgements = judge_many(sandbox, items(), 2)
    assert next(judgements).has_passed
    go_on.set()
    assert [one.result for one in judgements] == [Result.FAILED]


def test_items_are_taken_as_they_are_needed(sandbox: Sandbox) -> None:
    taken = []

    def items() -> Iterator[tuple[str, Tests]]:
        for number in range(1000):
            taken.append(number)
            yield RIGHT, TESTS

    judgements = judge_many(sandbox, items(), 1)
    next(judgements)
    judgements.close()
    assert len(taken) < 12


def test_an_error_among_the_items_is_the_callers(sandbox: Sandbox) -> None:
    def items() -> Iterator[tuple[str, Tests]]:
        yield RIGHT, TESTS
        raise LookupError("line 2")

    judgements = judge_many(sandbox, items(), 2)
    assert next(judgements).has_passed
    with pytest.raises(LookupError, match="line 2"):
        next(judgements)


def test_closing_the_iterator_ends_the_jails_at_once(sandbox: Sandbox) -> None:
    gauge = Gauge(sandbox)
    items = [(RIGHT, TESTS), *[(ENDLESS, TESTS)] * 6]
    judgements = judge_many(gauge, items, 2, Limits(wall_seconds=60), test_seconds=60)
    next(judgements)
    began = time.monotonic()
    judgements.close()
    assert time.monotonic() - began < 10
    assert gauge.num_open == 0


INTERRUPTED = f"""
import os, signal, threading
from r1kit.sandbox import Limits, Outcome, Sandbox, Session, open_sandbox
from r1kit.sandbox.judge.many import judge_many
from r1kit.sandbox.judge.tests import FunctionTest
{inspect.getsource(Gauge)}
endless = ({ENDLESS!r}, (FunctionTest("f", (1,), {{}}, 2),))
gauge = Gauge(open_sandbox())
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    list(judge_many(gauge, [endless] * 4, 2, Limits(wall_seconds=60), test_seconds=60))
except KeyboardInterrupt:
    print("interrupted", gauge.most, gauge.num_open)
"""


def test_ctrl_c_ends_the_jails_at_once(sandbox: Sandbox) -> None:
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        capture_output=True,
        text=True,
        env=environment,
        timeout=50,
        check=False,
    )
    assert done.stdout == "interrupted 2 0\n", done.stderr
    assert time.monotonic() - began < 30
