"""Settings of every test: tensor shapes are checked, and torch keeps to one thread."""

from __future__ import annotations

import os

from jaxtyping import install_import_hook

# Read when torch is first imported; importing it here would slow down the tests that do without. Tiny tensors
# gain nothing from a second thread, and wait for it when the cores are busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The numeric tower: an int is a float, as mypy has it.
install_import_hook(
    ["r1kit.objectives", "r1kit.ops"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)
