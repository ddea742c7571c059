"""From the code of a completion to the program that is judged."""

from __future__ import annotations

import re
from typing import Final

from r1kit.core.problem import CodeGold

_FUTURE: Final = re.compile(r"^from __future__ import .*\n?", re.MULTILINE)


def whole_program(code: str, gold: CodeGold) -> str:
    """`code` with what the problem gave its author.

    Where the problem is code to be gone on with, that stands before it: a completion may be the whole function, and
    use the problem's imports and helpers, or only what follows the problem's last line.
    """
    if gold.prompt and not _defines(code, gold.entry_point):
        return _behind(gold.prelude, f"{gold.prompt.rstrip()}\n{code}")
    return _behind(gold.prelude, _behind(gold.prompt, code))


def _behind(first: str, code: str) -> str:
    """`code` behind other source; future imports of it go before both, as Python wants them."""
    if not first:
        return code
    future = "".join(line.rstrip("\n") + "\n" for line in _FUTURE.findall(code))
    return f"{future}{first.rstrip()}\n\n\n{_FUTURE.sub('', code)}"


def _defines(code: str, name: str) -> bool:
    """Whether a line of `code` begins a function or class of that name, or gives something the name."""
    name = re.escape(name)
    head = rf"^(?:(?:async[ \t]+)?def[ \t]+{name}\b|class[ \t]+{name}\b|{name}[ \t]*(?::|=(?!=)))"
    return re.search(head, code, re.MULTILINE) is not None
