"""Is the left side of `m + n = 116` the name of what was asked for, or an equation that is left to solve?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from r1kit.rewards.math.tree import Binder, Node, Num, Op, Var

_TRIGONOMETRIC: Final = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))


def names_quantity(side: Node) -> bool:
    """Whether an expression beside a number can only be its name.

    Yes for two and more variables without a number among them (m + n, xy, AB^2 + BC^2, p(0) + p(4)), and for the
    sine of an angle that a capital letter names. No for one variable, and where there are numbers: x - 5 = 0,
    |x| = 5 and 3x + 4y = 5 state a problem and not its solution.
    """
    match side:
        case Op(name, (Var(angle),)) if name in _TRIGONOMETRIC:
            return angle[0].isupper() or angle.startswith("angle")
    parts = list(_parts(side))
    names = {part.name for part in parts if isinstance(part, Var)}
    return len(names) > 1 and not any(isinstance(part, Num | Binder) for part in parts)


def _parts(node: Node) -> Iterator[Node]:
    """The node and what is below it, without exponents."""
    yield node
    if isinstance(node, Op):
        for arg in node.args[:1] if node.name in ("pow", "root") else node.args:
            yield from _parts(arg)
