"""Whatever becomes of the parent, nothing is left of its jails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jails import ask, jail_of

from r1kit.sandbox import Ending, Limits, Sandbox
from r1kit.sandbox.layers import LANDLOCK, NAMESPACES, SECCOMP, Layers
from r1kit.sandbox.registry import REGISTRY
from r1kit.sandbox.session import Session

# A parent that holds two sessions, one of which is busy, and says which processes it has.
PARENT = """
import sys, threading, time
from r1kit.sandbox import Limits, open_sandbox
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.registry import REGISTRY
from r1kit.sandbox.session import Session
names = sys.argv[1].split(",") if sys.argv[1] else open_sandbox().layers.names
jail = Jail(this_interpreter(), frozenset(names))
idle, busy = Session(jail, Limits(wall_seconds=60.0)), Session(jail, Limits(wall_seconds=60.0))
idle.ask({"source": "pass", "name": "__main__"})
source = "import threading\\nthreading.Thread(target=print).start()\\nwhile True: pass"
ask = threading.Thread(target=busy.ask, args=({"source": source, "name": "__main__"},), daemon=True)
ask.start()
time.sleep(0.1)
print("ready", flush=True)
if sys.argv[2] == "end":
    sys.exit()
time.sleep(60)
"""


def descendants(pid: int) -> set[int]:
    """All processes below one."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def is_there(pid: int) -> bool:
    """Whether a process is left; one that is dead and waits for the machine's init to notice is not."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return False
    return (state, parent) != ("Z", "1")


def assert_gone(pids: set[int], seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while left := {pid for pid in pids if is_there(pid)}:
        assert time.monotonic() < until, f"{left} are left"
        time.sleep(0.02)


@contextlib.contextmanager
def parent_process(
    folder: Path, layers: str = "", how: str = "wait"
) -> Iterator[tuple[subprocess.Popen[str], set[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, layers, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(folder)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        yield process, descendants(process.pid)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("layers", ["", f"{LANDLOCK},{SECCOMP}"])
def test_a_killed_parent_leaves_no_process_and_no_folder(layers: str, tmp_path: Path) -> None:
    with parent_process(tmp_path, layers) as (process, below):
        # The spawner, and for each session its keeper and its life at the least.
        assert len(below) >= 5
        process.kill()
        process.wait()
        assert_gone(below)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_spawner_takes_its_jails_with_it_and_is_replaced(sandbox: Sandbox) -> None:
    session = sandbox.start()
    assert ask(session, "pass") == {"loaded": True}
    own = os.getpid()
    below = descendants(own)
    spawner = next(pid for pid in below if _parent_of(pid) == own and b"spawner" in _command_of(pid))
    # This process may have other children than those of the sandbox.
    jailed = descendants(spawner)
    os.kill(spawner, signal.SIGKILL)
    assert_gone(jailed)
    assert ask(session, "pass") is None
    assert session.close().ending is Ending.SANDBOX_ERROR
    with sandbox.start() as another:
        assert ask(another, "pass") == {"loaded": True}
    assert_gone({spawner})


def test_ctrl_c_ends_everything_and_leaves_nothing(tmp_path: Path) -> None:
    with parent_process(tmp_path) as (process, below):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert_gone(below)
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_ends_closes_what_it_left_open(tmp_path: Path) -> None:
    with parent_process(tmp_path, how="end") as (process, below):
        assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0
        assert_gone(below)
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_stands_still_does_not_keep_a_jail_alive(
    layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r1kit.sandbox.jail.LATE_SECONDS", 0.2)
    session = Session(jail_of(*layers.names), Limits(wall_seconds=0.3))
    time.sleep(0.8)
    # Nobody has asked anything; the keeper has ended by itself.
    assert session._process._has_ended_in(0)
    assert ask(session, "pass") is None
    assert session.close().ending is Ending.TIMED_OUT


def test_a_forked_process_leaves_the_sessions_alone_and_can_have_its_own(sandbox: Sandbox) -> None:
    with sandbox.start() as session:
        assert ask(session, "pass") == {"loaded": True}
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                assert len(REGISTRY) == 0
                assert session.close().detail == "it belongs to another process"
                with sandbox.start() as own:
                    assert ask(own, "pass") == {"loaded": True}
                code = 0
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert ask(session, "pass") == {"loaded": True}


def test_close_all_ends_every_session(sandbox: Sandbox) -> None:
    REGISTRY.close_all()
    sessions = [sandbox.start() for _ in range(3)]
    assert len(REGISTRY) == 3
    REGISTRY.close_all()
    assert len(REGISTRY) == 0
    assert [ask(session, "pass") for session in sessions] == [None] * 3


def test_what_a_life_started_ends_with_it_even_without_any_layer(sandbox: Sandbox) -> None:
    daemon = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n    os._exit(0)\n"
        "os.wait()"
    )
    for names in ((), (NAMESPACES,)):
        if names and not sandbox.layers.holds(NAMESPACES):
            continue
        with Session(jail_of(*names), Limits()) as session:
            assert ask(session, "pass") == {"loaded": True}
            before = descendants(os.getpid())
            assert ask(session, daemon) == {"loaded": True}
            started = descendants(os.getpid()) - before
            assert started
            assert session.renew() is not None
            assert_gone(started, seconds=1.0)


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
