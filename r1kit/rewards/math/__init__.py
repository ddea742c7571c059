r"""Is the final answer of a completion the gold answer? `check("1/2", r"... \boxed{0.5}").correct` is True.

One file a step: `extract` finds the final answer, `tokens`, `expression` and `parse` read it into a `tree`,
`evaluate` gives numbers their exact value and `irrational` the rest, `compare` decides. What a model wrote is
only ever data: no step hands text to an interpreter, and every size is bounded before anything is computed.
mpmath is loaded when the first irrational number is compared, not before.
"""

from r1kit.rewards.math.checker import CheckResult, check, gold_is_usable

__all__ = ["CheckResult", "check", "gold_is_usable"]
