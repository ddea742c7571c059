"""A pool in daemon processes, after a fork, and when its process is killed; all of them real."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from worker_orders import LIMIT, becomes_true, is_running, make_pool, workers_of

from r1kit.core.rollout import Verdict
from r1kit.rewards.math.workers.pool import Pool

CORRECT, WRONG, TIMED_OUT = Verdict.CORRECT, Verdict.WRONG, Verdict.TIMED_OUT


def three_verdicts(pool: Pool) -> list[Verdict]:
    with pool:
        return [pool.decide("5", "5"), pool.decide("5", "leave"), pool.decide("5", "6")]


def compare_in_a_daemon(sender: Connection) -> None:
    sender.send(three_verdicts(make_pool()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_daemon_process_can_compare(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=compare_in_a_daemon, args=(sender,), daemon=True)
    process.start()
    assert receiver.poll(20)
    assert receiver.recv() == [CORRECT, TIMED_OUT, WRONG]
    process.join(5)
    assert process.exitcode == 0


def test_a_forked_child_makes_its_own_workers_and_leaves_the_parents_alone() -> None:
    with make_pool() as pool:
        pool.decide("5", "5")
        before = workers_of(pool)
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            try:
                os.write(write_end, ",".join(three_verdicts(pool)).encode())
            finally:
                os._exit(0)
        os.close(write_end)
        assert pool.decide("7", "7") is CORRECT
        with os.fdopen(read_end) as reader:
            assert reader.read() == "correct,timed_out,wrong"
        os.waitpid(child, 0)
        assert pool.decide("7", "8") is WRONG
        assert workers_of(pool) == before


def test_a_child_forked_while_another_thread_compares_is_not_stuck() -> None:
    with make_pool() as pool, ThreadPoolExecutor(1) as threads:
        pool.decide("5", "5")
        slow = threads.submit(pool.decide, "nap", "nap")
        assert becomes_true(lambda: not pool._idle)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            verdict = None
            try:
                verdict = pool.decide("5", "5")
            finally:
                os._exit(0 if verdict is CORRECT else 1)
        assert slow.result() is CORRECT
        assert os.waitpid(child, 0)[1] == 0


PARENT = """
import os, sys, time
from worker_orders import make_pool, workers_of
pool = make_pool(limit_seconds=2.0)
pool.decide("5", "5")
if os.fork() == 0:  # holds on to whatever it was given
    time.sleep(30)
    os._exit(0)
print(*workers_of(pool), flush=True)
if {hang}:
    pool.decide("5", "hang_in_c")
time.sleep(30)
"""


@pytest.mark.parametrize("hang", [True, False])
def test_a_worker_does_not_outlive_a_killed_parent(hang: bool) -> None:
    program = PARENT.format(hang=hang)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        time.sleep(LIMIT / 5)
        assert is_running(worker)
        parent.kill()
        try:
            assert becomes_true(lambda: not is_running(worker))
        finally:
            os.killpg(parent.pid, signal.SIGKILL)


SCRIPT = """
from r1kit.rewards.math.workers.pool import shared_pool
print(shared_pool().decide("1/2", "0.5").value)
"""


def test_a_file_of_the_user_does_not_stand_in_for_a_library(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit('not sympy')")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "correct\n", "")
