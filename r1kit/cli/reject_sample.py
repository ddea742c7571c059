"""`r1kit reject-sample`: rejection sampling."""

from __future__ import annotations

from r1kit.cli.stage_command import stage_command

HELP = "Sample many completions a problem and keep the good ones as a data set for sft."

command = stage_command("reject-sample")
