"""The table of docs/memory.md is what the command prints."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from typer.testing import CliRunner

from r1kit.cli.main import app
from r1kit.training.memory.table import CARDS, QWEN, table_config

PAGE = Path(__file__).parents[2] / "docs/memory.md"


def test_the_table_of_the_page_is_the_commands() -> None:
    result = CliRunner().invoke(app, ["plan", "--table"])
    assert result.exit_code == 0, result.output
    rows = result.stdout.splitlines()
    assert len(rows) == 2 + len(CARDS) * len(QWEN)
    assert result.stdout in PAGE.read_text(encoding="utf-8")


def test_the_page_says_what_run_the_table_is_for() -> None:
    config = table_config()
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    said = (
        f"G {config.algorithm.group_size}, {config.algorithm.problems_per_step} problems a step, prompts of at most "
        f"512 and completions of at most {config.sampling.max_new_tokens} tokens, {config.engine.batch_size} rows"
    )
    assert said in text
    assert f"LoRA of rank {config.model.lora.rank}" in text


def test_the_columns_of_a_larger_card_are_never_smaller() -> None:
    rows = re.findall(
        r"^\| (Qwen\S+) \| (\d+) GB \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE
    )
    assert len(rows) >= 14
    for (name, card, *sizes), (next_name, next_card, *larger) in pairwise(rows):
        if name == next_name:
            assert int(card) < int(next_card)
            assert all(
                int(a.replace(",", "")) <= int(b.replace(",", "")) for a, b in zip(sizes, larger, strict=True)
            )
