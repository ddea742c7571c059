"""Expands each plus-minus sign of an answer into both, and holds the whole to its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from r1kit.rewards.math.tree import (
    Answer,
    AnswerError,
    Interval,
    Items,
    Labelled,
    Matrix,
    Node,
    Op,
    Relation,
    Scalar,
    SetBuilder,
    SetOperation,
    children,
)

MAX_ITEMS: Final = 500
MAX_DEPTH: Final = 60
MAX_NESTED_ANSWERS: Final = 8


def checked(answer: Answer, nested: int = 0) -> Answer:
    """The answer with each plus-minus sign expanded into both; AnswerError over a bound."""
    if nested > MAX_NESTED_ANSWERS:
        raise AnswerError("lists nested too deep")
    match answer:
        case Scalar(node, unit):
            _check_depth(node)
            signs = _both_signs(node)
            return Items("", tuple(Scalar(one, unit) for one in signs)) if len(signs) > 1 else answer
        case Items():
            return _checked_items(answer, nested)
        case Labelled(label, value):
            return Labelled(label, checked(value, nested + 1))
        case SetOperation(name, parts):
            return SetOperation(name, tuple(checked(part, nested + 1) for part in parts))
        case SetBuilder(variable, condition):
            return SetBuilder(variable, checked(condition, nested + 1))
        case Matrix(rows):
            return Matrix(tuple(tuple(checked(cell, nested + 1) for cell in row) for row in rows))
    for node in _nodes(answer):
        _check_depth(node)
        if len(_both_signs(node)) > 1:
            return _both_relations(answer)
    return answer


def _checked_items(answer: Items, nested: int) -> Answer:
    if len(answer.items) > MAX_ITEMS:
        raise AnswerError(f"more than {MAX_ITEMS} items")
    items = [checked(item, nested + 1) for item in answer.items]
    if answer.brackets in ("", "{}"):
        return replace(answer, items=tuple(_flat(items)))
    both = [item for item in items if isinstance(item, Items) and item.brackets == ""]
    if not both:
        return replace(answer, items=tuple(items))
    if any(len(item.items) != 2 for item in both):
        raise AnswerError("lists in a tuple")
    # Signs in one tuple go together: (±1, ∓2) is two points.
    sides = [
        [item.items[side] if isinstance(item, Items) and item.brackets == "" else item for item in items]
        for side in (0, 1)
    ]
    return Items("", tuple(replace(answer, items=tuple(side)) for side in sides))


def _flat(items: Sequence[Answer]) -> Iterator[Answer]:
    for item in items:
        match item:
            case Items("", inner):
                yield from inner
            case Labelled(label, Items("", inner)):
                yield from (Labelled(label, one) for one in inner)
            case _:
                yield item


def _nodes(answer: Answer) -> tuple[Node, ...]:
    match answer:
        case Relation(sides):
            return sides
        case Interval(low, high):
            return (low, high)
    return getattr(answer, "parts", ())


def _both_relations(answer: Answer) -> Answer:
    if not isinstance(answer, Relation):
        raise AnswerError("a plus-minus sign in an interval or a ratio")
    sides = [_both_signs(side) for side in answer.sides]
    both = [tuple(side[min(index, len(side) - 1)] for side in sides) for index in (0, 1)]
    return Items("", tuple(Relation(one, answer.operators) for one in both))


def _both_signs(node: Node) -> tuple[Node, ...]:
    """The expression with the upper and with the lower sign of each plus-minus, or as it is without one."""
    upper = _with_sign(node, "pm")
    return (node,) if upper is node else (upper, _with_sign(node, "mp"))


def _with_sign(node: Node, positive: str) -> Node:
    if not isinstance(node, Op):
        return node
    args = tuple(_with_sign(arg, positive) for arg in node.args)
    if node.name in ("pm", "mp"):
        return args[0] if node.name == positive else Op("neg", args)
    same = all(new is old for new, old in zip(args, node.args, strict=True))
    return node if same else Op(node.name, args)


def _check_depth(node: Node) -> None:
    level = [node]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return
    raise AnswerError(f"nested deeper than {MAX_DEPTH}")
