"""Finds an answer announced in words ("The answer is 14."), never digits out of prose."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

MAX_CONTENT: Final = 20_000
MAX_BARE: Final = 200
_NEARBY: Final = 60
_MAX_WRAPPERS: Final = 8
_MAX_ANCHORS: Final = 1_000

# An announcement is found by one of these words. What stands around it says whether it announces anything.
_ANCHOR: Final = re.compile(
    r"(?<![A-Za-z_\\])(?i:ans(?:wers?)?|final\s{1,3}results?)(?![A-Za-z])"
    r"|答案|最终结果|故选|^[ \t]{0,9}答(?=[:：])|^[ \t]{0,9}####(?!#)",
    re.MULTILINE,
)
_MARKUP: Final = r"[*_ \t]{0,6}"
_SAYS: Final = re.compile(
    rf"""
      {_MARKUP}(?:\ to\ [^.:\n]{{1,80}}?)?\s{{1,4}}{_MARKUP}(?:is|are|equals?|(?:must|should|will)\ be)\b
          (?!\s+(?:in)?(?:correct|right|wrong|valid|clear|obvious|unique|verified|confirmed|consistent
              |reasonable|in|given\ in|expressed|required|asked|an\ integer|what|found|of)\b)
          (?:,?\s(?:therefore|thus|hence|then|indeed|simply|just|now|as\ follows|the\ following|given\ by)\b,?)?
          [ \t]{{0,6}}[:：,]?
    | (?:\ choice)?{_MARKUP}[:：=]
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SAYS_IN_CHINESE: Final = re.compile(
    rf"{_MARKUP}(?:应该?|就)?(?:是|为|等于|选)?{_MARKUP}(?P<colon>[:：])?(?!多少|什么|否|正确|错)"
)
_HEADING_BEFORE: Final = re.compile(
    r"(?:^|\n)[ \t#>*_]{0,12}(?:(?:the|my)\s)?(?:final\s|最终)?$", re.IGNORECASE
)
_HEADING_AFTER: Final = re.compile(r"[*_ \t:：\r]{0,8}(?=\n|\Z)")
# "If the answer is 7" and "a common wrong answer is 7" announce nothing.
_NOT_MEANT: Final = re.compile(
    r"""(?: \b(?:if|whether|suppose|supposing|assume|assuming|unless|until|what|how|why|when|once|imagine|hope
              |check|verify|maybe|perhaps|possibly)\s++(?:that\s++)?(?:the|my|our|this|your)?\s*+(?:final|correct|right)?
          | \b(?:wrong|incorrect|possible|another|other|one|first|second|third|tempting|common|na[iï]ve|previous
              |earlier|initial|old|approximate|estimated|expected|no|any|each|every|student'?s)
          | \b(?:wrong|false|claims?|says|thinks|believes)\s(?:that\s)?(?:the|my|our)?
          | \b(?:not|don't|doesn't|can't|cannot|never|doubt)\s(?:\w{1,12}\s){0,3}(?:the|my|our)? ) \s*+$""",
    re.VERBOSE | re.IGNORECASE,
)
_TAKEN_BACK: Final = re.compile(
    r"""\bwait[,.!…—-] | \b(?:oops|scratch\ that|correction:|on\ second\ thought|let\ me\ re|i\ made\ an?\ )
        | \bactually,?\ (?:no|it|that)\b | (?<=[.!?]\s)(?:no,|(?:or|alternatively)\b)
        | \b(?:is|that's|was)\s(?:wrong|incorrect|not\s(?:right|correct))\b""",
    re.VERBOSE | re.IGNORECASE,
)

