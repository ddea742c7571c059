"""What a program may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a session, or one life in it, may use. Raises ValueError for what is not above zero.

    wall_seconds: a session from its start to its end, whatever it waits for.
    cpu_seconds: processor time of a life.
    memory_bytes: address space of a life, above what the interpreter itself needs.
    output_bytes: what a life writes to stdout and stderr together, and one reply.
    file_bytes: one file, and all files of the work folder together.
    num_files: open descriptors of a life, the five it is given included.
    num_threads: threads of a life, the first included.
    """

    wall_seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 512 * 2**20
    output_bytes: int = 2**20
    file_bytes: int = 16 * 2**20
    num_files: int = 64
    num_threads: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"sandbox limits: {name} is {value}; it has to be above zero")
