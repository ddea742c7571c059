"""The trusted process in the jail: it begins lives, ends them with all they started, and tells the parent how.

It speaks with the parent over a socket that no life gets to see. The parent says `k` (end this life) and `a` (end it
and begin another); the keeper says `ready NUMBER` for each life, counted from one,
`ended STATUS CPU_MS`, or `failed WHY`, each on a line.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from r1kit.sandbox.inside.channels import CONTROL, reset
from r1kit.sandbox.inside.life import Serve, live
from r1kit.sandbox.inside.plan import Plan
from r1kit.sandbox.inside.tidy import clear_folder

PARENT_CHECK_SECONDS = 1.0


class Keeper:
    """One life at a time, and what is asked of it."""

    def __init__(self, plan: Plan, serve: Serve) -> None:
        self._plan = plan
        self._serve = serve
        self._pid = 0
        self._pidfd = -1
        self._num_lives = 0

    def begin(self) -> None:
        """Start a life; it has not read anything when this returns. Raises RuntimeError when it cannot be sealed."""
        sealed_read, sealed_write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(sealed_read)
                live(self._plan, self._serve, sealed_write)
            finally:
                # Whatever goes wrong there, it must not go on as a second keeper.
                os._exit(1)
        os.close(sealed_write)
        trouble = os.read(sealed_read, 4096)
        os.close(sealed_read)
        self._pidfd = os.pidfd_open(self._pid)
        if trouble:
            raise RuntimeError(trouble.decode(errors="replace"))
        self._num_lives += 1
        self.tell(f"ready {self._num_lives}")

    def end(self) -> None:
        """Kill the life and all it left behind, and tell how it ended; nothing when that has been told."""
        if self._pid == 0:
            return
        _kill(self._pid)
        _, status, usage = os.wait4(self._pid, 0)
        os.close(self._pidfd)
        self._pid, self._pidfd = 0, -1
        _kill_the_rest()
        self.tell(f"ended {status} {round(1000 * (usage.ru_utime + usage.ru_stime))}")

    def renew(self) -> None:
        """End the life and begin another that finds nothing of it."""
        self.end()
        clear_folder(self._plan["work"])
        reset()
        self.begin()

    def tell(self, text: str) -> None:
        """Send the parent a line."""
        os.write(CONTROL, f"{text}\n".encode())

    def serve_parent(self) -> None:
        """Do what the parent says until it goes away or the time is over."""
        parent, deadline = os.getppid(), time.monotonic() + self._plan["seconds"]
        commands: dict[int, Callable[[], None]] = {ord("k"): self.end, ord("a"): self.renew}
        while os.getppid() == parent and time.monotonic() < deadline:
            ready = self._wait(deadline - time.monotonic())
            if CONTROL in ready:
                said = os.read(CONTROL, 4096)
                if not said:
                    return
                for letter in said:
                    commands[letter]()
            elif ready:
                self.end()

    def _wait(self, seconds: float) -> list[int]:
        poll = select.poll()
        poll.register(CONTROL, select.POLLIN)
        if self._pidfd >= 0:
            poll.register(self._pidfd, select.POLLIN)
        return [fd for fd, _ in poll.poll(1000 * max(0.0, min(seconds, PARENT_CHECK_SECONDS)))]


def keep(plan: Plan, serve: Serve) -> NoReturn:
    """Begin a life and serve the parent, then end all."""
    keeper = Keeper(plan, serve)
    try:
        keeper.begin()
        keeper.serve_parent()
    except ConnectionError:
        # The parent went away while it was spoken to.
        pass
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent has to say it
        keeper.tell(f"failed {type(error).__name__}: {error}".replace("\n", " ")[:500])
    finally:
        _kill_the_rest()
        if not (plan["namespaces"] or plan["bubblewrap"]):
            clear_folder(plan["work"])
            os.rmdir(plan["work"])
        os._exit(0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _kill_the_rest() -> None:
    """End and reap every process that is left below this one."""
    while True:
        if os.getpid() == 1:
            _kill(-1)
        else:
            for child in _children():
                _kill(child)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    # Orphans become children of this process, which asked for that.
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []
