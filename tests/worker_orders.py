"""What the workers of the pool's tests serve: a comparison that hangs, crashes or shouts when it is told to."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from r1kit.core.rollout import Verdict
from r1kit.rewards.math.workers.pool import Pool

LIMIT = 0.5


def hang_in_python() -> None:
    while True:
        pass


def hang_in_c() -> None:
    _ = 10**10**8


def hang_deaf_to_the_timer() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    hang_in_python()


def leave() -> None:
    os._exit(3)


def read_address_zero() -> None:
    ctypes.string_at(0)


def take_too_much_memory() -> None:
    bytearray(600 * 2**20)


def take_some_memory() -> None:
    bytearray(20 * 2**20)


def raise_an_exception() -> None:
    raise LookupError("no such answer")


def recurse_without_end() -> None:
    recurse_without_end()


def shout() -> None:
    print('{"verdict": "wrong"}', flush=True)  # noqa: T201
    os.write(1, b'{"verdict": "wrong"}\n')
    os.write(2, b"noise\n")


def nap() -> None:
    time.sleep(LIMIT / 2)


ORDERS = {
    order.__name__: order
    for order in (
        hang_in_python, hang_in_c, hang_deaf_to_the_timer, leave, read_address_zero, take_too_much_memory,
        take_some_memory, raise_an_exception, recurse_without_end, shout, nap,
    )
}  # fmt: skip


def obey(gold: str, answer: str) -> Verdict:
    """What the workers of these tests serve: does what the answer says, then compares letter by letter."""
    ORDERS.get(answer, int)()
    return Verdict.CORRECT if gold == answer else Verdict.WRONG


def decide_without_torch(gold: str, answer: str) -> Verdict:
    """The verdict of the real comparison; an error, and so UNPARSABLE, when it has loaded torch."""
    from r1kit.rewards.math.decide import decide

    verdict = decide(gold, answer)
    assert "torch" not in sys.modules
    return verdict


OBEY = f"{__name__}:obey"


def make_pool(num_workers: int = 1, limit_seconds: float = LIMIT) -> Pool:
    return Pool(num_workers, limit_seconds=limit_seconds, memory_mb=256, serve=OBEY, libraries=())


def workers_of(pool: Pool) -> list[int]:
    return [worker.process.pid for worker in pool._workers]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def becomes_true(condition: Callable[[], bool], seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
