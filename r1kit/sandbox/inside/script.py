"""A whole program, run as `python program.py < input > output` would.

Its standard input and output are the scratch files of the life, so that it reads and prints in whatever way it likes
(`input`, `sys.stdin`, `open(0)`, `os.write(1, ...)`).
"""

from __future__ import annotations

import atexit
import os
import sys

from r1kit.sandbox.inside.channels import SCRATCH
from r1kit.sandbox.inside.encoding import encode
from r1kit.sandbox.inside.programs import describe, run_source

# typing costs a young interpreter some milliseconds; what follows is for the type checker alone.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run_script(request: dict[str, Any]) -> dict[str, Any]:
    """The reply `{"stdout", "is_cut", "exit_code"}`, of which the output is cut at `request["most"]` bytes.

    With `"raised"` and `"message"` when an exception ended the program. One life of the jail runs one program.
    """
    printed = _connect(request["stdin"].encode("utf-8", "surrogateescape"))
    os._exit = sys.exit  # type: ignore[assignment]  # else what was printed would not be read
    reply = _run(request["script"])
    content = os.pread(printed, request["most"] + 1, 0)
    is_cut = len(content) > request["most"]
    return {"stdout": encode(content[: request["most"]]), "is_cut": is_cut, **reply}


def _connect(text: bytes) -> int:
    """Makes files the program's standard input and output; returns a descriptor that reads the output."""
    source, printed = SCRATCH
    with open(source, "wb", closefd=False) as file:
        file.write(text)
    os.lseek(source, 0, os.SEEK_SET)
    os.dup2(source, 0)
    os.dup2(printed, 1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    return printed


def _run(source: str) -> dict[str, Any]:
    ours = sys.stdout
    reply: dict[str, Any] = {"exit_code": 0}
    try:
        try:
            run_source(source, "__main__", {})
        finally:
            _finish()
    except SystemExit as stop:
        reply = {"exit_code": _exit_code(stop.code)}
    except BaseException as error:  # noqa: BLE001  # whatever ends a program, it is an error of that program
        reply = {"exit_code": 1, **describe(error)}
    try:
        for stream in (sys.stdout, ours):
            if not getattr(stream, "closed", True):
                stream.flush()
    except BaseException as error:  # noqa: BLE001  # no room left, or the code's own stream
        reply = {"exit_code": 1, **describe(error)}
    return reply


def _finish() -> None:
    """What the interpreter does at its end: waits for threads, then runs what was registered."""
    threading = sys.modules.get("threading")
    if threading is not None:
        own = threading.current_thread()
        for thread in threading.enumerate():
            if thread is not own and not thread.daemon:
                thread.join()
    atexit._run_exitfuncs()  # noqa: SLF001


def _exit_code(code: object) -> int:
    if code is None or isinstance(code, int):
        return int(code or 0)
    sys.stderr.write(f"{code}\n")
    return 1
