"""Removes what a life left in its folder."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator


def clear_folder(folder: str) -> None:
    """Remove everything in a folder that nobody else changes now, however deep and whatever its rights.

    What lies in a folder is moved up before it is removed, so that no path gets long. Raises OSError.
    """
    names = (f"{folder}/.{number}" for number in itertools.count())
    while entries := os.listdir(folder):
        for entry in entries:
            _remove(os.path.join(folder, entry), names)


def _remove(path: str, names: Iterator[str]) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)
        return
    os.chmod(path, 0o700)
    for entry in os.listdir(path):
        inner = os.path.join(path, entry)
        if stat.S_ISDIR(os.lstat(inner).st_mode):
            # To move a folder takes the right to write it.
            os.chmod(inner, 0o700)
        os.rename(inner, next(name for name in names if not os.path.lexists(name)))
    os.rmdir(path)
