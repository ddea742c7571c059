"""What loading the rewards costs."""

import subprocess
import sys

PROGRAM = """
import sys
from r1kit.rewards.math import check
assert check("3/4", "\\\\boxed{0.75}").correct and check("(1,2)", "\\\\boxed{(1, 2)}").correct
assert check("x^2-1", "\\\\boxed{(x-1)(x+1)}").correct
heavy = {"torch", "sympy", "mpmath", "pydantic"} & set(sys.modules)
assert not heavy, heavy
assert check("2\\\\pi", "\\\\boxed{\\\\pi*2}").correct
import r1kit.rewards.compose
assert "torch" not in sys.modules and "sympy" not in sys.modules
"""


def test_the_checker_loads_only_what_it_needs() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
