"""Code in a completion: which of it counts, and what the judge says of it."""

from r1kit.rewards.code.extract import extract_code

__all__ = ["extract_code"]
