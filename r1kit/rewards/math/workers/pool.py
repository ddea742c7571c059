"""Answers compared in processes that can be killed: sympy gets a second and a gigabyte, and no more.

`shared_pool().decide(gold, answer)` is all a caller needs; `process` starts and asks one worker, and `worker` is
the other end of the line.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from r1kit.core.errors import EnvironmentError_
from r1kit.core.rollout import Verdict
from r1kit.rewards.math.workers.process import StartError, WorkerProcess, WorkerSettings

LOG: Final = logging.getLogger(__name__)

DECIDE: Final = "r1kit.rewards.math.decide:decide"
# Loaded before the first answer, which should not have to pay for it.
LIBRARIES: Final = ("mpmath", "sympy")

START_ATTEMPTS: Final = 3
# Then a worker is replaced, so that what sympy keeps does not add up.
MOST_ANSWERS: Final = 20_000


class Pool:
    """Up to `num_workers` processes that compare answers; each is started when all others are busy.

    An answer that takes longer than `limit_seconds`, needs `memory_mb` more than a worker at rest (on Linux),
    or crashes its worker is TIMED_OUT. `serve` names the function that compares, as "module:function"; an
    exception it raises makes the answer UNPARSABLE.
    Any number of threads may share a pool, and a forked process can go on using it: it starts its own workers.
    Raises EnvironmentError_ on Windows, and ValueError for numbers that make no sense.
    """

    def __init__(
        self,
        num_workers: int = 1,
        *,
        limit_seconds: float = 1.0,
        memory_mb: int = 1024,
        serve: str = DECIDE,
        libraries: tuple[str, ...] = LIBRARIES,
    ) -> None:
        if sys.platform == "win32":
            raise EnvironmentError_(
                "the math checker needs Linux or another POSIX system; use WSL on Windows"
            )
        if num_workers < 1 or limit_seconds <= 0 or memory_mb < 1:
            raise ValueError(
                f"no pool of {num_workers} workers with {limit_seconds} s and {memory_mb} MB each"
            )
        self._num_workers = num_workers
        self._settings = WorkerSettings(serve, libraries, limit_seconds, memory_mb)
        self._begin_anew()
        _POOLS.add(self)

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._workers: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._is_closed = False

    def decide(self, gold: str, answer: str) -> Verdict:
        """The verdict on an answer; waits while all workers are busy.

        Raises EnvironmentError_ when no worker can be started, and ValueError once the pool is closed.
        """
        reply = self._ask({"gold": gold, "answer": answer})
        if reply is None:
            return Verdict.TIMED_OUT
        if "error" in reply:
            LOG.warning("an answer counts as unparsable: %s", reply["error"])
            return Verdict.UNPARSABLE
        return Verdict(reply["verdict"])

    def why_gold_is_unusable(self, gold: str) -> str | None:
        """None when answers can be checked against a gold; else why not. Raises as `decide` does."""
        reply = self._ask({"gold": gold})
        if reply is None:
            return "its value takes too long to compute"
        reason: str | None = reply.get("error", reply.get("reason"))
        return reason

    def _ask(self, question: Mapping[str, str]) -> dict[str, Any] | None:
        worker = self._ready_worker()
        reply = None
        try:
            reply = worker.ask(question, self._start_another)
        finally:
            # Also after Ctrl-C: a reply that comes later must not be taken for that to the next question.
            self._give_back(worker, usable=reply is not None)
        return reply

    def warm(self) -> None:
        """Start a worker, unless one is free, and do not wait for it."""
        self._start_another()

    def close(self) -> None:
        """End all workers; one that is comparing an answer ends right after it."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._workers.difference_update(idle)
            self._changed.notify_all()
        for worker in idle:
            worker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ready_worker(self) -> WorkerProcess:
        reason = ""
        for _ in range(START_ATTEMPTS):
            try:
                worker = self._take()
                with self._given_back_on_error(worker):
                    worker.wait_until_ready()
                return worker
            except (StartError, OSError) as error:
                reason = str(error)
        raise EnvironmentError_(
            f"the math checker's worker process could not be started ({START_ATTEMPTS} attempts): {reason}"
        )

    @contextlib.contextmanager
    def _given_back_on_error(self, worker: WorkerProcess) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._give_back(worker, usable=False, replace=False)
            raise

    def _take(self) -> WorkerProcess:
        """A worker that no other thread has; raises OSError when a new one was needed and cannot be made."""
        with self._changed:
            while True:
                if self._is_closed:
                    raise ValueError("this pool is closed")
                self._drop_the_dead()
                if not self._idle and len(self._workers) < self._num_workers:
                    self._start()
                if self._idle:
                    # One that is up, if any: the others are still loading.
                    worker = next((one for one in self._idle if one.has_come_up()), self._idle[0])
                    self._idle.remove(worker)
                    return worker
                self._changed.wait()

    def _drop_the_dead(self) -> None:
        # Killed from outside while at rest: that is not the next answer's fault.
        for worker in [one for one in self._idle if one.is_ready and one.process.poll() is not None]:
            self._idle.remove(worker)
            self._workers.discard(worker)
            worker.stop()

    def _start(self) -> None:
        worker = WorkerProcess(self._settings)
        self._workers.add(worker)
        self._idle.append(worker)

    def _start_another(self) -> None:
        with self._changed, contextlib.suppress(OSError):
            # Whoever needs the worker will meet the error again, and say it.
            if not self._is_closed and not self._idle and len(self._workers) < self._num_workers:
                self._start()
                self._changed.notify()

    def _give_back(self, worker: WorkerProcess, *, usable: bool, replace: bool = True) -> None:
        with self._changed:
            if usable and not self._is_closed and worker.num_answers < MOST_ANSWERS:
                self._idle.append(worker)
                self._changed.notify()
                return
        worker.stop()
        with self._changed:
            self._workers.discard(worker)
            self._changed.notify()
        if replace:
            self._start_another()

    def _after_fork(self) -> None:
        """In the child: leave the parent its workers, even one that another thread was just talking to."""
        workers, was_closed = self._workers, self._is_closed
        self._begin_anew()
        self._is_closed = was_closed
        for worker in workers:
            worker.forget()


def shared_pool() -> Pool:
    """The pool of this process, made when first asked for.

    Up to four workers: a caller with one thread gets one, and a second only while an answer is slow, so that
    it need not wait for sympy to load after a hang. More would compete with the training for the processor.
    """
    with _shared_lock:
        if not _shared:
            _shared.append(Pool(min(4, max(2, os.cpu_count() or 1))))
        return _shared[0]


def _after_fork_in_child() -> None:
    global _shared_lock  # noqa: PLW0603  # another thread of the parent may have held it for ever
    _shared_lock = threading.Lock()
    for pool in list(_POOLS):
        pool._after_fork()  # noqa: SLF001


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


_POOLS: Final[weakref.WeakSet[Pool]] = weakref.WeakSet()
_shared: list[Pool] = []
_shared_lock = threading.Lock()
atexit.register(_close_all)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
