"""`r1kit reward-model`: what people prefer, as a number; for the last stage of reinforcement learning."""

from r1kit.reward_model.loop import run

__all__ = ["run"]
