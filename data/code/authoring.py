"""How the code problems of this folder are written down: a Python function each, its docstring the statement.

    @function_task(1, shown=[(call(3), 6)], hidden=[call(0), call(-4)])
    def double(n: int) -> int:
        \"\"\"Return n multiplied by two.\"\"\"
        return n * 2


    double.other_way(lambda n: n + n)

The results of `shown` are written by hand and are part of the statement. Those of `hidden` are what the
solution returns, and the other way, written independently, must return the same.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Call:
    """The arguments of one call."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def __str__(self) -> str:
        words = [repr(value) for value in self.args]
        return ", ".join(words + [f"{name}={value!r}" for name, value in self.kwargs.items()])


def call(*args: Any, **kwargs: Any) -> Call:
    """The arguments as they are passed to the function of the task."""
    return Call(args, kwargs)


@dataclass
class Task:
    """One problem as it is written here.

    `shown` holds pairs of a question and its result, `hidden` questions alone. A question is a `Call`, or the
    text of standard input where the task is a program (`is_program`), whose result is the text it prints.
    """

    level: int
    solution: Callable[..., Any]
    shown: Sequence[tuple[Any, Any]]
    hidden: Sequence[Any]
    is_program: bool
    second: Callable[..., Any] | None = field(default=None)

    def other_way(self, second: Callable[..., Any]) -> Callable[..., Any]:
        """Takes the second implementation; that of a program turns the input's text into the output's."""
        self.second = second
        return second

    def again(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the second implementation; raises `TypeError` when there is none."""
        if self.second is None:
            raise TypeError(f"{self.name} has no second way")
        return self.second(*args, **kwargs)

    @property
    def name(self) -> str:
        """The name of the function; a program has it only here."""
        return self.solution.__name__

    @property
    def statement(self) -> str:
        """The docstring as paragraphs of one line each."""
        paragraphs = inspect.cleandoc(self.solution.__doc__ or "").split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    @property
    def signature(self) -> str:
        """The head of the function, such as `double(n: int) -> int`; it is written on one line."""
        return self.source.splitlines()[0].removeprefix("def ").removesuffix(":")

    @property
    def source(self) -> str:
        """The solution without decorator and docstring; of a program, the body alone."""
        definition, lines = _definition(self.solution)
        head = lines[definition.lineno - 1 : definition.body[0].lineno - 1]
        body = lines[definition.body[0].end_lineno or 0 :]
        kept = body if self.is_program else head + body
        return textwrap.dedent("\n".join(kept)).strip("\n") + "\n"


def function_task(
    level: int, *, shown: Sequence[tuple[Call, Any]], hidden: Sequence[Call]
) -> Callable[[Callable[..., Any]], Task]:
    """A decorator that turns a solution into a task judged by what it returns."""
    return lambda solution: Task(level, solution, shown, hidden, is_program=False)


def program_task(
    level: int, *, shown: Sequence[tuple[str, str]], hidden: Sequence[str]
) -> Callable[[Callable[[], None]], Task]:
    """A decorator that turns a function's body into a task judged by what it prints."""
    return lambda solution: Task(level, solution, shown, hidden, is_program=True)


def tasks_of(module: ModuleType) -> list[Task]:
    """The tasks of a module, in the order in which they are written."""
    return [value for value in vars(module).values() if isinstance(value, Task)]


def _definition(function: Callable[..., Any]) -> tuple[ast.FunctionDef, list[str]]:
    """The parsed function and its lines; the first statement of the function is its docstring."""
    source = inspect.getsource(function)
    definition = ast.parse(source).body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise TypeError(f"{function!r} is no plain function")
    return definition, source.splitlines()
