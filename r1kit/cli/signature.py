"""A function with a signature made from flags, which is how typer learns of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from r1kit.cli.flags import Flag
from r1kit.config.schema import FieldPath

_NEGATED: Final = "no__"
"""Begins the parameter of a switch's second name, the one that turns it off."""


def command_function(
    flags: Sequence[Flag],
    own: Mapping[str, Any],
    body: Callable[[dict[FieldPath, Any], dict[str, Any]], None],
) -> Callable[..., None]:
    """A function that typer turns into a command with these flags.

    `own` maps the command's other parameters to their annotations; all of them default to None. `body`
    receives the flags that were given, by field path, and the other parameters by name.
    """
    by_parameter = {flag.parameter: flag for flag in flags}

    def command(**arguments: Any) -> None:
        given: dict[FieldPath, Any] = {}
        for name, value in arguments.items():
            flag = by_parameter.get(name.removeprefix(_NEGATED))
            if flag is not None and value is not None and value not in ([], ()):
                given[flag.path] = flag.value(value) if name == flag.parameter else False
        body(given, {name: arguments[name] for name in own})

    annotations = {name: annotation for flag in flags for name, annotation in _annotations(flag)} | dict(own)
    command.__annotations__ = annotations
    # typer reads the signature for the parameters and the annotations for their types
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_default(annotation), annotation=annotation
            )
            for name, annotation in annotations.items()
        ]
    )
    return command


def _default(annotation: Any) -> Any:
    """None, where the annotation allows it; a required parameter has no default."""
    return None if type(None) in getattr(annotation.__origin__, "__args__", ()) else inspect.Parameter.empty


def _annotations(flag: Flag) -> Iterator[tuple[str, Any]]:
    """The parameter of a flag; a switch has a second one, hidden so that the help stays narrow."""
    kinds: dict[str, Any] = {"value": str, "switch": bool, "list": list[str]}
    shown = typer.Option(
        *flag.names, metavar="", help=flag.help, show_default=False, rich_help_panel=flag.panel
    )
    yield flag.parameter, Annotated[kinds[flag.kind] | None, shown]
    if flag.kind == "switch":
        yield (
            _NEGATED + flag.parameter,
            Annotated[bool | None, typer.Option(*flag.negated_names, hidden=True)],
        )
