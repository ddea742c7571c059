"""`r1kit eval`: benchmarks, with the protocol beside the figure."""

from r1kit.evaluate.run import run

__all__ = ["run"]
