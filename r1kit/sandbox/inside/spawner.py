"""An interpreter that has everything loaded, and forks a process for each jail: ten times as fast as starting one.

It stays outside and runs nothing of what the jails run.
"""

from __future__ import annotations

# What programs import most, so that they need not wait for it.
import bisect  # noqa: F401
import collections  # noqa: F401
import functools  # noqa: F401
import gc
import heapq  # noqa: F401
import itertools  # noqa: F401
import json
import math  # noqa: F401
import os
import re  # noqa: F401
import select
import signal
import socket
from typing import NoReturn

from r1kit.sandbox.inside.enter import enter
from r1kit.sandbox.inside.plan import Plan

PARENT_CHECK_SECONDS = 5.0
MOST_BYTES = 1 << 18


def main(channel: str) -> NoReturn:
    """Serve the parent over the socket with that number until it is gone.

    Each message is a plan with five descriptors: request, reply, control, stdout and stderr. The answer is a
    descriptor of the new process, by which its end can be awaited.
    """
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    line = socket.socket(fileno=int(channel))
    gc.freeze()
    while os.getppid() == parent:
        if select.select([line], [], [], PARENT_CHECK_SECONDS)[0]:
            text, descriptors, _, _ = socket.recv_fds(line, MOST_BYTES, 5)
            if not text:
                break
            _answer(line, json.loads(text), descriptors)
    os._exit(0)


def _reap(*_: object) -> None:
    """Forget the jails that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _answer(line: socket.socket, plan: Plan, descriptors: list[int]) -> None:
    # It must not be reaped before it has been answered for.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        try:
            _begin(line, plan, descriptors)
        finally:
            os._exit(1)
    pidfd = os.pidfd_open(child)
    try:
        socket.send_fds(line, [str(child).encode()], [pidfd])
    finally:
        for descriptor in (*descriptors, pidfd):
            os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _begin(line: socket.socket, plan: Plan, descriptors: list[int]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line.close()
    request, reply, control, stdout, stderr = descriptors
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    enter({**plan, "request": request, "reply": reply, "control": control})