# What the announcement itself leaves behind ("**Answer:** 14"), but not the emphasis that the answer begins with.
_BLANKS: Final = re.compile(r"(?:[ \t\r:：]|[*_]++(?=[\s:：]|\Z))*+")
_LINES: Final = re.compile(r"(?:\s|(?:-{3,}+|\*{3,}+|_{3,}+)(?=\s))*+")
_BULLET: Final = re.compile(r"[-+*•]\s|\d{1,2}[.)]\s")
_DISPLAYS: Final = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"))
# Where the answer is over and something about it begins.
_BREAK: Final = re.compile(
    r"""  (?:,\s?|\s)(?:because|since|due\ to|thanks\ to)\b
        | ,\s?(?:as(?!\swell)|which|so|thus|hence|and\ we|where)\b | \swhere\b
        | \s\((?:since|because|as|see|by|from|note|which|using)\b
        | (?<!\.)\.(?=[*_`)]*\s+(?-i:[A-Z])) | (?<!\.)\.\s*I\s+hope\b
        | 。 | [,，;；]\s?(?:因为|由于|其中|所以|因此)""",
    re.VERBOSE | re.IGNORECASE,
)
_CLOSERS: Final = re.compile(r"[\s.*_`,;。]*+")
_SPAN: Final = re.compile(r"(?<![\\$])\$(?![\s$])([^$\n]*(?<![\s\\]))\$(?![\d$])")
_PARENS: Final = re.compile(r"(?<!\\)\\[()\[\]]")
_EMPHASIS: Final = re.compile(r"(?<![\w)}*])\*\*(?=\S)([^*\n]+)(?<=\S)\*\*(?![\w*])")
_EMPHASIS_END: Final = re.compile(r"(.*\S)\*\*(?![\w(\\-])", re.DOTALL)
_WRAPPERS: Final = (("**", "**"), ("__", "__"), ("`", "`"), ("*", "*"), ('"', '"'), ("“", "”"))

_COMMAND: Final = re.compile(r"\\[A-Za-z]+")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SUBSTANCE: Final = re.compile(r"[^\W_]|[∞∅{\\]")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
_PROSE: Final = re.compile(
    r"""\b(?:the|is|are|was|were|be|been|so|we|it|this|that|these|have|has|had|get|gets|got|gives|total|therefore
        |thus|hence|there|because|since|then|with|from|by|you|your|let|us|can|will|would|should|could|do|does|did
        |my|our|note|done|proof|qed|conclusion|solution|answer|final|step|explanation|if|but|though|not|sure|think|guess|am)\b|答案|不是""",
    re.VERBOSE | re.IGNORECASE,
)


def announced_answer(reply: str) -> str | None:
    """The answer that the reply announces last, None without one or where it is unclear what it is.

    The text comes without the markup around it. It may be anything that was announced ("7 or 8", "not 7"): to
    make sense of it is left to the comparison. Where a reply says "answer" over and over, only the last
    thousand times are looked at.
    """
    bold_start, bold = _bold_last_line(reply)
    for anchor in reversed(deque(_ANCHOR.finditer(reply), maxlen=_MAX_ANCHORS)):
        if bold is not None and anchor.start() < bold_start:
            return bold
        start = _content_start(reply, anchor)
        if start >= 0:
            return None if _TAKEN_BACK.search(reply, start) else _content(reply, start)
    return bold


def bare_answer(reply: str) -> str | None:
    """The reply without its markup if it is nothing but an answer: one short line or display, no sentence."""
    text = reply.strip()
    if len(text) > MAX_BARE:
        return None
    is_display = any(text.startswith(opener) and text.endswith(closer) for opener, closer in _DISPLAYS)
    text = _plain(" ".join(text.split()) if is_display else text)
    return text if _is_bare(text) else None


def unwrapped(text: str) -> str:
    """The text without emphasis, math delimiters, quotes and the full stop around it; too long ones as they are."""
    text = text.strip()
    if len(text) > MAX_CONTENT:
        return text
    for _ in range(_MAX_WRAPPERS):
        text = _without_wrapper(_without_lone_emphasis(_without_stop(text)))
    return text


def _plain(text: str) -> str:
    """The text without its markup: "$1$ or $2$" becomes "1 or 2"."""
    text = _SPAN.sub(r"\1", _EMPHASIS.sub(r"\1", unwrapped(text)))
    return unwrapped(_PARENS.sub("", text))


def _without_stop(text: str) -> str:
    """The text without the end of its sentence; "p.m." and "..." keep their dots."""
    text = text.removesuffix(")") if text.endswith(".)") else text
    if text.endswith("."):
        return text if re.search(r"(?:\.|\.[a-z])\.$", text, re.IGNORECASE) else text[:-1].rstrip()
    return text.rstrip("。，,;； \n")


def _without_lone_emphasis(text: str) -> str:
    """The text without an emphasis that begins or ends outside of it; the one of "2**3" is a power."""
    if text.count("**") % 2:
        text = text[2:].lstrip() if text.startswith("**") else _EMPHASIS_END.sub(r"\1", text)
    return text[:-1] if text.endswith("*") and text.count("*") == 1 else text


def _without_wrapper(text: str) -> str:
    for opener, closer in (*_DISPLAYS, ("$", "$"), *_WRAPPERS):
        inside = text[len(opener) : len(text) - len(closer)]
        is_wrapped = (
            text.startswith(opener) and text.endswith(closer) and len(text) >= len(opener) + len(closer)
        )
        bare = inside.replace("\\$", "")
        if is_wrapped and opener not in bare and closer not in bare:
            return inside.strip()
    return text


