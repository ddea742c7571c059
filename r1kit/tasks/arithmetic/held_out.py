"""What no training text may hold: one in eight of the pairs of neighbouring steps, chosen by a stable hash.

A test problem always has a banned pair. Working a chain out drops steps from its left end, so each line of a
trace keeps a suffix of the steps and can only hold pairs that the problem held. Text whose problems hold no
banned pair therefore holds no test problem, neither whole nor as a line, a prefix or a sub-expression.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from r1kit.core.seeds import derive_seed

_BANNED_ONE_IN: Final = 8
# The lookahead lets neighbouring pairs overlap: +1-2+3 holds (+1, -2) and (-2, +3).
_PAIR: Final = re.compile(r"(?=([-+*][0-9]+)([-+*][0-9]+))")


@cache
def is_banned_pair(first: str, second: str) -> bool:
    """Whether the neighbouring steps, written like `+3` and `-7`, are reserved for held-out problems."""
    return derive_seed("arithmetic held-out pair", first, second) % _BANNED_ONE_IN == 0


def banned_pairs_in(text: str) -> list[tuple[str, str]]:
    """Every banned pair written anywhere in `text`, in order."""
    return [pair for pair in step_pairs_in(text) if is_banned_pair(*pair)]


def step_pairs_in(text: str) -> list[tuple[str, str]]:
    """Every pair of neighbouring steps written anywhere in `text`, in order, overlapping ones too."""
    return [(match[1], match[2]) for match in _PAIR.finditer(text)]
