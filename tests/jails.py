"""Jails of a few layers only, and programs run in them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from r1kit.sandbox import Limits, Outcome
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.layers import LANDLOCK, NAMESPACES, SECCOMP, Layers
from r1kit.sandbox.session import Session


def jail_of(*names: str) -> Jail:
    """A jail of just these layers; the limits are always on."""
    return Jail(this_interpreter(), frozenset(names))


# What a kernel has to allow for a layer, tried without any of our own code.
KERNEL_ALLOWS = {
    NAMESPACES: "libc.unshare(0x7E020000) == 0 and libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
    LANDLOCK: "libc.syscall(444, None, 0, 1) >= 1",
    SECCOMP: "os.path.exists('/proc/sys/kernel/seccomp/actions_avail')",
}


@cache
def kernel_allows(name: str) -> bool:
    code = f"import ctypes, os, sys; libc = ctypes.CDLL(None); sys.exit(not ({KERNEL_ALLOWS[name]}))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def need(layers: Layers, name: str) -> None:
    """Skip where the kernel has no such layer; where it has, and the layer does not hold, the fault is ours."""
    if not kernel_allows(name):
        pytest.skip(f"the kernel does not allow {name}")
    assert layers.holds(name), [layer.detail for layer in layers.found if layer.name == name]


def ask(session: Session, source: str, wall_seconds: float | None = None) -> dict[str, Any] | None:
    """Run a program in a life: `{"loaded": True}`, or `{"raised": ...}`, or None when the life ended."""
    return session.ask({"source": source, "name": "__main__"}, wall_seconds=wall_seconds)


def run(source: str, *names: str, limits: Limits | None = None) -> tuple[str | None, Outcome]:
    """What a program raised ("" for nothing, None when it ended its life), and the outcome."""
    with Session(jail_of(*names), limits or Limits()) as session:
        reply = ask(session, source)
        raised = None if reply is None else reply.get("raised", "")
        return raised, session.close()


def printed(source: str, *names: str, limits: Limits | None = None) -> str:
    """What a program prints, which has to end well."""
    raised, outcome = run(source + "\nimport sys; sys.stdout.flush()", *names, limits=limits)
    assert raised == "", (raised, outcome)
    return outcome.stdout.decode()
