"""One jailed process and the parent's ends of its channels."""

from __future__ import annotations

import os
import select
import shutil
import socket
from contextlib import ExitStack, suppress
from typing import Final

from r1kit.sandbox import bubblewrap, spawn
from r1kit.sandbox.inside.plan import Plan
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.limits import Limits

# How long its keeper is given to end everything.
END_SECONDS: Final = 3.0


class Process:
    """The child and the parent's ends of its channels.

    `request` is written, `reply`, `stdout` and `stderr` are read, all without blocking; over `control` its keeper is
    heard and told. `pidfd` is readable once the process has ended. Raises OSError.
    """

    def __init__(self, jail: Jail, limits: Limits) -> None:
        self._plan: Final = jail.plan(limits)
        with ExitStack() as ours, ExitStack() as theirs:
            self.control, their_control = socket.socketpair()
            ours.callback(self.control.close)
            theirs.callback(their_control.close)
            self.reply, their_reply = _pipe(ours, theirs)
            self.stdout, their_stdout = _pipe(ours, theirs)
            self.stderr, their_stderr = _pipe(ours, theirs)
            their_request, self.request = _pipe(theirs, ours)
            ends = spawn.Ends(their_request, their_reply, their_control.fileno(), their_stdout, their_stderr)
            self.pidfd = self._start(jail.interpreter.executable, ends, ours)
            self._ours = ours.pop_all()
        for channel in (self.reply, self.stdout, self.stderr, self.request):
            os.set_blocking(channel, False)
        self.control.setblocking(False)

    def _start(self, executable: str, ends: spawn.Ends, ours: ExitStack) -> int:
        if not self._plan["bubblewrap"]:
            pidfd = spawn.spawner_of(executable).start(self._plan, ends)
            ours.callback(os.close, pidfd)
            return pidfd
        plan: Plan = {**self._plan, "request": ends.request, "reply": ends.reply, "control": ends.control}
        popen, pidfd = spawn.start_alone(bubblewrap.command_line(executable, plan), ends, plan["work"])
        ours.callback(popen.wait)
        ours.callback(os.close, pidfd)
        return pidfd

    def say(self, letter: bytes) -> None:
        """Tell the keeper something; nothing when it is gone."""
        with suppress(OSError):
            self.control.send(letter)

    def dismiss(self) -> None:
        """Have the keeper end everything; any thread may do this at any time until `close`."""
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Wait until nothing of the process is left, and close the channels."""
        self.dismiss()
        if not self._has_ended_in(END_SECONDS):
            spawn.kill(self.pidfd)
            self._has_ended_in(END_SECONDS)
        self._ours.close()
        if not self._plan["namespaces"] and not self._plan["bubblewrap"]:
            # Its keeper has done this, unless it was killed.
            shutil.rmtree(self._plan["work"], ignore_errors=True)

    def _has_ended_in(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def forget(self) -> None:
        """Close the channels in a forked process, and leave the rest to the one they belong to."""
        for channel in (self.reply, self.stdout, self.stderr, self.request, self.pidfd):
            os.close(channel)
        self.control.close()


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    reading.callback(os.close, read_end)
    writing.callback(os.close, write_end)
    return read_end, write_end
