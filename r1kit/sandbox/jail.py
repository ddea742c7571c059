"""What a jail is made of, and what its first process is told."""

from __future__ import annotations

import platform
import re
import secrets
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from r1kit.sandbox.inside.plan import Plan
from r1kit.sandbox.interpreter import Interpreter, readable
from r1kit.sandbox.layers import BUBBLEWRAP, LANDLOCK, NAMESPACES, SECCOMP
from r1kit.sandbox.limits import Limits

# The work folder where the root folder is the jail's own.
WORK: Final = "/box"
# The child ends all by itself so long after the session should have ended, whatever became of the parent.
LATE_SECONDS: Final = 5.0
# Where processes are counted with all others of the user, room for what else that user may start.
SPARE_PROCESSES: Final = 512
# The first Linux that counts the processes of a user namespace for itself.
COUNTS_APART: Final = (5, 14)


@dataclass(frozen=True, slots=True)
class Jail:
    """What all sessions share: the interpreter, the layers to apply, and the module of `inside` that serves."""

    interpreter: Interpreter
    layers: frozenset[str]
    serve: str = "worker"

    def plan(self, limits: Limits) -> Plan:
        """What the child is told."""
        has_own_root = self.layers & {NAMESPACES, BUBBLEWRAP}
        work = WORK if has_own_root else str(Path(tempfile.gettempdir()) / f"r1kit-{secrets.token_hex(8)}")
        folders = list(self.interpreter.folders)
        return {
            "serve": self.serve,
            "namespaces": NAMESPACES in self.layers,
            "bubblewrap": BUBBLEWRAP in self.layers,
            "landlock": LANDLOCK in self.layers,
            "seccomp": SECCOMP in self.layers,
            "folders": folders,
            "masks": list(self.interpreter.masks),
            "read": ["/"] if has_own_root else readable(self.interpreter),
            "lists": [] if has_own_root else folders,
            "write": [work, "/dev/null"] if NAMESPACES in self.layers else [],
            "work": work,
            "base_bytes": self.interpreter.base_bytes,
            "num_others": num_others(self.layers, platform.release()),
            "limits": {name: value for name, value in asdict(limits).items() if name != "wall_seconds"},
            "seconds": limits.wall_seconds + LATE_SECONDS,
            "request": -1,
            "reply": -1,
            "control": -1,
        }


def num_others(layers: Collection[str], release: str) -> int:
    """The processes that the kernel, of this release, counts together with the threads of a life."""
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if version >= COUNTS_APART and NAMESPACES in layers:
        # The keeper, and the one that stays outside its PID namespace.
        return 2
    if version >= COUNTS_APART and BUBBLEWRAP in layers:
        return 1
    running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3]
    return int(running.partition("/")[2]) + SPARE_PROCESSES
