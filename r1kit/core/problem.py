"""What is asked: problems and chat messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ProblemKind(StrEnum):
    """How an answer to a problem is judged."""

    MATH = "math"
    CODE = "code"
    GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str

    def as_dict(self) -> dict[str, str]:
        """The form chat templates and JSONL files use."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class CodeGold:
    """What the code for a problem is judged by; nothing of it is ever shown to a model or written to a record.

    `tests` are the judge's (`r1kit.sandbox.judge.tests.Tests`). `solution` is the problem's own, if it has one. Where
    the problem is itself code that is to be gone on with, as in HumanEval, `prompt` is that code and `entry_point` the
    function that it begins; else both are empty. `prelude` is source that stands before every program, such as the
    imports that a starter code takes for granted.
    """

    tests: Any
    solution: str | None = None
    prompt: str = ""
    entry_point: str = ""
    prelude: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its gold.

    `answers` holds every accepted gold answer (empty for kinds that have none), `code` what code is judged by. `extra`
    keeps the columns of the source row that r1kit does not interpret, such as `level` or `subject`. With `marked_only`
    an answer counts only in `<answer>` or a box.
    """

    id: str
    problem: str
    answers: tuple[str, ...] = ()
    kind: ProblemKind = ProblemKind.MATH
    extra: Mapping[str, Any] = field(default_factory=dict)
    marked_only: bool = False
    code: CodeGold | None = field(default=None, repr=False)
