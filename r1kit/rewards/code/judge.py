"""Judges the code of completions in the sandbox, several at a time, and remembers what it said."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from r1kit.config.sandbox import SandboxConfig
from r1kit.core.problem import CodeGold, Problem
from r1kit.core.rollout import Completion
from r1kit.rewards.code.extract import extract_code
from r1kit.rewards.code.program import whole_program
from r1kit.sandbox import Limits, Sandbox, open_sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.many import Stoppable, num_cores
from r1kit.sandbox.judge.prepare import Prepared, prepare
from r1kit.sandbox.judge.results import Judgement, Result

MOST_REMEMBERED: Final = 4096
_Key: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A judgement to come; the gold is kept, so that its identity stays its own."""

    gold: CodeGold
    future: Future[Judgement]


class CodeJudge:
    """Runs code under the limits of a configuration. The sandbox is opened when it is first needed.

    The same code for the same problem is run once, whether it is rewarded for being right or for running. What could
    not be judged (SANDBOX_ERROR) is not remembered.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.limits = Limits(
            wall_seconds=config.wall_seconds,
            cpu_seconds=math.ceil(config.wall_seconds),
            memory_bytes=config.memory_mb * 2**20,
        )
        self._lock = threading.Lock()
        self._entries: dict[_Key, _Entry] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._stoppable: Stoppable | None = None

    @cached_property
    def sandbox(self) -> Sandbox:
        """The sandbox. Raises SandboxError when none holds on this machine."""
        return open_sandbox(unsafe=self.config.unsafe)

    def prepare(self, gold: CodeGold) -> Prepared:
        """The tests of a problem, ready to run; done once for the same tests.

        Raises:
            ValueError: they are not Python.
            SandboxError: the jail that their data needs did not start.
        """
        return prepare(self.sandbox, gold.tests)

    def start(self, problem: Problem, completions: Iterable[Completion]) -> Callable[[], bool] | None:
        """Have the code of completions judged beside what goes on; whether all of it is done, or None for no code.

        Raises:
            SandboxError: no sandbox holds on this machine.
        """
        if problem.code is None:
            return None
        codes = {code for completion in completions if (code := extract_code(completion.text)) is not None}
        futures = [self._submitted(problem.code, code) for code in sorted(codes)]
        return lambda: all(future.done() for future in futures)

    def judgements(self, pairs: Sequence[tuple[CodeGold, str]]) -> list[Judgement]:
        """The judgement on each code, in their order; they are judged side by side."""
        futures = [self._submitted(gold, code) for gold, code in pairs]
        return [future.result() for future in futures]

    def judgement(self, gold: CodeGold, code: str) -> Judgement:
        """What becomes of `code` under the tests of its problem.

        Raises:
            SandboxError: no sandbox holds on this machine.
        """
        return self._submitted(gold, code).result()

    def stop(self) -> None:
        """End every program that runs, and start none of those that wait; the next call begins anew."""
        with self._lock:
            pool, stoppable, self._pool, self._stoppable = self._pool, self._stoppable, None, None
            self._entries.clear()
        if pool is not None and stoppable is not None:
            pool.shutdown(wait=False, cancel_futures=True)
            stoppable.stop()
            pool.shutdown()

    def _submitted(self, gold: CodeGold, code: str) -> Future[Judgement]:
        key = (id(gold), code)
        sandbox = self.sandbox
        with self._lock:
            found = self._entries.get(key)
            if found is not None and not _has_failed(found.future):
                return found.future
            if self._pool is None or self._stoppable is None:
                self._pool = ThreadPoolExecutor(self.config.workers or num_cores(), thread_name_prefix="code")
                self._stoppable = Stoppable(sandbox)
            future = self._pool.submit(self._judge, self._stoppable, gold, code)
            self._entries.pop(key, None)
            self._entries[key] = _Entry(gold, future)
            self._forget_the_oldest()
            return future

    def _forget_the_oldest(self) -> None:
        """Those that are done; one that still waits is asked for again, and would be run twice."""
        while len(self._entries) > MOST_REMEMBERED:
            oldest = next(iter(self._entries))
            if not self._entries[oldest].future.done():
                return
            del self._entries[oldest]

    def _judge(self, stoppable: Stoppable, gold: CodeGold, code: str) -> Judgement:
        program = whole_program(code, gold)
        return judge(
            stoppable,
            program,
            gold.tests,
            self.limits,
            test_seconds=self.config.test_seconds,
            stop_at_timeout=self.config.stop_at_timeout,
        )


def _has_failed(future: Future[Judgement]) -> bool:
    """Whether it is done and says nothing of the code."""
    if not future.done():
        return False
    return (
        future.cancelled() or future.exception() is not None or future.result().result is Result.SANDBOX_ERROR
    )
