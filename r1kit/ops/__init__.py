"""Tensor tools: token log-probabilities, padding, packing, attention masks and micro-batches."""
