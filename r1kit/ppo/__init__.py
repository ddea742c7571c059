"""`r1kit ppo`: reinforcement learning with Proximal Policy Optimization and a value network."""

from r1kit.ppo.loop import run

__all__ = ["run"]
