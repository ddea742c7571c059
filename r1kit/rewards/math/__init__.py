r"""Is the final answer of a completion the gold answer? `check("1/2", r"... \boxed{0.5}").correct` is True.

One file a step: `extract` and `announce` find the final answer, `normalise` and `tokens` bring it to one spelling,
`fold` and `grammar.lark` say what can be written, `parse` reads it into a `tree`, `evaluate` and `irrational` give
numbers their value, `sets` gives relations and intervals theirs, `symbolic` asks sympy (through `build`) where
arithmetic is not enough, `compare` decides. `pool` runs all of it in processes that can be killed. What a model
wrote is only ever data: no step hands text to an interpreter, and sizes are bounded before anything is computed.
"""

from r1kit.rewards.math.checker import CheckResult, check, check_many, gold_is_usable

__all__ = ["CheckResult", "check", "check_many", "gold_is_usable"]
