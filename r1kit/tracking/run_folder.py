"""The folder of a run, and the rule that nothing in it is ever lost.

A new or empty folder is taken as it is. A folder with a finished run is refused. What an unfinished or failed
run left is moved into `attempt-1/` (`attempt-2/`, ...) of the same folder, and the new run begins beside it.
A folder with anything else, or one that another process is writing to, is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any, Final

from r1kit.core.errors import ConfigError
from r1kit.core.jsonl import temporary_path

CONFIG_FILE: Final = "config.json"
SUMMARY_FILE: Final = "summary.json"
_LOCK_FILE: Final = ".lock"
_ATTEMPT: Final = "attempt-"


class RunFolder:
    """An open run folder: made ready for a new run, and locked until `close`.

    Attributes:
        path: the folder.
        set_aside: where an earlier unfinished run went, None when there was none.

    Raises:
        ConfigError: `path` is a file, cannot be created, holds a finished run or something that is not a run,
            or another process is writing to it.
    """

    def __init__(self, path: Path) -> None:
        _make_folder(path)
        self.path = path
        lock_is_new = not (path / _LOCK_FILE).exists()
        self._lock = _take_lock(path)
        try:
            self.set_aside = _clear(path)
        except BaseException:
            self.close()
            if lock_is_new:
                # A folder that is refused is left as it was.
                (path / _LOCK_FILE).unlink()
            raise

    def close(self) -> None:
        """Lets another process write here."""
        self._lock.close()


def run_status(path: Path) -> str | None:
    """The status of the run in a folder: done, failed or unfinished; None when the folder holds no run."""
    config = _read_object(path / CONFIG_FILE)
    if config is None or "stage" not in config or "versions" not in config:
        return None
    summary = _read_object(path / SUMMARY_FILE)
    return "unfinished" if summary is None else str(summary.get("status", "unfinished"))


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigError(f"output {path} is a file; name a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output {path} cannot be created: {error.strerror or error}") from error


def _take_lock(path: Path) -> IO[bytes]:
    try:
        lock = (path / _LOCK_FILE).open("ab")
    except OSError as error:
        raise ConfigError(f"output {path} cannot be written: {error.strerror or error}") from error
    if sys.platform != "win32":  # Windows has no flock; there, two runs in one folder are not noticed.
        import fcntl

        try:
            # The system drops the lock when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise ConfigError(
                f"output {path}: another run is writing there; choose another folder"
            ) from error
    return lock


def _clear(path: Path) -> Path | None:
    entries = _entries(path)
    if not entries:
        return None
    status = run_status(path)
    if status is None:
        names = ", ".join(entry.name for entry in entries[:3]) + (", ..." if len(entries) > 3 else "")
        raise ConfigError(f"output {path} holds files that are not an r1kit run ({names}); name a new folder")
    if status == "done":
        raise ConfigError(f"output {path} holds a finished run; name a new folder, or remove that one first")
    return _set_aside(path, entries)


def _set_aside(path: Path, entries: list[Path]) -> Path:
    number = 1
    while (path / f"{_ATTEMPT}{number}").exists():
        number += 1
    attempt = path / f"{_ATTEMPT}{number}"
    attempt.mkdir()
    # config.json goes last: a kill in between leaves a folder that still counts as an unfinished run.
    for entry in sorted(entries, key=lambda entry: entry.name == CONFIG_FILE):
        entry.rename(attempt / entry.name)
    return attempt


def _entries(path: Path) -> list[Path]:
    ignored = {_LOCK_FILE, temporary_path(path / CONFIG_FILE).name}
    return sorted(
        entry for entry in path.iterdir() if entry.name not in ignored and not entry.name.startswith(_ATTEMPT)
    )


def _read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is no such file or it holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
