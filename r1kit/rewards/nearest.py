"""The name that a misspelled one probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_hint(name: str, valid: Iterable[str]) -> str:
    """'; did you mean "math"?' for the valid name closest to `name`, "" when none is close."""
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
