"""Finds the one final answer in a completion. Linear in the text's length, whatever the text is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from r1kit.rewards.math.announce import announced_answer, bare_answer, unwrapped
from r1kit.rewards.reasoning import parse_reasoning

ANSWER_OPEN: Final = "<answer>"
ANSWER_CLOSE: Final = "</answer>"

_BOX_COMMAND: Final = r"\\{1,3}(?:boxed|fbox)(?![A-Za-z])\s*"
_MARK: Final = re.compile(rf"(?P<box>{_BOX_COMMAND}(?P<brace>\{{)?)|\\.|\{{+|\}}+", re.DOTALL)
_NESTED_BOX: Final = re.compile(_BOX_COMMAND + r"(?=\{)")
_LAYOUT: Final = re.compile(
    r"(?:[\s{}$~]|\\[,;:! ()\[\]]|\\(?:displaystyle|textstyle|q?quad|bf|mathbf|text|left|right)(?![A-Za-z]))*+"
)
# What may stand between two boxes of one list. The word that joins them stays in the answer.
_BETWEEN: Final = re.compile(r"(?:[\s,;$~}*、&]|\\[,;:! ()\[\]\\]|\\q?quad|\\text\s?\{|and|or|和|或)*+")
_OR: Final = re.compile("or|或")

# A box without braces holds a number, a letter or a command with its arguments: TeX itself would take one
# token, which is not what is meant by "\boxed 14".
_GROUP: Final = r"\s?\{(?:[^{}\\]|\\.|\{(?:[^{}\\]|\\.){0,100}+\}){0,200}+\}"
_ARGUMENT: Final = r"\s?(?:\d|[A-Za-z]|\\[A-Za-z]+)"
_BARE: Final = re.compile(
    rf"""(?P<content>[-+−]?\ ?(?:
          \d{{1,3}}(?:,\d{{3}})++(?:\.\d+)?+ | \d++(?:\.\d+)?+ | \.\d++ | [A-Za-z](?![A-Za-z])
        | \\(?:[dtc]?frac|[dt]?binom)(?:{_GROUP}|{_ARGUMENT}){{2}} | \\sqrt(?:\[\w+\])?(?:{_GROUP}|{_ARGUMENT})
        | \\(?!boxed|fbox|begin|end|left|text\b|quad)[A-Za-z]++(?:{_GROUP}){{0,3}}+
        | \\text(?:bf|it|rm)?{_GROUP} ))""",
    re.VERBOSE | re.DOTALL,
)
# Where a term goes on behind that number or command, nobody knows how much of it the box was to hold.
_GOES_ON: Final = re.compile(
    r"[A-Za-z0-9]|\s{0,3}(?:[-+/^_=<>(\[{!%°]|\*(?!\*)|[.,]\s?\d|\\(?!text|q?quad|end|[,;:!\])\\ ]))"
)
# A box command that holds nothing: in a sentence about it ("use \boxed for it"), or around another one.
_TALKED_ABOUT: Final = re.compile(r"[^\W\d_]|[.,;:!?)\]}\"'`*$<]|\\[)\]]|\\{1,3}(?:boxed|fbox)")
_FENCE: Final = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$", re.MULTILINE)
_NOT_CODE: Final = frozenset({"", "latex", "tex", "math", "text", "plaintext", "markdown", "md"})


_CHANGES_BEFORE: Final = re.compile(
    r"(?:\d|-|−|[+/][ \t]*|\\(?:cdot|times|lnot|neg)\s*|\\sqrt\s*\[[^\]]*\]\s*\{|≠\s*|\\neq?\s*|\\not\s*=\s*|\\sqrt\s*\{|\\[dtc]?frac\s*\{[^{}]*\}\s*\{|[\^_]\s*\{?|\bnot\s+\$?)$"
)
_CHANGES_BEHIND: Final = re.compile(r"\^(?!\s*\{?\s*\\circ)|\.?\d|\s*(?:\\cdot|\\times|[+/])")
_NEARBY: Final = 20


class _Box(NamedTuple):
    """Where a box starts and what it holds; `end` is -1 for one that is cut off or unclear."""

    start: int
    inside: int
    inside_end: int = -1
    end: int = -1


def extract_answer(completion: str, *, marked_only: bool = False) -> str | None:
    r"""The text of the final answer, None when there is none.

    Only what follows the reasoning counts (see `parse_reasoning`), and no fenced code. There it is the last
    `<answer>...</answer>`, else the last `\boxed{...}`, else an answer announced in words or a reply that is
    nothing but an answer; the latter two not with `marked_only`. A tag or box that is cut off or empty is no
    answer, whatever came before it. Boxes side by side (", ", "and", "or" between them) are one list, so that
    several guesses are never read as the last. The text is returned however long it is.
    """
    reply = _without_outer_fence(parse_reasoning(completion).reply)
    visible = _without_code(reply)
    before, tag, after = visible.rpartition(ANSWER_OPEN)
    if tag:
        content, closed, _ = after.partition(ANSWER_CLOSE)
        start = len(before) + len(tag)
        return _tagged(reply[start : start + len(content)]) if closed else None
    found = _find_boxes(visible)
    if found or marked_only:
        return _last_list(visible, found)
    return announced_answer(visible) or bare_answer(visible)


def boxes(text: str) -> list[tuple[int, int, str]] | None:
    r"""(start, end, content) of each outermost `\boxed{...}` in order; None when one is cut off or unclear."""
    found = _find_boxes(text)
    outermost = [chain[0] for chain in _chains(found)]
    if any(box.end < 0 for box in outermost):
        return None
    return [(box.start, box.end, text[box.inside : box.inside_end]) for box in outermost]


def _tagged(content: str) -> str | None:
    """The answer inside `<answer>` tags: what is boxed or announced there, else all of it."""
    content = _without_outer_fence(content)
    visible = _without_code(content)
    if found := _find_boxes(visible):
        return _last_list(visible, found)
    return announced_answer(visible) or unwrapped(content) or None


def _find_boxes(text: str) -> list[_Box]:
    """All boxes in the order they start, nested ones too."""
    found: list[_Box] = []
    opened: list[tuple[int, int]] = []
    depth = 0
    first = re.search(_BOX_COMMAND, text)
    for mark in _MARK.finditer(text, first.start() if first else len(text)):
        if mark["box"] and not mark["brace"]:
            found.extend(_bare_box(text, mark.start(), mark.end()))
        elif mark["box"]:
            opened.append((len(found), depth))
            found.append(_Box(mark.start(), mark.end()))
            depth += 1
        elif mark[0][0] == "{":
            depth += len(mark[0])
        elif mark[0][0] == "}":
            lowest = max(depth - len(mark[0]), 0)
            while opened and opened[-1][1] >= lowest:
                index, outside = opened.pop()
                end = mark.start() + depth - outside
                found[index] = _Box(found[index].start, found[index].inside, end - 1, end)
            depth = lowest
    return found


def _bare_box(text: str, start: int, inside: int) -> Iterator[_Box]:
    r"""The box of "\boxed 14"; none where the command is only talked about ("use \boxed for it")."""
    bare = _BARE.match(text, inside)
    if bare:
        unclear = _GOES_ON.match(text, bare.end())
        yield _Box(start, inside) if unclear else _Box(start, inside, bare.end(), bare.end())
    elif not _TALKED_ABOUT.match(text, inside):
        yield _Box(start, inside)


def _chains(found: list[_Box]) -> list[list[_Box]]:
    """Each outermost box followed by those inside it. One that is cut off holds nothing."""
    chains: list[list[_Box]] = []
    for box in found:
        if chains and box.start < chains[-1][0].end:
            chains[-1].append(box)
        else:
            chains.append([box])
    return chains


def _last_list(text: str, found: list[_Box]) -> str | None:
    """The contents of the last box and of those right before it; None when one is cut off or empty."""
    chains = _chains(found)
    if not chains or chains[-1][0].end < 0 or _is_part_of_more(text, chains[-1][0]):
        return None
    first = len(chains) - 1
    while first > 0 and _BETWEEN.fullmatch(text, chains[first - 1][0].end, chains[first][0].start):
        first -= 1
    contents: dict[str, str] = {}
    for previous, chain in zip([None, *chains[first:]], chains[first:], strict=False):
        content = _content(text, chain)
        if _LAYOUT.fullmatch(content):
            return None
        is_or = previous and _OR.search(text, previous[0].end, chain[0].start)
        contents.setdefault(content, " or " if is_or else ", ")
    return "".join(joiner + content for content, joiner in contents.items())[2:]


def _is_part_of_more(text: str, box: _Box) -> bool:
    r"""Whether what touches a box changes what it says: `-\boxed{5}`, `\ne\boxed{5}`, `\boxed{5}^2`."""
    before = text[max(0, box.start - _NEARBY) : box.start]
    return bool(_CHANGES_BEFORE.search(before) or _CHANGES_BEHIND.match(text, box.end))


def _content(text: str, chain: list[_Box]) -> str:
    """What a box holds: the content of the innermost one where the others add nothing but layout."""
    outer = chain[0]
    for box in chain[1:]:
        adds_nothing = _LAYOUT.fullmatch(text, outer.inside, box.start) and _LAYOUT.fullmatch(
            text, box.end, outer.inside_end
        )
        if box.end < 0 or not adds_nothing:
            break
        outer = box
    return _NESTED_BOX.sub("", text[outer.inside : outer.inside_end]).strip()


def _fences(text: str) -> Iterator[tuple[int, int, str, int, int]]:
    """(start, end, language, inside, inside_end) of each fenced code block; an unclosed one runs to the end."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        if opened is None:
            # A line such as ```14``` is no fence.
            opened = None if "`" in line["info"] and line["mark"][0] == "`" else line
        elif line["mark"].startswith(opened["mark"]) and not line["info"].strip():
            yield opened.start(), line.end(), opened["info"].strip().lower(), opened.end(), line.start()
            opened = None
    if opened is not None:
        yield opened.start(), len(text), opened["info"].strip().lower(), opened.end(), len(text)


def _without_code(text: str) -> str:
    """The text with every fenced block blotted out by backticks, so that all else keeps its place."""
    pieces: list[str] = []
    position = 0
    for start, end, *_ in _fences(text):
        pieces += [text[position:start], "`" * (end - start)]
        position = end
    return "".join([*pieces, text[position:]])


def _without_outer_fence(text: str) -> str:
    """The content of a fenced block that is the whole text and no program.

    Code is not an answer because it stands beside one; a block that stands alone is the reply itself.
    """
    stripped = text.strip()
    start, end, language, inside, inside_end = next(_fences(stripped), (0, -1, "", 0, 0))
    is_all = start == 0 and end == len(stripped) > inside_end
    return stripped[inside:inside_end] if is_all and language in _NOT_CODE else text
