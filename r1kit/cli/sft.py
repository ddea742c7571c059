"""`r1kit sft`: supervised fine-tuning."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Supervised fine-tuning on conversations; only completions are learned."

command = stage_command("sft")
