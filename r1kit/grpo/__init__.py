"""`r1kit grpo`: reinforcement learning with Group Relative Policy Optimization."""

from r1kit.grpo.loop import run

__all__ = ["run"]
