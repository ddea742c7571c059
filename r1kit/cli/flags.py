"""Flags made from a schema: each leaf field by its dotted path, everyday fields by a short name as well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from r1kit.cli.flag_help import help_text, panel_title
from r1kit.config.schema import FieldPath, Leaf, choices, dotted, is_list, leaves
from r1kit.config.section import Section
from r1kit.config.stages import EvalTask

TASK: Final = ("tasks", 0)
"""On a command line an evaluation has one task, and its fields stand for themselves (`--data`, `--limit`)."""

EVERYDAY: Final[Mapping[FieldPath, tuple[str, ...]]] = {
    ("model", "path"): ("--model",),
    ("model",): (),
    ("model", "adapter"): ("--adapter",),
    ("data", "path"): ("--data",),
    (*TASK, "data", "path"): ("--data",),
    ("output",): ("-o",),
    ("steps",): (),
    ("num_samples",): ("-k",),
    ("rewards",): (),
    ("data", "limit"): ("--limit",),
    (*TASK, "limit"): (),
    ("seed",): (),
    ("memory", "vram"): ("--vram",),
}
"""Fields that stand first in the help, and the names they have besides their dotted one."""

ARGUMENTS: Final[Mapping[FieldPath, str]] = {TASK[:1]: "TASK", (*TASK, "name"): "TASK"}
"""Fields that are a command's argument instead of a flag."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One option of a command, and the field of the configuration that it sets.

    `names` begins with the one used in messages. `kind` is "value" (the text reaches the schema as it is),
    "switch" (`--x` and `--no-x`) or "list" (repeatable). `literals` are texts that a list field takes
    in place of a list (`--model.lora.targets attention`).
    """

    path: FieldPath
    names: tuple[str, ...]
    kind: Literal["value", "switch", "list"]
    help: str
    panel: str | None
    literals: tuple[str, ...] = ()

    @property
    def parameter(self) -> str:
        """The name of the function parameter that receives the value."""
        return "__".join(str(part) for part in self.path)

    @property
    def negated_names(self) -> tuple[str, ...]:
        """For a switch, the names that turn it off: `--model.lora.no-use-dora`."""
        split = (name.removeprefix("--").rpartition(".") for name in self.names)
        return tuple(f"--{section}{dot}no-{last}" for section, dot, last in split)

    def value(self, given: Any) -> Any:
        """What goes into the configuration for what was given on the command line."""
        if self.kind != "list":
            return given
        return given[0] if len(given) == 1 and given[0] in self.literals else list(given)


def flags_of(schema: type[Section]) -> list[Flag]:
    """The flags of a stage or pipeline, everyday ones first, then in the order of the schema."""
    flags = {leaf.path: _flag(schema, leaf) for leaf in _leaves(schema)}
    everyday = [flags[path] for path in EVERYDAY if path in flags]
    return everyday + [flag for path, flag in flags.items() if path not in EVERYDAY]


def _leaves(schema: type[Section]) -> Iterator[Leaf]:
    for leaf in leaves(schema):
        if leaf.path == TASK[:1]:
            yield from (inner for inner in leaves(EvalTask, TASK) if inner.path not in ARGUMENTS)
        else:
            yield leaf


def _flag(schema: type[Section], leaf: Leaf) -> Flag:
    in_task = leaf.path[: len(TASK)] == TASK
    path = leaf.path[len(TASK) :] if in_task else leaf.path
    long_name = "--" + dotted(path).replace("_", "-")
    kind: Literal["value", "switch", "list"] = "list" if is_list(leaf.annotation) else "value"
    return Flag(
        path=leaf.path,
        names=tuple(sorted({*EVERYDAY.get(leaf.path, ()), long_name}, key=_rank)),
        kind="switch" if leaf.annotation is bool else kind,
        help=help_text(leaf, is_optional=in_task or not schema.model_fields[str(path[0])].is_required()),
        panel=None if leaf.path in EVERYDAY else panel_title(EvalTask if in_task else schema, path),
        literals=choices(leaf.annotation) if kind == "list" else (),
    )


def _rank(name: str) -> tuple[bool, int]:
    """Everyday names first, then the dotted one, then single letters."""
    return (not name.startswith("--"), len(name))
