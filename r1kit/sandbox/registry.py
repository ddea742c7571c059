"""Every session that is open, so that none outlives this process or an interrupt."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Final, Protocol


class Closable(Protocol):
    """What is registered."""

    def kill(self) -> None:
        """Have it ended soon."""

    def close(self) -> object:
        """End it and wait."""

    def forget(self) -> None:
        """Let go of it in a forked process."""


class Registry:
    """The open sessions of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Closable] = set()
        self._closes_at_exit = False

    def add(self, session: Closable) -> None:
        """Note an open session."""
        with self._lock:
            self._open.add(session)
            if not self._closes_at_exit:
                # Only now: what is registered last runs first, and the spawner has to be there for longer.
                atexit.register(self.close_all)
                self._closes_at_exit = True

    def discard(self, session: Closable) -> None:
        """Note that it is closed."""
        with self._lock:
            self._open.discard(session)

    def __len__(self) -> int:
        return len(self._open)

    def close_all(self) -> None:
        """Close every session; other threads that are asking get no answer."""
        with self._lock:
            sessions = list(self._open)
        # All at once, and only then wait for each.
        for session in sessions:
            session.kill()
        for session in sessions:
            session.close()

    def forget_all(self) -> None:
        """Let go of the sessions of the process that this one was forked from."""
        # A thread that does not exist here may have held the lock.
        self._lock = threading.Lock()
        for session in self._open:
            session.forget()
        self._open.clear()


REGISTRY: Final = Registry()
close_all = REGISTRY.close_all

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REGISTRY.forget_all)
