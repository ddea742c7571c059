"""The process that compares answers for a `Pool`: a comparison that hangs or crashes ends it, and nothing else.

One JSON line comes back for each that is sent. First, unasked, `{"ready": true}`; then `{"verdict": ...}` for
`{"gold": ..., "answer": ...}`, and `{"reason": ...}`, null if there is none, for a gold that is asked about alone:
why answers cannot be checked against it. `{"error": ...}` stands in either place for what raised an exception. They
travel on a socket of their own, so that nothing printed can be taken for a line.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from r1kit.core.rollout import Verdict

Decide: TypeAlias = Callable[[str, str], Verdict]

# The first sum and the first integral cost sympy half a second and more; no answer shall pay for that.
WARM_UP: Final = (
    (r"\frac{n(n+1)}{2}", r"\sum_{k=1}^{n}k"),
    (r"\frac12", r"\int_0^\infty e^{-x}\sin x\,dx"),
)
PARENT_CHECK_SECONDS: Final = 5.0
RECURSION_LIMIT: Final = 4000


def main(arguments: str) -> None:
    """Answer until the parent is gone, then end the process; `arguments` is the JSON that `Pool` writes."""
    options = json.loads(arguments)
    parent = os.getppid()
    channel = socket.socket(fileno=options["channel"])
    try:
        _settle_signals()
        decide = _load(options["serve"], options["libraries"], options["path"])
        _limit_resources(options["memory_mb"])
        _send(channel, {"ready": True})
        for line in _lines(channel, parent):
            _send(channel, _answer(decide, line, options["limit_seconds"]))
    except (MemoryError, ConnectionError):
        # Out of memory, where nothing more is safe to do, or the parent went away while it was spoken to.
        os._exit(1)
    except Exception as error:  # noqa: BLE001  # whatever a broken installation raises, the parent has to say it
        _send(channel, {"error": _describe(error)})
        os._exit(1)
    os._exit(0)


def _settle_signals() -> None:
    # A parent hands its blocked and ignored signals down; SIGALRM has to be able to kill.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Ctrl-C belongs to the parent; its end is noticed here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _load(serve: str, libraries: list[str], path: list[str]) -> Decide:
    # Behind this interpreter's own path, where nothing of the parent's can hide a module of Python's.
    sys.path += [folder for folder in path if folder not in sys.path]
    sys.setrecursionlimit(RECURSION_LIMIT)
    module, _, name = serve.partition(":")
    decide: Decide = getattr(importlib.import_module(module), name)
    for library in libraries:
        importlib.import_module(library)
    for gold, answer in WARM_UP:
        decide(gold, answer)
    # What is loaded by now stays: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return decide


def _limit_resources(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/statm")
    if not status.exists():
        # Only Linux tells, and enforces, the size of the address space; elsewhere time is the only limit.
        return
    in_use = int(status.read_text().split()[0]) * resource.getpagesize()
    most = in_use + memory_mb * 2**20
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _lines(channel: socket.socket, parent: int) -> Iterator[bytes]:
    """Each line that arrives, until the other end is closed or the parent is gone.

    A process that the parent forked may hold a copy of the other end, hence the look at the parent's id. A
    death signal (PR_SET_PDEATHSIG) would not do: it comes when the *thread* that started the worker ends.
    """
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    with channel.makefile("rb") as reader:
        while os.getppid() == parent:
            if poll.poll(PARENT_CHECK_SECONDS * 1000):
                line = reader.readline()
                if not line.endswith(b"\n"):
                    return
                yield line


def _answer(decide: Decide, line: bytes, limit_seconds: float) -> dict[str, Any]:
    """The verdict or the error; past the limit, SIGALRM ends the process even in the middle of C code."""
    signal.setitimer(signal.ITIMER_REAL, limit_seconds)
    try:
        question = json.loads(line)
        if "answer" not in question:
            from r1kit.rewards.math.decide import why_gold_is_unusable

            return {"reason": why_gold_is_unusable(question["gold"])}
        return {"verdict": Verdict(decide(question["gold"], question["answer"]))}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # one answer's trouble must not cost the worker
        return {"error": _describe(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.sendall(json.dumps(message).encode() + b"\n")
