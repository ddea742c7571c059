"""Many completions judged side by side, each in its own jail."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import threading
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from r1kit.core.errors import SandboxError
from r1kit.sandbox.judge.code import Starter
from r1kit.sandbox.judge.grade import LIMITS, TEST_SECONDS, judge
from r1kit.sandbox.judge.results import Judgement
from r1kit.sandbox.judge.tests import Tests
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.session import Session


def judge_many(
    sandbox: Starter,
    items: Iterable[tuple[str, Tests]],
    num_workers: int | None = None,
    limits: Limits = LIMITS,
    *,
    test_seconds: float = TEST_SECONDS,
    stop_at_timeout: bool = False,
) -> Iterator[Judgement]:
    """The judgement on each (source, tests), in their order and as soon as it is there.

    Items are taken as they are needed, a few ahead. `num_workers` are judged at a time, as many as there are cores
    when it is None. Ctrl-C, or closing the iterator, ends all jails that it started.

    Raises:
        ValueError: the tests of an item are not Python.
    """
    workers = num_workers or num_cores()
    stoppable = Stoppable(sandbox)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="judge")
    ready: queue.Queue[Future[Judgement] | None] = queue.Queue(2 * workers)

    judged = functools.partial(
        judge, stoppable, limits=limits, test_seconds=test_seconds, stop_at_timeout=stop_at_timeout
    )

    def feed() -> None:
        # A thread of its own: the items may come from someone who waits for the judgement on the last one.
        last: Future[Judgement] | None = None
        try:
            for source, tests in items:
                ready.put(pool.submit(judged, source, tests))
        except BaseException as error:  # noqa: BLE001  # the caller's own, who gets it back
            last = Future()
            last.set_exception(error)
        ready.put(last)

    threading.Thread(target=feed, name="judge-feed", daemon=True).start()
    try:
        while (future := ready.get()) is not None:
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stoppable.stop()
        # The feeder may wait for room; what it submits from now on is refused, and ends it.
        with contextlib.suppress(queue.Empty):
            while True:
                ready.get_nowait()
        pool.shutdown()


def num_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Stoppable:
    """A sandbox whose sessions can all be ended, after which it starts no more."""

    def __init__(self, sandbox: Starter) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        self._is_stopped = False

    def start(self, limits: Limits = LIMITS) -> Session:
        """A session of the sandbox; raises SandboxError once it is stopped."""
        session = self._sandbox.start(limits)
        with self._lock:
            if not self._is_stopped:
                self._sessions.add(session)
                return session
        session.close()
        raise SandboxError("the judging was stopped")

    def stop(self) -> None:
        """Ends the sessions."""
        with self._lock:
            self._is_stopped = True
            sessions = list(self._sessions)
        for session in sessions:
            session.kill()
        for session in sessions:
            session.close()
