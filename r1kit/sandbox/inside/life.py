"""One life: a process forked from the keeper, sealed, in which code that nobody trusts runs."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from r1kit.sandbox.inside.channels import REPLY, REQUEST, SCRATCH, Read, Write, open_scratch, reader, writer
from r1kit.sandbox.inside.kernel import PR_SET_PDEATHSIG, prctl
from r1kit.sandbox.inside.landlock import restrict
from r1kit.sandbox.inside.limits import limit_resources
from r1kit.sandbox.inside.plan import Plan
from r1kit.sandbox.inside.seccomp import install

Serve = Callable[[Read, Write], None]

# What the parent takes for "out of memory"; a program that ends with it by itself is thought to be that, too.
NO_MEMORY = 86


def live(plan: Plan, serve: Serve, sealed: int) -> NoReturn:
    """Seal this process, close `sealed`, and serve requests; what went wrong before is written there instead."""
    try:
        _seal(plan, sealed)
    except BaseException as error:  # noqa: BLE001  # whatever it is, nothing may run unsealed
        os.write(sealed, f"{type(error).__name__}: {error}".encode(errors="replace")[:500])
        os._exit(1)
    os.close(sealed)
    code = 1
    try:
        serve(reader(REQUEST), writer(REPLY))
        code = 0
    except MemoryError:
        code = NO_MEMORY
    except BaseException:  # noqa: BLE001  # stderr is where to look for what a life died of
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _seal(plan: Plan, sealed: int) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    open_scratch(plan["work"])
    _close_all_but({0, 1, 2, *SCRATCH, REQUEST, REPLY, sealed})
    if plan["landlock"]:
        restrict(plan["read"], plan["lists"], plan["write"])
    limit_resources(plan["limits"], plan["base_bytes"], plan["num_others"])
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if plan["seccomp"]:
        install(read_only=not plan["namespaces"])


def _close_all_but(kept: set[int]) -> None:
    first = 0
    for fd in sorted(kept):
        # With nothing between them, the call would take the upper end for the highest number there is.
        if fd > first:
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
