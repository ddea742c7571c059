"""`r1kit grpo`: reinforcement learning."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Reinforcement learning with GRPO on problems whose answers can be checked."

command = stage_command("grpo")
