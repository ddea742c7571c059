"""Real workers that hang, crash or run out of memory: each costs one answer at most."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from worker_orders import LIMIT, becomes_true, is_running, make_pool, workers_of

from r1kit.core.errors import EnvironmentError_
from r1kit.core.rollout import Verdict
from r1kit.rewards.math.workers import pool as pool_module
from r1kit.rewards.math.workers.pool import Pool, shared_pool

CORRECT, WRONG, TIMED_OUT = Verdict.CORRECT, Verdict.WRONG, Verdict.TIMED_OUT


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with make_pool() as made:
        yield made


def parent_of(process: int) -> int | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[1])


def children() -> set[int]:
    """All child processes, zombies too."""
    numbers = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return {number for number in numbers if parent_of(number) == os.getpid()}


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def open_files() -> set[int]:
    return {number for number in range(3, 4096) if is_open(number)}


def test_an_answer_gets_the_verdict_of_the_served_function(pool: Pool) -> None:
    assert pool.decide("5", "5") is CORRECT
    assert pool.decide("5", "6") is WRONG


@pytest.mark.parametrize(
    "order",
    [
        "hang_in_python", "hang_in_c", "hang_deaf_to_the_timer", "leave", "read_address_zero", "take_too_much_memory",
    ],
)  # fmt: skip
def test_a_hang_or_crash_costs_one_answer_and_the_next_is_right(pool: Pool, order: str) -> None:
    assert pool.decide("5", "5") is CORRECT
    start = time.monotonic()
    assert pool.decide("5", order) is TIMED_OUT
    assert time.monotonic() - start < LIMIT + 3
    assert pool.decide("5", "5") is CORRECT
    assert pool.decide("5", "6") is WRONG


def test_the_timer_kills_even_where_the_parent_blocks_its_signal() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        with make_pool() as pool:
            pool.decide("5", "5")
            (worker,) = pool._workers
            assert pool.decide("5", "hang_in_python") is TIMED_OUT
            assert worker.process.returncode == -signal.SIGALRM
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


def test_what_fits_into_the_memory_is_fine(pool: Pool) -> None:
    assert pool.decide("take_some_memory", "take_some_memory") is CORRECT


@pytest.mark.parametrize("order", ["raise_an_exception", "recurse_without_end"])
def test_an_exception_is_an_unparsable_answer_and_the_worker_lives_on(pool: Pool, order: str) -> None:
    pool.decide("5", "5")
    before = workers_of(pool)
    assert pool.decide("5", order) is Verdict.UNPARSABLE
    assert pool.decide("5", "5") is CORRECT
    assert workers_of(pool) == before


def test_what_is_printed_is_no_verdict(pool: Pool) -> None:
    assert pool.decide("shout", "shout") is CORRECT
    assert pool.decide("5", "5") is CORRECT


@pytest.mark.parametrize(
    "text", ["", "\ud800", "a\0b", "\n\r\u2028", "答案", "\U0001f600" * 20_000, "\udfff" * 20_000]
)
def test_any_text_arrives_as_it_was_sent(pool: Pool, text: str) -> None:
    assert pool.decide(text, text) is CORRECT
    assert pool.decide(text, text + "x") is WRONG


def test_eight_threads_each_get_their_own_verdicts() -> None:
    pairs = [(str(k), str(k + (k % 3 == 0))) for k in range(400)]
    with make_pool(3) as pool, ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda pair: pool.decide(*pair), pairs))
        assert 1 <= len(workers_of(pool)) <= 3
    assert verdicts == [CORRECT if gold == answer else WRONG for gold, answer in pairs]


def test_one_thread_needs_one_worker_until_an_answer_is_slow() -> None:
    with make_pool(3) as pool:
        for _ in range(20):
            pool.decide("5", "5")
        assert len(workers_of(pool)) == 1
        assert pool.decide("nap", "nap") is CORRECT
        assert len(workers_of(pool)) == 2


def test_a_warm_pool_has_its_worker_before_the_first_answer() -> None:
    with make_pool() as pool:
        assert workers_of(pool) == []
        pool.warm()
        pool.warm()
        (worker,) = workers_of(pool)
        assert pool.decide("5", "5") is CORRECT
        assert workers_of(pool) == [worker]


def test_a_worker_killed_while_it_rests_costs_no_answer() -> None:
    with make_pool() as pool:
        pool.decide("5", "5")
        (worker,) = workers_of(pool)
        os.kill(worker, signal.SIGKILL)
        assert becomes_true(lambda: not is_running(worker))
        assert pool.decide("5", "5") is CORRECT


def test_a_worker_is_replaced_after_so_many_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MOST_ANSWERS", 2)
    with make_pool() as pool:
        seen = set()
        for _ in range(4):
            assert pool.decide("5", "5") is CORRECT
            seen |= set(workers_of(pool))
        assert len(seen) == 3


def test_nothing_is_left_of_a_closed_pool() -> None:
    children_before, files_before = children(), open_files()
    pool = make_pool(2)
    pool.decide("5", "5")
    pool.decide("5", "hang_in_python")
    pool.warm()
    assert children() - children_before
    pool.close()
    pool.close()
    assert children() == children_before
    assert open_files() == files_before
    with pytest.raises(ValueError, match="closed"):
        pool.decide("5", "5")


def test_closing_while_an_answer_is_compared_lets_it_finish_and_turns_away_who_waits() -> None:
    before = children()
    pool = make_pool(1)
    pool.decide("5", "5")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.decide, "nap", "nap")
        assert becomes_true(lambda: not pool._idle)
        second = threads.submit(pool.decide, "5", "5")
        time.sleep(LIMIT / 10)
        pool.close()
        assert first.result() is CORRECT
        with pytest.raises(ValueError, match="closed"):
            second.result()
    assert children() == before


def test_ctrl_c_does_not_reach_a_worker(pool: Pool) -> None:
    pool.decide("5", "5")
    (worker,) = workers_of(pool)
    threading.Timer(LIMIT / 5, os.kill, (worker, signal.SIGINT)).start()
    assert pool.decide("nap", "nap") is CORRECT
    assert os.getpgid(worker) != os.getpgid(0)


def test_after_ctrl_c_no_answer_gets_the_verdict_of_the_one_before(pool: Pool) -> None:
    pool.decide("5", "5")
    threading.Timer(LIMIT / 5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        pool.decide("nap", "nap")
    assert pool.decide("5", "6") is WRONG
    assert pool.decide("5", "5") is CORRECT


@pytest.mark.parametrize(
    ("serve", "reason"),
    [("r1kit.no_such_room:decide", "no_such_room"), ("worker_orders:no_such_name", "no_such_name")],
)
def test_a_worker_that_cannot_start_is_an_error_of_one_line(serve: str, reason: str) -> None:
    before = children()
    with Pool(serve=serve) as pool, pytest.raises(EnvironmentError_, match=reason) as raised:
        pool.decide("5", "5")
    assert "\n" not in str(raised.value)
    assert children() == before


def test_windows_is_refused_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EnvironmentError_, match="POSIX"):
        Pool()


def test_a_pool_of_no_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="0 workers"):
        Pool(0)


def test_a_worker_loads_no_torch() -> None:
    with Pool(serve="worker_orders:decide_without_torch") as pool:
        assert pool.decide(r"\pi", r"2\pi/2") is CORRECT


def test_a_process_has_one_shared_pool_and_it_compares_answers() -> None:
    assert shared_pool() is shared_pool()
    assert shared_pool().decide(r"\frac12", "0.5") is CORRECT
    assert shared_pool().decide(r"\frac12", "0.6") is WRONG
