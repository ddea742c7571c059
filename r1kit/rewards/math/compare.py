"""Do two answers say the same? Exactly: a rounded decimal is not the number it was rounded from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from r1kit.core.seeds import derive_seed
from r1kit.rewards.math.evaluate import evaluate_exactly, evaluate_in
from r1kit.rewards.math.parse import as_equation
from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Based,
    Equation,
    Items,
    Matrix,
    Named,
    Node,
    Num,
    Op,
    Scalar,
    TooLarge,
    Union,
    Var,
    Words,
    substitute,
    walk,
)

NUM_POINTS: Final = 5
MAX_POINTS_TRIED: Final = 10
ZERO: Final = Num(Fraction(0))


def same_answer(gold: Answer, answer: Answer) -> bool:
    """Whether an answer equals the gold; AnswerError when a value in it is undefined or too large to compute.

    A list equals a set or list of the same items in any order, and a tuple's items in its order; brackets
    of tuples, intervals and sets must agree. `x = 5` equals 5. A unit may be missing, but not differ.
    """
    if isinstance(gold, Named) and isinstance(answer, Named) and gold.name != answer.name:
        return False
    if isinstance(gold, Equation) or isinstance(answer, Equation):
        return _same_equation(gold, answer)
    gold = gold.value if isinstance(gold, Named) else gold
    answer = answer.value if isinstance(answer, Named) else answer
    return _same_shape(gold, answer)


def _same_shape(gold: Answer, answer: Answer) -> bool:
    match gold, answer:
        case Scalar(), Scalar():
            return _same_scalar(gold, answer)
        case Items(), Items():
            return _same_items(gold, answer)
        case Union(), Union():
            return _same_unordered(gold.parts, answer.parts)
        case Matrix(), Matrix():
            return len(gold.rows) == len(answer.rows) and all(map(_same_ordered, gold.rows, answer.rows))
        case _:
            return isinstance(gold, Words) and gold == answer


def _same_items(gold: Items, answer: Items) -> bool:
    unordered = {gold.brackets, answer.brackets} <= {"", "{}"}
    if unordered:
        return _same_unordered(gold.items, answer.items)
    if gold.brackets != answer.brackets and (gold.brackets, answer.brackets) != ("()", ""):
        return False
    return _same_ordered(gold.items, answer.items)


def _same_ordered(gold: Sequence[Answer], answer: Sequence[Answer]) -> bool:
    return len(gold) == len(answer) and all(map(same_answer, gold, answer))


def _same_unordered(gold: Sequence[Answer], answer: Sequence[Answer]) -> bool:
    """Each item of one pairs off with an equal item of the other; repeated items count."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for item in gold:
        match = next((index for index, other in enumerate(left) if same_answer(item, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def _same_scalar(gold: Scalar, answer: Scalar) -> bool:
    if gold.unit and answer.unit and gold.unit != answer.unit:
        return False
    if gold.node == answer.node:
        return True
    if INFINITY in walk(gold.node) or INFINITY in walk(answer.node):
        return False
    readings = ((a, b) for a in _readings(gold.node, answer.node) for b in _readings(answer.node, gold.node))
    return any(same_expression(a, b) for a, b in readings)


def _readings(node: Node, other: Node) -> list[Node]:
    """The expression, and what is left of it when its sign %, degree or base was dropped on the other side."""
    match node, other:
        case (Op("percent" | "degree", (inner,)), _) if not _is_op(other, node.name):
            return [node, inner]
        case Based(digits), _ if not isinstance(other, Based) and digits.isdecimal():
            return [node, Num(Fraction(digits))]
    return [node]


def _is_op(node: Node, name: str) -> bool:
    return isinstance(node, Op) and node.name == name


def same_expression(left: Node, right: Node) -> bool:
    """Whether two expressions have the same value, for all values of their variables.

    With variables they are compared at random rational points; unequal polynomials of degree d agree there
    with a probability below (d / 1800) ** 5 (Schwartz 1980). The points depend on both expressions, so no
    answer can be written to vanish at them.
    """
    names = _names(left, right)
    if not names:
        return same_constant(left, right)
    return _agree_at_points(
        [(substitute(left, point), substitute(right, point)) for point in _points((left, right), names)]
    )


def _same_equation(gold: Answer, answer: Answer) -> bool:
    """Whether left - right of one is a constant multiple of the other's: f(p) g(q) = g(p) f(q) at all points."""
    one = as_equation(gold) if isinstance(gold, Named) else gold
    two = as_equation(answer) if isinstance(answer, Named) else answer
    if not (isinstance(one, Equation) and isinstance(two, Equation)):
        return False
    f, g = _as_difference(one), _as_difference(two)
    names = _names(f, g)
    if not names or same_expression(f, ZERO) or same_expression(g, ZERO):
        return False
    points = _points((f, g), names)
    anchor_f, anchor_g = substitute(f, points[0]), substitute(g, points[0])
    return _agree_at_points(
        [
            (Op("mul", (substitute(f, point), anchor_g)), Op("mul", (substitute(g, point), anchor_f)))
            for point in points[1:]
        ]
    )


def _as_difference(equation: Equation) -> Node:
    return Op("add", (equation.left, Op("neg", (equation.right,))))


def _names(*nodes: Node) -> list[str]:
    return sorted({part.name for node in nodes for part in walk(node) if isinstance(part, Var)})


def _points(nodes: tuple[Node, Node], names: list[str]) -> list[dict[str, Fraction]]:
    rng = random.Random(derive_seed("math points", *map(repr, nodes)))
    return [{name: Fraction(rng.randint(-900, 900), 101) for name in names} for _ in range(MAX_POINTS_TRIED)]


def _agree_at_points(pairs: Sequence[tuple[Node, Node]]) -> bool:
    """Whether the first NUM_POINTS pairs that are defined are equal; AnswerError if there are not so many."""
    agreed = 0
    problem = AnswerError("undefined")
    for left, right in pairs:
        try:
            if not same_constant(left, right):
                return False
        except TooLarge:
            raise
        except AnswerError as error:
            problem = error
        else:
            agreed += 1
        if agreed == NUM_POINTS:
            return True
    raise AnswerError(f"not defined at enough points: {problem}")


def same_constant(left: Node, right: Node) -> bool:
    """Whether two expressions without variables have the same value.

    Rational values are compared exactly. Others are compared with a precision that grows with the sizes of
    the numbers in them, so that 1 + pi**-300 is told from 1.
    """
    exact = evaluate_exactly(left), evaluate_exactly(right)
    if exact[0] is not None and exact[1] is not None:
        return exact[0] == exact[1]
    from r1kit.rewards.math.irrational import BASE_PRECISION, Reals

    precision = BASE_PRECISION
    while True:
        reals = Reals(precision)
        try:
            same = reals.is_same(evaluate_in(left, reals), evaluate_in(right, reals))
        except TooLarge:
            raise
        except AnswerError:
            if reals.needed_precision <= precision:
                raise
        else:
            if reals.needed_precision <= precision:
                return same
        precision = reals.needed_precision
