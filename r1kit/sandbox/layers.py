"""What stands between a program and the machine, by name, and which of it is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAMESPACES: Final = "namespaces"
BUBBLEWRAP: Final = "bubblewrap"
LANDLOCK: Final = "landlock"
SECCOMP: Final = "seccomp"
LIMITS: Final = "limits"

# Any one of these sets is sufficient; all that holds is applied together. seccomp is in each: without it a program
# gets around the limits (shared memory that is left behind is in nobody's address space).
SUFFICIENT: Final = tuple({outer, SECCOMP, LIMITS} for outer in (NAMESPACES, BUBBLEWRAP, LANDLOCK))


@dataclass(frozen=True, slots=True)
class Layer:
    """One of them: whether it holds here, as the probe saw it, and what it does or why not."""

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Layers:
    """All of them, strongest first. `is_unsafe`: the user has asked to go on with the limits alone."""

    found: tuple[Layer, ...]
    is_unsafe: bool = False

    def holds(self, name: str) -> bool:
        """Whether a layer holds."""
        return any(layer.holds for layer in self.found if layer.name == name)

    @property
    def names(self) -> frozenset[str]:
        """Those that hold."""
        return frozenset(layer.name for layer in self.found if layer.holds)

    @property
    def is_sufficient(self) -> bool:
        """Whether a program that nobody trusts may be run behind them."""
        return any(needed <= self.names for needed in SUFFICIENT)
