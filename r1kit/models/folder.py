"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r1kit.core.errors import EnvironmentError_, ModelError
from r1kit.models.lineage import LINEAGE_FILE


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that becomes it on a clean exit; on an error nothing is left.

    An existing `folder` is replaced only if it is empty or was written by r1kit (it holds a lineage.json).
    Raises ModelError if it holds anything else, EnvironmentError_ when the disk refuses.
    """
    folder = folder.expanduser().absolute()
    _check_replaceable(folder)
    partial = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    old = folder.parent / f".{folder.name}.{os.getpid()}.old"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise EnvironmentError_(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file; a model needs a folder")
    if any(folder.iterdir()) and not (folder / LINEAGE_FILE).is_file():
        raise ModelError(f"{folder} holds other files and is not overwritten; choose a new folder")
