"""Starts jailed processes: by a fork of a spawner that is kept ready, or, for bubblewrap, by a new interpreter."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from r1kit.sandbox.bootstrap import command, environment
from r1kit.sandbox.inside.plan import Plan

ANSWER_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ends:
    """The child's ends of its channels."""

    request: int
    reply: int
    control: int
    stdout: int
    stderr: int

    def all(self) -> list[int]:
        """In the order in which the spawner wants them."""
        return [self.request, self.reply, self.control, self.stdout, self.stderr]


class Spawner:
    """A process that forks others, started when it is needed; any threads may share it. Raises OSError."""

    def __init__(self, executable: str) -> None:
        self._executable = executable
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self, plan: Plan, ends: Ends) -> int:
        """A descriptor of a new process that enters the jail of a plan."""
        text = json.dumps(plan).encode()
        with self._lock:
            with contextlib.suppress(OSError):
                return self._ask(text, ends)
            # None yet, or somebody has killed it.
            return self._ask(text, ends)

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line = ours
        ours.settimeout(ANSWER_SECONDS)
        with theirs:
            self._popen = subprocess.Popen(
                command(self._executable, "spawner", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                cwd="/",
                env=environment("/"),
                start_new_session=True,
            )
        return ours

    def _ask(self, text: bytes, ends: Ends) -> int:
        try:
            line = self._line or self._begin()
            socket.send_fds(line, [text], ends.all())
            return _descriptor_from(line)
        except BaseException:
            # After an interrupt, too: its answer must not be taken for that to the next question.
            self._end()
            raise

    def stop(self) -> None:
        """End it; what it has started goes with it."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        line, popen = self._line, self._popen
        self._line = self._popen = None
        if line is not None:
            line.close()
        if popen is not None:
            try:
                popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()

    def forget(self) -> None:
        """Let go of the spawner of the process this one was forked from, without disturbing it."""
        self._lock = threading.Lock()
        if self._line is not None:
            self._line.close()
        if self._popen is not None:
            # It is no child of ours: Popen would warn that it is still running.
            self._popen.returncode = 0
        self._line = self._popen = None


def _descriptor_from(line: socket.socket) -> int:
    said, descriptors, _, _ = socket.recv_fds(line, 64, 1)
    if not said:
        raise ConnectionError("the process that starts jails has ended")
    descriptor: int = descriptors[0]
    return descriptor


def start_alone(line: Sequence[str], ends: Ends, work: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process of its own, and its descriptor. Raises OSError."""
    popen = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=ends.stdout,
        stderr=ends.stderr,
        pass_fds=(ends.request, ends.reply, ends.control),
        cwd="/",
        env=environment(work),
        start_new_session=True,
    )
    return popen, os.pidfd_open(popen.pid)


@cache
def spawner_of(executable: str) -> Spawner:
    """The spawner of an interpreter, one for the whole process."""
    spawner = Spawner(executable)
    atexit.register(spawner.stop)
    os.register_at_fork(after_in_child=spawner.forget)
    return spawner


def kill(pidfd: int) -> None:
    """Kill a process; nothing when it has ended."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
