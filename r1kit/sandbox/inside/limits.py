"""What one life may use, as the kernel counts it. setrlimit(2)."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource


def limit_resources(limits: dict[str, int], base_bytes: int, num_others: int) -> None:
    """Bind this process to its limits for good.

    `base_bytes` is the address space of an interpreter at rest; `num_others` are the processes that the kernel
    counts together with the threads of this one. Raises OSError and ValueError.
    """
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_AS, base_bytes + limits["memory_bytes"])
    _set(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _set(resource.RLIMIT_NOFILE, limits["num_files"])
    _set(resource.RLIMIT_NPROC, num_others + limits["num_threads"])
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_MSGQUEUE, 0)
    # SIGXCPU at the limit may be caught; SIGKILL a second later may not.
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    seconds = limits["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, _least(seconds + 1, hard)))


def _set(kind: int, value: int) -> None:
    value = _least(value, resource.getrlimit(kind)[1])
    resource.setrlimit(kind, (value, value))


def _least(value: int, hard: int) -> int:
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
