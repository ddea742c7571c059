"""Runs many command lines as processes of their own without paying for the import of torch each time.

As a script: reads a JSON list of argument lists on stdin, imports every stage once, forks for each command line
into `python -m r1kit`, and prints a JSON list of {"code", "out", "err"}.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn


def run_all(commands: list[list[str]], cwd: Path) -> list[dict[str, Any]]:
    """Exit code, stdout and stderr of `r1kit ARGUMENTS` for each list of arguments, run one after the other."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(commands),
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results


def _forked(arguments: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _become_r1kit(arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return {"code": code, "out": out.read(), "err": err.read()}


def _become_r1kit(arguments: list[str]) -> NoReturn:
    """`python -m r1kit ARGUMENTS` in this process, which ends with it."""
    sys.argv = ["r1kit", *arguments]
    code = 1
    try:
        runpy.run_module("r1kit", run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # what Python itself does with an error that nobody caught
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """The script."""
    import r1kit.evaluate
    import r1kit.grpo
    import r1kit.reject_sample
    import r1kit.sft  # noqa: F401  # imported for the children

    json.dump([_forked(arguments) for arguments in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
