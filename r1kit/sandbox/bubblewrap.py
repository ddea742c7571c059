"""bubblewrap, for hosts that allow user namespaces to it alone: it makes the namespaces and the root folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

from r1kit.sandbox.bootstrap import INSIDE, command
from r1kit.sandbox.inside.plan import Plan
from r1kit.sandbox.interpreter import DEVICES

NAME: Final = "bwrap"
NOBODY: Final = "65534"


def find() -> str | None:
    """The path of bwrap, or None where it is not installed, or would run untrusted code as root.

    A root user needs nobody's permission for namespaces of our own; where it cannot have them, as in a container,
    bubblewrap cannot either.
    """
    return None if os.getuid() == 0 else shutil.which(NAME)


def command_line(executable: str, plan: Plan) -> list[str]:
    """Starts an interpreter that enters the jail of a plan as the first process of bubblewrap's namespaces."""
    bwrap = find() or NAME
    paths = [executable, INSIDE, *plan["folders"]]
    arguments = [bwrap, "--unshare-all", "--unshare-user", "--as-pid-1", "--uid", NOBODY, "--gid", NOBODY]
    for path in paths:
        arguments += ["--ro-bind", path, path]
    for mask in plan["masks"]:
        arguments += ["--tmpfs", mask, "--remount-ro", mask]
    arguments += _loaders()
    for device in DEVICES:
        arguments += ["--dev-bind", device, device]
    arguments += ["--size", str(plan["limits"]["file_bytes"]), "--tmpfs", plan["work"], "--remount-ro", "/"]
    return [
        *arguments,
        "--cap-drop",
        "ALL",
        "--chdir",
        plan["work"],
        "--",
        *command(executable, "enter", json.dumps(plan)),
    ]


def _loaders() -> list[str]:
    """The loader of shared libraries where programs look for it, and the links to the libraries' folders."""
    arguments: list[str] = []
    for link in (Path("/lib"), Path("/lib64")):
        if link.is_symlink():
            arguments += ["--symlink", str(link.readlink()), str(link)]
        for loader in link.glob("ld-*.so*"):
            arguments += ["--ro-bind", str(loader.resolve()), str(link.resolve() / loader.name)]
    return arguments
