"""Failures in one line each: what a command prints on stderr, and the exit code it ends with."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from r1kit.core.errors import R1KitError

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM arrived. Not an Exception, so that nothing on the way takes it for a failure of its own."""


def raise_terminated(*_: object) -> None:
    """The SIGTERM handler: unwinds like Ctrl-C, so that files are closed on the way out."""
    raise Terminated


class OneLineErrors(TyperGroup):
    """The group of all commands, reporting errors in lines instead of typer's boxes."""

    def main(  # the signature is TyperGroup's
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # errors are always ours to print
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit the process with its code."""
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        sys.exit(exit_code_of(run))


def exit_code_of(run: Callable[[], Any]) -> int:
    """The exit code of a command, after its error (if it had one we know) was printed.

    Errors that are not R1KitErrors are bugs: they pass, and Python shows their traceback and exits with 1.
    """
    try:
        result = run()
    except R1KitError as error:
        _print_lines(str(error))
        return error.exit_code
    except typer.TyperException as error:
        _print_lines(_usage_line(error))
        return error.exit_code
    except typer.Abort:
        return _interrupted()
    except Terminated:
        print("terminated; what was written so far stays", file=sys.stderr)
        return TERMINATED
    # typer turns Ctrl-C into this code
    return _interrupted() if result == INTERRUPTED else result if isinstance(result, int) else 0


def _interrupted() -> int:
    print("interrupted; what was written so far stays", file=sys.stderr)
    return INTERRUPTED


def _print_lines(message: str) -> None:
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr)


def _usage_line(error: typer.TyperException) -> str:
    """A usage error in our words: what is unknown, and the nearest name that is known."""
    message = " ".join(error.format_message().split()).rstrip(".")
    option = getattr(error, "option_name", None)
    if option is not None and message.startswith("No such option"):
        possible = getattr(error, "possibilities", None) or ()
        message = f"unknown flag {option}" + (f"; did you mean {possible[0]}?" if possible else "")
    context = getattr(error, "ctx", None)
    return f"{message} (see `{context.command_path} --help`)" if context is not None else message
