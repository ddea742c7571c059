"""The door: a sandbox that holds on this machine, or a clear refusal."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from functools import cache

from r1kit.core.errors import SandboxError
from r1kit.sandbox.inside.syscalls import TABLES
from r1kit.sandbox.interpreter import this_interpreter
from r1kit.sandbox.jail import Jail
from r1kit.sandbox.layers import LIMITS, Layers
from r1kit.sandbox.limits import Limits
from r1kit.sandbox.probe import WAY_OUT, probe
from r1kit.sandbox.session import Session

DEFAULT_LIMITS = Limits()
# A jail takes ten descriptors of this process, and the usual 1024 are few for a machine of many cores.
MOST_FILES = 65_536


@dataclass(frozen=True)
class Sandbox:
    """Starts sessions behind all layers that hold here. `layers` says which these are."""

    layers: Layers
    jail: Jail

    def start(self, limits: Limits = DEFAULT_LIMITS) -> Session:
        """A session with a fresh interpreter. Raises SandboxError when no process can be started."""
        try:
            return Session(self.jail, limits)
        except OSError as error:
            raise SandboxError(f"the sandbox cannot start a process: {error}") from error


def open_sandbox(*, unsafe: bool = False) -> Sandbox:
    """The sandbox of this machine, which is probed once.

    With `unsafe` programs run without any layer but the limits. Raises SandboxError when there is no Linux, or no
    set of layers that suffices.
    """
    refuse_other_systems(sys.platform, _machine())
    _allow_many_files()
    layers = probed()
    if unsafe:
        only_limits = frozenset((LIMITS,))
        return Sandbox(replace(layers, is_unsafe=True), Jail(this_interpreter(), only_limits))
    require_sufficient(layers)
    return Sandbox(layers, Jail(this_interpreter(), layers.names))


@cache
def probed() -> Layers:
    """What holds on this machine. Raises SandboxError."""
    refuse_other_systems(sys.platform, _machine())
    return probe()


def refuse_other_systems(platform: str, machine: str) -> None:
    """Raises SandboxError unless it is a Linux whose system calls are known."""
    if platform != "linux":
        name = {"darwin": "macOS", "win32": "Windows"}.get(platform, platform)
        way_out = "use WSL 2" if platform == "win32" else "use a Linux machine or container"
        raise SandboxError(f"untrusted code runs on Linux only, and this is {name}; {way_out}")
    if machine not in TABLES:
        raise SandboxError(
            f"untrusted code runs on {' and '.join(TABLES)} only, and this machine is {machine}"
        )


def require_sufficient(layers: Layers) -> None:
    """Raises SandboxError, with what is missing and the way out, unless the layers suffice."""
    if not layers.is_sufficient:
        missing = "; ".join(f"{layer.name}: {layer.detail}" for layer in layers.found if not layer.holds)
        raise SandboxError(f"no sandbox holds on this machine ({missing}); {WAY_OUT}")


def _allow_many_files() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _machine() -> str:
    import platform

    return platform.machine()
