"""The command that starts the child: an interpreter without site-packages, and of r1kit only the folder `inside`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from r1kit.sandbox import inside

INSIDE: Final = str(Path(inside.__file__).resolve().parent)

# Packages without their __init__: those of r1kit and r1kit.sandbox would load what only the parent needs.
LOADER: Final = """
import sys
for name in "r1kit", "r1kit.sandbox", "r1kit.sandbox.inside":
    package = sys.modules[name] = type(sys)(name)
    package.__path__ = [sys.argv[1]] if name.endswith("inside") else []
from r1kit.sandbox.inside.{module} import main
main(sys.argv[2])
"""

# Hashes are the same in every run, so that a program which prints a set is judged alike each time. One heap for all
# threads: each of its own would take 64 MiB of the address space.
VARIABLES: Final = {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "MALLOC_ARENA_MAX": "1"}


def command(executable: str, module: str, argument: str) -> list[str]:
    """Runs `main(argument)` of a module of `inside`; nothing in the current folder or the environment is imported."""
    loader = LOADER.format(module=module)
    return [executable, "-P", "-s", "-S", "-c", loader, INSIDE, argument]


def environment(work: str) -> dict[str, str]:
    """All the variables that the child gets: nothing of the parent's."""
    return {**VARIABLES, "HOME": work, "TMPDIR": work, "PATH": "/usr/bin:/bin"}
