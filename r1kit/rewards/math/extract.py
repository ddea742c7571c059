"""Finds the one final answer in a completion. Linear in the text's length, whatever the text is."""

from __future__ import annotations

import re
from typing import Final

from r1kit.rewards.reasoning import parse_reasoning

MAX_BOX_CHARS: Final = 50_000
ANSWER_OPEN: Final = "<answer>"
ANSWER_CLOSE: Final = "</answer>"
BOX: Final = re.compile(r"\\boxed\s*\{")
_BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_BETWEEN_CANDIDATES: Final = re.compile(r"(?:[\s,;$}\\]|text\{|and|or)*")


def extract_answer(completion: str) -> str | None:
    r"""The text of the final answer, None when there is none.

    Only what follows the reasoning counts (see `parse_reasoning`). There it is the last `<answer>...</answer>`,
    else the last `\boxed{...}`. One that is cut off or empty is no answer, whatever came before it. Boxes side
    by side (", ", "and", "or" between them) are one list, so that several guesses are never read as the last.
    """
    reply = parse_reasoning(completion).reply
    if ANSWER_OPEN not in reply:
        return _nonempty(_last_box(reply))
    content, closed, _ = reply.rpartition(ANSWER_OPEN)[2].partition(ANSWER_CLOSE)
    if not closed:
        return None
    return _nonempty(_last_box(content) if BOX.search(content) else content)


def boxes(text: str) -> list[tuple[int, int, str]] | None:
    r"""(start, end, content) of each outermost `\boxed{...}` in order; None when one is not closed in bounds."""
    found: list[tuple[int, int, str]] = []
    position = 0
    while opened := BOX.search(text, position):
        position = _end_of_group(text, opened.end())
        if position < 0:
            return None
        found.append((opened.start(), position, text[opened.end() : position - 1]))
    return found


def _last_box(text: str) -> str | None:
    found = boxes(text)
    if not found:
        return None
    first = len(found) - 1
    while first > 0 and _BETWEEN_CANDIDATES.fullmatch(text, found[first - 1][1], found[first][0]):
        first -= 1
    contents = [content.strip() for _, _, content in found[first:]]
    return ", ".join(dict.fromkeys(contents)) if all(contents) else None


def _end_of_group(text: str, start: int) -> int:
    """The position after the brace that closes the group whose content starts at `start`, -1 without one nearby."""
    depth = 1
    for brace in _BRACE.finditer(text, start, start + MAX_BOX_CHARS):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end()
    return -1


def _nonempty(text: str | None) -> str | None:
    return (text.strip() or None) if text else None
