"""Tensor tools: token log-probabilities, trees of completions and attention over them, micro-batches, padding."""
