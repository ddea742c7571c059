"""Which part of a completion is its code: the last fenced block of Python after the reasoning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from r1kit.rewards.reasoning import parse_reasoning

_PYTHON: Final = re.compile(r"\{?\.?py(thon)?[\d.]*\}?")
# As in CommonMark, what follows backticks on their line holds none; so `code` in a line opens nothing. Words may stand
# before a fence that says it is Python: "The answer: ```python".
_OPENING: Final = re.compile(
    r"([ \t]*)(?:(?:[^`]*[ \t])?(?=`{3,}py(?:thon)?[\d.]*[ \t]*$))?(?:(`{3,})([^`]*)|(~{3,})(.*))"
)


def extract_code(text: str) -> str | None:
    """The code of a completion, or None when it has none.

    It is the content of the last fenced block of the reply (what follows `</think>`) whose tag is python or py,
    perhaps with a version; of the last one without a tag where none has such a tag, since what a program prints is often shown in a block
    without one behind it. Fences are those of CommonMark: at least three backticks or tildes at the start of a line,
    closed by a line with at least as many of the same and nothing else; shorter or other fences inside are content.
    Left aside are blocks of other languages, blank ones, and a block that is not closed, as when a completion was
    cut off. Code outside of a fence is not taken. `<answer>` around the reply plays no part.
    """
    reply = parse_reasoning(text).reply.strip().removeprefix("<answer>").removesuffix("</answer>")
    blocks = [block for block in _blocks(reply) if block.content.strip()]
    tagged = [block.content for block in blocks if _PYTHON.fullmatch(block.tag)]
    candidates = tagged or [block.content for block in blocks if not block.tag]
    return candidates[-1] if candidates else None


@dataclass(frozen=True, slots=True)
class _Block:
    """A closed fenced block; `tag` is the first word behind its opening fence, in lower case."""

    tag: str
    content: str


def _blocks(text: str) -> Iterator[_Block]:
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if opened is None:
            opened = _OPENING.fullmatch(line)
            lines = []
        elif _closes(line, _fence(opened)):
            yield _Block(_tag(opened), "".join(lines))
            opened = None
        else:
            lines.append(_without_indent(line, len(opened[1])) + "\n")


def _fence(opened: re.Match[str]) -> str:
    return opened[2] or opened[4]


def _tag(opened: re.Match[str]) -> str:
    words = (opened[3] or opened[5] or "").split()
    return words[0].lower() if words else ""


def _closes(line: str, fence: str) -> bool:
    found = line.strip()
    return len(found) >= len(fence) and not found.strip(fence[0])


def _without_indent(line: str, width: int) -> str:
    """A line without as much space at its start as its fence has, for blocks that stand in a list."""
    num_spaces = len(line) - len(line.lstrip(" \t"))
    return line[min(width, num_spaces) :]
