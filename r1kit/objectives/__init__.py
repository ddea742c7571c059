"""The mathematics of training: pure functions from tensors to tensors, with no model, state or randomness."""
