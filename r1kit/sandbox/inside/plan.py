"""What the parent tells the process that it starts: which layers to apply, what may be read, and the limits."""

from __future__ import annotations

from typing import TypedDict


class Plan(TypedDict):
    """Paths are absolute and without links; sizes are bytes, times seconds, descriptors numbers."""

    serve: str
    namespaces: bool
    bubblewrap: bool
    landlock: bool
    seccomp: bool
    folders: list[str]
    masks: list[str]
    read: list[str]
    lists: list[str]
    write: list[str]
    work: str
    base_bytes: int
    num_others: int
    limits: dict[str, int]
    seconds: float
    request: int
    reply: int
    control: int
