"""The `r1kit` command: all commands under one name, and how it ends on errors and signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Annotated

import typer

from r1kit import __version__
from r1kit.cli import doctor, export, grade, grpo, plan, ppo, reject_sample, reward_model, run, sft
from r1kit.cli import eval as eval_
from r1kit.cli.errors import OneLineErrors, raise_terminated

app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="The DeepSeek-R1 recipe on one consumer GPU: cold start, GRPO, rejection sampling, evaluation.",
)
app.command("run", help=run.HELP)(run.command)
app.command("sft", help=sft.HELP)(sft.command)
app.command("grpo", help=grpo.HELP)(grpo.command)
app.command("ppo", help=ppo.HELP)(ppo.command)
app.command("reward-model", help=reward_model.HELP)(reward_model.command)
app.command("reject-sample", help=reject_sample.HELP)(reject_sample.command)
app.command("eval", help=eval_.HELP)(eval_.command)
app.command("plan", help=plan.HELP)(plan.command)
app.command("grade", help=grade.HELP)(grade.command)
app.command("export", help=export.HELP)(export.command)
app.command("doctor", help=doctor.HELP)(doctor.command)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """What happens before any command: --version, or the help when there is no command."""
    if show_version:
        print(f"r1kit {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        context.get_help()
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (`sys.argv` when no arguments are given) and exit the process with its code."""
    # set before any library reads it: the tokenizers' warning about forks is noise on every run
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    signal.signal(signal.SIGTERM, raise_terminated)
    app(args=None if arguments is None else list(arguments), prog_name="r1kit")
