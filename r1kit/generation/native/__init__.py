"""The native engine: continuous batching over the trainer's own weights, with prompts shared by their completions."""

from r1kit.generation.native.engine import NativeEngine

__all__ = ["NativeEngine"]
