"""Rebuilds the general problems, their texts and the preference pairs: `general/` and `preferences/` of this folder.

    python data/make_preferences.py      # a second

Everything is drawn from fixed seeds by `r1kit/tasks/everyday`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from r1kit.tasks.everyday.files import shipped_files

_DATA_DIR: Final = Path(__file__).parent


def main() -> int:
    """Writes every file; returns the exit code."""
    for name, content in shipped_files().items():
        path = _DATA_DIR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
