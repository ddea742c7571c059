"""`r1kit reward-model`: a reward model from preference pairs."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Train a reward model on pairs of replies of which one is preferred."

command = stage_command("reward-model")
