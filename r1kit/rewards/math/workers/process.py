"""The parent's side of one worker process: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import r1kit

ROOT: Final = str(Path(r1kit.__file__).parent.parent)
# The very r1kit of this process, wherever else one is installed; its folder does not stay on the path.
BOOTSTRAP: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import r1kit; del sys.path[0]; "
    "from r1kit.rewards.math.workers.worker import main; main(sys.argv[2])"
)

START_SECONDS: Final = 60.0
# What a worker that the timer did not kill is given on top of its limit.
GRACE_SECONDS: Final = 1.0
# An answer that takes this share of the limit is likely to take all of it: time to start another worker.
SLOW_SHARE: Final = 0.3


class StartError(Exception):
    """A worker did not come up; the text says why."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker does: the function it serves, the libraries it loads beforehand, and its limits."""

    serve: str
    libraries: tuple[str, ...]
    limit_seconds: float
    memory_mb: int


class WorkerProcess:
    """The parent's side of one worker process."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.is_ready = False
        self.num_answers = 0
        self._limit_seconds = settings.limit_seconds
        self._channel, theirs = socket.socketpair()
        try:
            self.process = _start(settings, theirs.fileno())
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()

    def has_come_up(self) -> bool:
        """Whether its first line is here, so that nobody would have to wait for it."""
        return self.is_ready or self._speaks_within(0)

    def wait_until_ready(self) -> None:
        """Raises StartError when it does not come up."""
        if self.is_ready:
            return
        reply = self._read(START_SECONDS)
        if reply is None:
            status = self.process.poll()
            raise StartError(
                f"it was not ready in {START_SECONDS:g} s" if status is None else f"it ended with {status}"
            )
        if "error" in reply:
            raise StartError(str(reply["error"]))
        self.is_ready = True

    def ask(self, question: Mapping[str, str], when_slow: Callable[[], None]) -> dict[str, Any] | None:
        """The reply, or None when the process died or would not answer; it is of no more use then."""
        line = json.dumps(question).encode() + b"\n"
        patience = self._limit_seconds * SLOW_SHARE
        self._channel.settimeout(self._limit_seconds + GRACE_SECONDS)
        try:
            self._channel.sendall(line)
        except OSError:
            return None
        if not self._speaks_within(patience):
            when_slow()
        reply = self._read(self._limit_seconds - patience + GRACE_SECONDS)
        self.num_answers += 1
        return reply

    def _speaks_within(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _read(self, seconds: float) -> dict[str, Any] | None:
        self._channel.settimeout(seconds)
        received = b""
        try:
            while not received.endswith(b"\n"):
                part = self._channel.recv(4096)
                if not part:
                    return None
                received += part
        except OSError:
            return None
        reply: dict[str, Any] = json.loads(received)
        return reply

    def stop(self) -> None:
        """End the process, whatever it does, and leave nothing of it behind."""
        self._channel.close()
        self.process.kill()
        self.process.wait()

    def forget(self) -> None:
        """Let go of the worker of the process this one was forked from, without disturbing it."""
        self._channel.close()
        # It is no child of ours: Popen would warn that it is still running.
        self.process.returncode = 0


def _start(settings: WorkerSettings, channel: int) -> subprocess.Popen[bytes]:
    path = [str(Path(folder).absolute()) for folder in sys.path if folder]
    options = json.dumps({**asdict(settings), "channel": channel, "path": path})
    # -P: no module of the user's current folder is loaded. Warnings and prints have no reader, and a group
    # of its own keeps Ctrl-C away until the worker can ignore it. Sets are ordered by hash, so a fixed seed
    # makes sympy take the same steps in every run.
    command = [sys.executable, "-P", "-W", "ignore", "-c", BOOTSTRAP, ROOT, options]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(channel,),
        cwd="/",
        env={**os.environ, "PYTHONHASHSEED": "0"},
        process_group=0,
    )
