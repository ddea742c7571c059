"""`r1kit sft`: supervised fine-tuning; the cold start, and the stage after rejection sampling."""

from r1kit.sft.loop import run

__all__ = ["run"]
