"""Tells what an interpreter needs: the folders it reads, and its address space when it is ready to enter a jail."""

from __future__ import annotations

import json
import os
import sys

# Loaded for their size.
from r1kit.sandbox.inside import spawner, worker

LOADED = (spawner, worker)


def main(_: str) -> None:
    """Print it as JSON: the folders of modules and of shared libraries, and the size in bytes."""
    with open("/proc/self/maps") as file:
        mapped = {line.split(maxsplit=5)[5].rstrip("\n") for line in file if ".so" in line}
    with open("/proc/self/statm") as file:
        num_pages = int(file.read().split()[0])
    modules = [os.path.realpath(path) for path in sys.path if os.path.isdir(path)]
    libraries = sorted({os.path.dirname(path) for path in mapped})
    base_bytes = num_pages * os.sysconf("SC_PAGE_SIZE")
    sys.stdout.write(json.dumps({"modules": modules, "libraries": libraries, "base_bytes": base_bytes}))
