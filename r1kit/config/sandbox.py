"""How code that a model wrote is run."""

from __future__ import annotations

from pydantic import Field

from r1kit.config.section import Section


class SandboxConfig(Section):
    """Limits of the code that a model wrote, and whether it runs in a jail."""

    unsafe: bool = False
    """Run code without a jail, where none holds: with limits alone, it can read and write what you can."""
    test_seconds: float = Field(default=6.0, gt=0, le=86_400)
    """Longest time for one test, in seconds."""
    wall_seconds: float = Field(default=12.0, gt=0, le=86_400)
    """Longest time for all tests of a completion together, in seconds."""
    stop_at_timeout: bool = True
    """Leave out the tests after one that took too long; they count as timed out, too."""
    memory_mb: int = Field(default=512, ge=16, le=2**20)
    """Most memory of a program, in MiB, beyond what the interpreter itself needs."""
    workers: int | None = Field(default=None, ge=1)
    """Completions that are judged at a time; when left out, one a core."""
