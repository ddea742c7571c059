"""The first code that runs in the child process: closes the jail, and leaves a keeper in it.

Of the new processes the first stays outside the PID namespace, and ends with the second, which is the first inside.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from typing import NoReturn

from r1kit.sandbox.inside import attempts, namespaces, worker
from r1kit.sandbox.inside.channels import CONTROL, REPLY, REQUEST, SCRATCH, settle
from r1kit.sandbox.inside.keeper import keep
from r1kit.sandbox.inside.kernel import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    drop_capabilities,
    empty_bounding_set,
    forbid_new_privileges,
    prctl,
)
from r1kit.sandbox.inside.life import Serve
from r1kit.sandbox.inside.plan import Plan

SERVED: dict[str, Serve] = {"attempts": attempts.serve, "worker": worker.serve}


def main(text: str) -> NoReturn:
    """Enter the jail of a plan that is written as JSON, for a process that was started for this one."""
    enter(json.loads(text))


def enter(plan: Plan) -> NoReturn:
    """Enter the jail, and serve in it until the parent is gone."""
    settle(plan["request"], plan["reply"], plan["control"])
    try:
        # What comes here is not for us; a life gets its signals back.
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        sys.argv = ["program.py"]
        os.environ.update(HOME=plan["work"], TMPDIR=plan["work"])
        gc.freeze()
        _close_the_door(plan)
    except Exception as error:  # noqa: BLE001  # whatever it is, the parent has to say it
        _fail(error)
    if plan["namespaces"]:
        _leave_outside()
    prctl(PR_SET_DUMPABLE, 0)
    keep(plan, SERVED[plan["serve"]])


def _close_the_door(plan: Plan) -> None:
    parent = os.getppid()
    if plan["namespaces"]:
        namespaces.enter(plan["folders"], plan["masks"], plan["work"], plan["limits"]["file_bytes"])
    elif plan["bubblewrap"]:
        os.chdir(plan["work"])
    else:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        os.mkdir(plan["work"], 0o700)
        os.chdir(plan["work"])
    if plan["namespaces"] or plan["bubblewrap"] or plan["landlock"] or plan["seccomp"]:
        empty_bounding_set()
        drop_capabilities()
        forbid_new_privileges()
    if plan["namespaces"] or plan["bubblewrap"]:
        # Only now: a change of the user or of the capabilities would undo it. Elsewhere the keeper notices by itself,
        # and has a folder to remove.
        _end_with_parent(parent)


def _leave_outside() -> None:
    """Fork, and return in the new process only; this one waits for it."""
    ours = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with_parent(ours)
        return
    for channel in (0, 1, 2, *SCRATCH, REQUEST, REPLY, CONTROL):
        os.close(channel)
    # The keeper dies with this process, and with the keeper all of its namespace.
    os.waitpid(child, 0)
    os._exit(0)


def _end_with_parent(parent: int) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Zero: it is outside of this PID namespace. Else it may have gone before it could be followed.
    if os.getppid() not in (0, parent):
        os._exit(1)


def _fail(error: Exception) -> NoReturn:
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    os.write(CONTROL, f"failed {text[:500]}\n".encode(errors="replace"))
    os._exit(1)
