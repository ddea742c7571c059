"""`r1kit ppo`: reinforcement learning with a value network."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Reinforcement learning with PPO: a value network beside the policy, as in RLHF."

command = stage_command("ppo")
