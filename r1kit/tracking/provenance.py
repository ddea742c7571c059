"""What a run was made with: versions, machine and commit."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Final

import r1kit

_LIBRARIES: Final = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "numpy",
    "peft",
    "pydantic",
    "safetensors",
    "sympy",
    "tokenizers",
    "torch",
    "transformers",
)


def versions() -> dict[str, str]:
    """Version by name of r1kit, Python and each library that decides a result; one not installed is absent."""
    found = {"r1kit": r1kit.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        version = _installed_version(name)
        if version is not None:
            found[name] = version
    return found


def machine() -> dict[str, str]:
    """Operating system and processor architecture."""
    return {"platform": platform.platform(), "architecture": platform.machine()}


def source_commit() -> str | None:
    """Commit of the checkout r1kit runs from, with `-dirty` behind it when tracked files were changed.

    None when r1kit does not run from a checkout, git is missing, or there is no commit yet.
    """
    root = Path(r1kit.__file__).resolve().parent.parent
    # An installed r1kit may lie inside the checkout of another project, whose commit says nothing about r1kit.
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root:
        return None
    return _git(root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
