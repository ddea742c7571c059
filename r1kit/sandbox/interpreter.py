"""The Python that runs untrusted programs, and what it has to be able to read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from r1kit.core.errors import SandboxError
from r1kit.sandbox.bootstrap import command, environment

START_SECONDS: Final = 30.0
# Other people's packages are not for a program: a benchmark with its answers may be among them.
MASKED: Final = ("site-packages", "dist-packages")
# Of the standard library, but kept elsewhere.
EXTRAS: Final = ("/usr/share/zoneinfo",)
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter without its environment; paths are absolute and without links.

    folders: what it reads, whole folders. masks: folders in them that no program shall see. base_bytes: its address
    space at rest.
    """

    executable: str
    folders: tuple[str, ...]
    masks: tuple[str, ...]
    base_bytes: int


@cache
def readable(interpreter: Interpreter) -> list[str]:
    """The files and folders that it may read, finer than its `folders` where a mask lies in one, and the devices."""
    masks = set(interpreter.masks)
    fine = [path for folder in interpreter.folders for path in _without(Path(folder), masks)]
    return [*fine, *(device for device in DEVICES if Path(device).exists())]


@cache
def this_interpreter() -> Interpreter:
    """The one that runs this process. Raises SandboxError when it does not start by itself."""
    # The path of a virtual environment's link would make it look for that environment.
    executable = str(Path(sys.executable).resolve())
    try:
        done = subprocess.run(
            command(executable, "measure", ""),
            env=environment("/"),
            capture_output=True,
            check=True,
            timeout=START_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        needs = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(f"the interpreter {executable} cannot be started by itself: {error}") from None
    folders = _outermost([*needs["modules"], *needs["libraries"], *filter(_is_folder, EXTRAS)])
    masks = sorted({str(path) for folder in folders for path in _masked_in(Path(folder))})
    return Interpreter(executable, tuple(folders), tuple(masks), needs["base_bytes"])


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


def _outermost(folders: Iterable[str]) -> list[str]:
    """Without those that lie in another one."""
    paths = sorted({Path(folder).resolve() for folder in folders})
    return [str(path) for path in paths if not any(other in path.parents for other in paths)]


def _masked_in(folder: Path) -> Iterator[Path]:
    for name in MASKED:
        for path in (folder / name, *folder.glob(f"python3*/{name}")):
            if path.is_dir() and not path.is_symlink():
                yield path


def _without(folder: Path, masks: set[str]) -> Iterator[str]:
    """The folder, or what is in it but for the masks."""
    if not any(mask.startswith(f"{folder}/") for mask in masks):
        yield str(folder)
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and str(path) not in masks:
            yield from _without(path, masks)
        elif not path.is_dir() and path.exists():
            yield str(path)