def _content_start(reply: str, anchor: re.Match[str]) -> int:
    """Where the content of an announcement begins, -1 if the word announces nothing here."""
    before = reply[max(0, anchor.start() - _NEARBY) : anchor.start()]
    if anchor[0].endswith("#"):
        return anchor.end() if _is_hash_line(reply, anchor.end()) else -1
    if not anchor[0].isascii():
        says = _SAYS_IN_CHINESE.match(reply, anchor.end())
        if says and (says[0].strip("*_ \t") or anchor[0] == "故选"):
            return says.end()
    elif _NOT_MEANT.search(before):
        return -1
    elif anchor[0].lower() == "ans" and reply.startswith(". ", anchor.end()):
        return anchor.end() + 1
    elif says := _SAYS.match(reply, anchor.end()):
        return says.end()
    after = _HEADING_AFTER.match(reply, anchor.end())
    return after.end() if after and _HEADING_BEFORE.search(before) else -1


def _is_hash_line(reply: str, start: int) -> bool:
    """True for "#### 14", the answer line of GSM8K; false for a heading in words with text below it."""
    line, _, below = reply[start : start + MAX_BARE].partition("\n")
    has_words = _WORD.search(_COMMAND.sub(" ", line))
    return bool(line.strip()) and not (has_words and below.strip())


def _content(reply: str, start: int) -> str | None:
    """What is announced at a position: up to the end of the line, or the next line if nothing is left of this."""
    position = _skip(_BLANKS, reply, start)
    if position == len(reply) or reply[position] == "\n":
        position = _skip(_LINES, reply, position)
        # A list may go on with the next bullet, and "- 14" may mean 14 as well as -14.
        if _BULLET.match(reply, position):
            return None
        position = _skip(_BLANKS, reply, position)
    for opener, closer in _DISPLAYS:
        if reply.startswith(opener, position):
            return _displayed(reply, position + len(opener), closer)
    end = reply.find("\n", position)
    return _stated(reply[position : end if end >= 0 else len(reply)])


def _skip(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _displayed(reply: str, start: int, closer: str) -> str | None:
    """The content of a display if nothing but a remark follows it on its line; it may span lines."""
    inside, closed, rest = reply[start:].partition(closer)
    line = rest.partition("\n")[0]
    if not closed:
        return None
    after = _skip(_CLOSERS, line, 0)
    if after == len(line) or _BREAK.match(line) or (line.startswith(".") and line[1:2].isspace()):
        return unwrapped(" ".join(inside.split())) or None
    return _stated(f"${' '.join(inside.split())}${line}")


def _stated(line: str) -> str | None:
    """The answer that a line begins with, as text; None where math runs into prose without a clear break."""
    if len(line) > MAX_CONTENT:
        return line
    math = _SPAN.match(line)
    over = _BREAK.search(line, math.end() if math else 0)
    text = line[: over.start()] if over else line
    # The full stop of "2:30 p.m. It ..." belongs to the time.
    text += "." if over and over[0].startswith(".") and re.search(r"\b[ap]\.m$", text, re.IGNORECASE) else ""
    text = unwrapped(text)
    starts_with_math = _SPAN.match(text)
    text = _plain(text)
    is_clear = _is_bare(text) if starts_with_math else _SUBSTANCE.search(text)
    return text if is_clear else None


def _bold_last_line(reply: str) -> tuple[int, str | None]:
    """(start, content) of the last line if it is an answer in bold: `**14**`."""
    end = len(reply.rstrip())
    start = reply.rfind("\n", 0, end) + 1
    if end - start > MAX_BARE:
        return start, None
    line = reply[start:end].strip().rstrip(".").strip()
    is_bold = line.startswith(("**", "__")) and line.endswith(line[:2]) and line.count(line[:2]) == 2
    text = unwrapped(line[2:-2]) if is_bold else ""
    return start, text if text and _is_bare(text) else None


def _is_bare(text: str) -> bool:
    """True for math, a word, a name or a number with its unit; false for several lines and for sentences."""
    if not _SUBSTANCE.search(text) or len(text) > MAX_BARE or "\n" in text:
        return False
    plain = _COMMAND.sub(" ", text)
    is_short = len(_WORD.findall(plain)) <= 4 and len(_CHINESE.findall(plain)) <= 4
    return is_short and not _PROSE.search(plain)
