"""The two checkers, each in a process of its own that can be killed and timed.

`Checker(name, cores).judge(pair, limit_seconds)` gives the outcome of a row; a row that does not end in time costs
its process, and nothing else. `checks_a_second` and `fresh_seconds` are the stopwatches.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final, Self, TypeAlias

PASSES: Final = 3
IMPORT_RUNS: Final = 5

WARM_UP: Final = ((("x(x+1)",), r"\boxed{x^2+x}"), (("5",), r"\boxed{5}"), ((r"\frac12",), r"\boxed{0.5}"))

Question: TypeAlias = tuple[tuple[str, ...], str]
Judge: TypeAlias = Callable[[tuple[str, ...], str], bool]


@dataclass(frozen=True, slots=True)
class Pair:
    """A labelled row; any of the golds is right."""

    golds: tuple[str, ...]
    pred: str
    expected: bool
    category: str
    is_adversarial: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a checker made of a row; `trouble` is "", "hang" or "crash"."""

    correct: bool
    seconds: float
    trouble: str = ""


class Checker:
    """A checker in a process of its own, warmed up; started again after a row that it did not survive."""

    def __init__(self, name: str, cores: Sequence[int]) -> None:
        self._start = (name, tuple(cores))
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(*self._start, theirs))
        self._process.start()
        # So that the end of the process is the end of the line.
        theirs.close()
        self._line.recv()

    def judge(self, pair: Pair, limit_seconds: float) -> Outcome:
        """The outcome of one row."""
        start = time.perf_counter()
        self._line.send([(pair.golds, pair.pred)])
        if not self._line.poll(limit_seconds):
            return self._lost("hang", start)
        try:
            _, verdicts = self._line.recv()
        except EOFError:
            return self._lost("crash", start)
        trouble = "crash" if verdicts[0] is None else ""
        return Outcome(bool(verdicts[0]), time.perf_counter() - start, trouble)

    def _lost(self, trouble: str, start: float) -> Outcome:
        seconds = time.perf_counter() - start
        self.close()
        self._begin()
        return Outcome(correct=False, seconds=seconds, trouble=trouble)

    def seconds(self, questions: Sequence[Question]) -> float:
        """The time that all the questions take, one after the other."""
        self._line.send(questions)
        seconds: float = self._line.recv()[0]
        return seconds

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(name: str, cores: Sequence[int], line: Connection) -> None:
    """Answer each list of questions with the seconds it took and the verdicts; None for an exception."""
    os.sched_setaffinity(0, cores)
    logging.disable(logging.CRITICAL)
    judge = judge_of(name)
    for golds, pred in WARM_UP:
        judge(golds, pred)
    line.send("ready")
    while True:
        questions = line.recv()
        start = time.perf_counter()
        verdicts = [verdict(judge, *question) for question in questions]
        line.send((time.perf_counter() - start, verdicts))


def verdict(judge: Judge, golds: tuple[str, ...], pred: str) -> bool | None:
    """Whether the answer is right; None when the checker raises an exception."""
    try:
        return judge(golds, pred)
    except Exception:  # noqa: BLE001  # whatever a checker raises is counted
        return None


def judge_of(name: str) -> Judge:
    """The checker of that name, loaded."""
    return {"r1kit": r1kit_judge, "math-verify": math_verify_judge}[name]()


def r1kit_judge() -> Judge:
    """The library call as it is documented."""
    from r1kit.rewards.math import check

    return lambda golds, pred: check(golds, pred).correct


def math_verify_judge() -> Judge:
    """As its README has it: LaTeX and plain expressions on both sides, its own time limits.

    The gold stands in $...$: bare it would often not be found at all, and `boxed` serves it no better.
    """
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

    configs = (LatexExtractionConfig(), ExprExtractionConfig())

    def judge(golds: tuple[str, ...], pred: str) -> bool:
        answer = parse(pred, configs)
        return any(verify(parse(f"${gold}$", configs), answer) for gold in golds)

    return judge


def checks_a_second(name: str, questions: Sequence[Question], cores: Sequence[int]) -> float:
    """The median over the passes. Each half is timed after the other has warmed the process up.

    A pass starts from fresh processes, and what is asked twice is asked once: no verdict comes from a cache.
    """
    distinct = list(dict.fromkeys(questions))
    halves = distinct[::2], distinct[1::2]

    def seconds(warm_up: Sequence[Question], timed: Sequence[Question]) -> float:
        with Checker(name, cores) as checker:
            checker.seconds(warm_up)
            return checker.seconds(timed)

    passes = [seconds(*halves) + seconds(*reversed(halves)) for _ in range(PASSES)]
    return len(distinct) / statistics.median(passes)


def fresh_seconds(program: str, cores: Sequence[int]) -> float:
    """The median over some fresh interpreters, without the time of starting Python itself."""
    timer = (
        f"import os, time; os.sched_setaffinity(0, {list(cores)}); start = time.perf_counter()\n{program}\n"
    )
    command = [sys.executable, "-c", f"{timer}print(time.perf_counter() - start)"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(IMPORT_RUNS)]
    return statistics.median(float(run.stdout) for run in runs)
