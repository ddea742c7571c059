"""The rooms that must load fast: none of them brings torch in."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
room = importlib.import_module("r1kit." + sys.argv[1])
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
heavy = {"torch", "transformers", "peft", "bitsandbytes", "datasets"} & set(sys.modules)
sys.exit(f"{room.__name__} loads {sorted(heavy)}" if heavy else 0)
"""


@pytest.mark.parametrize("room", ["core", "config", "tasks", "sandbox", "rewards", "tracking", "pipeline"])
def test_the_room_loads_without_torch(room: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, room],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
