"""Many attacks at once, and a parent that is interrupted or killed while they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from attack_programs.canary import around, below, wait_until_left
from jails import ask

from r1kit.sandbox import Ending, Limits, Sandbox
from r1kit.sandbox.judge.grade import judge
from r1kit.sandbox.judge.results import Result
from r1kit.sandbox.judge.tests import FunctionTest

# Attacks of all kinds, none of which ends by itself.
ENDLESS = (
    "while True: pass",
    "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass",
    "import threading, time\nthreading.stack_size(65536)\nfor _ in range(8): threading.Thread(target=time.sleep, args=(999,)).start()\ntime.sleep(999)",
    "import os\nos.kill(os.getpid(), 19)",
    "held = []\nwhile True:\n    try: held.append(bytearray(2**20))\n    except MemoryError: held.clear()",
    "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.001)",
    "while True:\n    try: open('file', 'wb').write(bytes(2**20))\n    except BaseException: pass",
    "import re\nre.match('(a|a)*$', 'a' * 60 + 'b')",
)

# A parent that judges them two at a time, and says when it has begun.
PARENT = """
import sys, threading, time
from r1kit.sandbox import Limits, open_sandbox
from r1kit.sandbox.judge.many import judge_many
from r1kit.sandbox.judge.tests import FunctionTest
sources = ENDLESS * 4
items = [(source, (FunctionTest("f", (), {}, 1),)) for source in sources]
threading.Timer(1.0, print, ("ready",), {"flush": True}).start()
list(judge_many(open_sandbox(), items, 8, Limits(wall_seconds=60.0), test_seconds=60.0))
"""


@contextmanager
def judging(folder: Path) -> Iterator[tuple[subprocess.Popen[str], set[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT.replace("ENDLESS", repr(ENDLESS))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        yield process, below(process.pid)
    finally:
        process.kill()
        process.communicate()


def assert_gone(pids: set[int], folder: Path, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while left := {pid for pid in pids if Path(f"/proc/{pid}").exists()}:
        assert time.monotonic() < until, f"{left} are left"
        time.sleep(0.02)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_parent_that_is_ended_while_it_judges_leaves_nothing(number: int, tmp_path: Path) -> None:
    with judging(tmp_path) as (process, pids):
        # Eight attacks, each with its keeper, and the process that forks them.
        assert len(pids) >= 17
        # As from a terminal, where Ctrl-C goes to the whole group.
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=10)
        if number == signal.SIGINT:
            assert errors.rstrip().endswith("KeyboardInterrupt")
        assert_gone(pids, tmp_path)


def test_sixty_four_attacks_at_once_all_end_and_leave_nothing(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "pass") == {"loaded": True}
    limits = Limits(wall_seconds=60.0, memory_bytes=32 * 2**20)
    before = around()
    sessions = [sandbox.start(limits) for _ in range(64)]
    with ThreadPoolExecutor(64) as pool:
        replies = list(
            pool.map(
                lambda pair: ask(pair[1], ENDLESS[pair[0] % len(ENDLESS)], wall_seconds=1.0),
                enumerate(sessions),
            )
        )
        endings = Counter(outcome.ending for outcome in pool.map(lambda one: one.close(), sessions))
    assert replies == [None] * 64
    assert endings == {Ending.TIMED_OUT: 64}
    wait_until_left(before)


def test_attacks_at_once_do_not_change_each_others_verdict(sandbox: Sandbox) -> None:
    honest = "def f(x): return 2 * x"
    sources = [honest if index % 2 else ENDLESS[index // 2 % len(ENDLESS)] for index in range(32)]
    tests = (FunctionTest("f", (3,), {}, 6),)

    def result(source: str) -> Result:
        limits = Limits(wall_seconds=60.0, memory_bytes=64 * 2**20)
        return judge(sandbox, source, tests, limits, test_seconds=20.0 if source == honest else 1.0).result

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(result, sources))
    assert results == [Result.PASSED if index % 2 else Result.TIMED_OUT for index in range(32)]
