"""The Engine protocol and its engines: prompts in, completions out."""

from r1kit.generation.build import build_engine
from r1kit.generation.engine import Engine, GenerationRequest

__all__ = ["Engine", "GenerationRequest", "build_engine"]
