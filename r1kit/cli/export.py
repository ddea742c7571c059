"""`r1kit export`: export."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Write a trained model in a form that other tools load: merged, or the adapter alone."

command = stage_command("export")
