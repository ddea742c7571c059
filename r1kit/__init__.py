"""r1kit: the DeepSeek-R1 recipe, from a base model to a reasoning model, on one consumer GPU."""

__version__ = "0.1.0"
