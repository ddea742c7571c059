"""Do two answers say the same? By what kind of answer they are; a rounded decimal is not the number it was rounded from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, TypeGuard

from r1kit.rewards.math.naming import names_quantity
from r1kit.rewards.math.quantities import same_quantity, same_ratio, same_residue, same_time
from r1kit.rewards.math.reading.spelling import GREEK
from r1kit.rewards.math.sets import is_set, is_solved, same_set
from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Choice,
    Interval,
    Items,
    Labelled,
    Matrix,
    Node,
    Num,
    Op,
    Ratio,
    Relation,
    Residue,
    Scalar,
    SeveralCandidates,
    Time,
    TooLarge,
    Var,
    Words,
    substitute,
    walk,
)
from r1kit.rewards.math.values.equality import ZERO, proportional, same_expression, variables

MAX_COMPARED: Final = 60
_ORDERED: Final = frozenset(("()", "[]", "<>"))
_MIN_LIST_IN_BRACKETS: Final = 3
_FLIPPED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}


def same_answer(gold: Answer, answer: Answer) -> bool:
    """Whether an answer equals the gold.

    AnswerError when a value in one is undefined or too large to compute; SeveralCandidates when the answer is a list
    and the gold a single thing.
    """
    gold, answer = _value_of(gold), _value_of(answer)
    if isinstance(gold, Choice) or isinstance(answer, Choice):
        _refuse_candidates(gold, answer)
        return gold == answer
    if _is_equation(answer) and not (_is_equation(gold) or isinstance(gold, Labelled)):
        answer = _value_of_named(answer)
    if _is_equation(gold) or _is_equation(answer):
        return _same_equation(gold, answer)
    if isinstance(gold, Labelled) and isinstance(answer, Labelled) and _contradict(gold.label, answer.label):
        return _says_equation(gold) and _same_equation(gold, answer)
    gold, answer = _unlabelled(gold), _unlabelled(answer)
    if is_set(gold) or is_set(answer):
        return _same_region(gold, answer)
    return _same_shape(gold, answer)


def work_out(gold: Answer) -> None:
    """Raises AnswerError where a value in a gold cannot be worked out, so that no other spelling could equal it."""
    # Against something else of its kind, because an expression equals itself without being computed.
    for node in _scalars(gold):
        is_finite = INFINITY not in walk(node)
        same_expression(node, Op("add", (node, Op("mul", (node, node)))) if is_finite else ZERO)


def _scalars(answer: Answer) -> list[Node]:
    match answer:
        case Scalar(node):
            return [node]
        case Labelled(_, value):
            return _scalars(value)
        case Items(_, items):
            return [node for item in items for node in _scalars(item)]
        case Matrix(rows):
            return [node for row in rows for cell in row for node in _scalars(cell)]
        case Interval(low, high):
            return [low, high]
    return []


def _value_of(answer: Answer) -> Answer:
    """A chain of equal constants such as `2 + 3 = 5` is their value."""
    match answer:
        case Labelled(label, value):
            return Labelled(label, _value_of(value))
        case Relation(sides, operators) if set(operators) == {"="} and not variables(*sides):
            first, *rest = sides
            if first in rest or not all(same_expression(first, side) for side in rest):
                raise AnswerError("an equation between numbers that says nothing")
            return Scalar(rest[-1])
    return answer


def _value_of_named(answer: Answer) -> Answer:
    """The value in `m + n = 1 + 115 = 116` and in the identity `6x/2 = 3x`; any other equation as it is."""
    if not isinstance(answer, Relation):
        return answer
    first, *rest = answer.sides
    if set(variables(first)).isdisjoint(variables(*rest)):
        is_value = (
            names_quantity(first)
            and not _is_constant(first)
            and all(same_expression(rest[-1], side) for side in rest[:-1])
        )
    else:
        is_value = first not in rest and all(same_expression(first, side) for side in rest)
    return Scalar(rest[-1]) if is_value else answer


def _is_constant(node: Node) -> bool:
    """Whether an expression has one value whatever its variables are: a - a + b/b."""
    point = {name: Fraction(2 * index + 3) for index, name in enumerate(variables(node))}
    return same_expression(node, substitute(node, point))


def _unlabelled(answer: Answer) -> Answer:
    return answer.value if isinstance(answer, Labelled) else answer


def _contradict(gold: str, answer: str) -> bool:
    """Whether two names are those of different variables; "f(x)" and "y" may well be the same."""
    if gold.endswith(")") and answer.endswith(")"):
        return gold != answer
    if gold.isupper() and answer.isupper() and min(len(gold), len(answer)) > 1:
        # A segment or a figure may be read from either end.
        return sorted(gold) != sorted(answer)
    names = gold.partition("_")[0], answer.partition("_")[0]
    return gold != answer and all(len(name) == 1 or name in GREEK for name in names)


def _says_equation(answer: Labelled) -> bool:
    """Whether `y = 2x` is meant, and not `y = 2`."""
    return isinstance(answer.value, Scalar) and bool(variables(answer.value.node))


def _is_equation(answer: Answer) -> bool:
    return isinstance(answer, Relation) and set(answer.operators) == {"="}


def _same_equation(gold: Answer, answer: Answer) -> bool:
    """Whether left - right of one is a constant multiple of the other's. An unsolved equation is no value."""
    one, two = _as_equation(gold), _as_equation(answer)
    if one is None or two is None:
        return False
    if isinstance(gold, Labelled) and not variables(one.sides[1]):
        return False
    return proportional(_difference(one), _difference(two)) is not None


def _as_equation(answer: Answer) -> Relation | None:
    if isinstance(answer, Labelled) and isinstance(answer.value, Scalar):
        return Relation((Var(answer.label), answer.value.node), ("=",))
    return answer if isinstance(answer, Relation) and answer.operators == ("=",) else None


def _difference(relation: Relation) -> Node:
    left, right = relation.sides
    return Op("add", (left, Op("neg", (right,))))


def _same_region(gold: Answer, answer: Answer) -> bool:
    if isinstance(gold, Scalar | Words) or isinstance(answer, Scalar | Words):
        return False
    if (
        isinstance(answer, Items)
        and answer.joiner == ","
        and not any(isinstance(item, Relation) for item in answer.items)
    ):
        # Intervals side by side are candidates, and not their union.
        _refuse_candidates(gold, answer)
    if isinstance(gold, Relation) and isinstance(answer, Relation) and len(variables(*gold.sides)) > 1:
        return _same_inequality(gold, answer)
    return (is_solved(answer) or not is_solved(gold)) and same_set(gold, answer)


def _same_inequality(gold: Relation, answer: Relation) -> bool:
    """Inequalities in several variables: the same up to a factor and the side that things stand on."""
    if len(gold.sides) != 2 or len(answer.sides) != 2:
        raise AnswerError("a chain of inequalities in several variables")
    sign = proportional(_difference(gold), _difference(answer))
    operator = answer.operators[0]
    return sign is not None and gold.operators[0] == (operator if sign > 0 else _FLIPPED[operator])


def _same_shape(gold: Answer, answer: Answer) -> bool:
    gold, answer = _single(gold, answer), _single(answer, gold)
    match gold, answer:
        case Residue(), (Residue() | Scalar()):
            return same_residue(gold, answer)
        case Scalar(), Scalar():
            return same_quantity(gold, answer)
        case ((Ratio() | Time()), (Ratio() | Time() | Scalar())):
            return _same_ratio_or_time(gold, answer)
        case Scalar(), (Ratio() | Time()):
            return _same_ratio_or_time(answer, gold)
        case ((Items() | Matrix()), (Items() | Matrix())):
            return _same_items(gold, answer)
        case Words(), Words():
            return gold == answer
        case (Words(words), Scalar(node)) | (Scalar(node), Words(words)):
            return _spelled_out(node) == "".join(words)
    if _is_list(answer):
        if all(_same_item(answer.items[0], other) for other in answer.items[1:]):
            # The same thing twice is one candidate.
            return same_answer(gold, answer.items[0])
        _refuse_candidates(gold, answer)
    return False


def _is_list(answer: Answer) -> TypeGuard[Items]:
    return isinstance(answer, Items) and answer.brackets == "" and len(answer.items) > 1


def _refuse_candidates(gold: Answer, answer: Answer) -> None:
    may_be_several = isinstance(gold, Items) and gold.brackets in ("", "{}")
    if _is_list(answer) and not may_be_several:
        raise SeveralCandidates("several answers where one is asked for")


def _single(answer: Answer, other: Answer) -> Answer:
    """The one thing in a set or list of one, where it faces a single thing."""
    is_alone = isinstance(answer, Items) and answer.brackets in ("", "{}") and len(answer.items) == 1
    if is_alone and isinstance(answer, Items) and not isinstance(other, Items):
        return _unlabelled(answer.items[0])
    return answer


def _same_ratio_or_time(gold: Ratio | Time, answer: Answer) -> bool:
    if isinstance(gold, Time) and isinstance(answer, Time):
        return same_time(gold, answer)
    if isinstance(gold, Time) and isinstance(answer, Scalar) and gold.minutes == gold.seconds == 0:
        return answer == Scalar(Num(Fraction(gold.hours)))
    return same_ratio(gold, answer)


def _spelled_out(node: Node) -> str | None:
    """The points of a figure that were read as a product of variables: AB for the words "AB"."""
    if isinstance(node, Op) and node.name == "mul" and all(isinstance(arg, Var) for arg in node.args):
        name = "".join(arg.name for arg in node.args if isinstance(arg, Var))
        return name.lower() if name.isupper() else None
    return None


def _same_items(gold: Items | Matrix, answer: Items | Matrix) -> bool:
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        return len(gold.rows) == len(answer.rows) and all(map(_same_ordered, gold.rows, answer.rows))
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _same_vector(gold, answer)
    if _are_values_by_name(gold) and _are_values_by_name(answer):
        return _same_by_name(gold, answer)
    if _are_values_by_name(gold) or _are_values_by_name(answer):
        return _same_in_order_of_names(gold, answer)
    if gold.brackets in _ORDERED and answer.brackets == "":
        may_be_bare = gold.brackets != "[]" or len(gold.items) >= _MIN_LIST_IN_BRACKETS
        return may_be_bare and _is_sequence(answer) and _same_ordered(gold.items, _in_order_of_names(answer))
    if {gold.brackets, answer.brackets} <= {"", "{}"}:
        return _same_unordered(_distinct(gold, answer), _distinct(answer, gold))
    if gold.brackets == "" and answer.brackets in ("()", "[]"):
        return len(gold.items) >= _MIN_LIST_IN_BRACKETS and _same_ordered(gold.items, answer.items)
    same_brackets = gold.brackets == answer.brackets or {gold.brackets, answer.brackets} == {"()", "<>"}
    return same_brackets and _same_ordered(gold.items, _in_order_of_names(answer))


def _are_values_by_name(items: Items) -> bool:
    """Whether the items are `x = 1, y = 2`, each variable once; x_1 and x_2 are two values of x."""
    names = [item.label.partition("_")[0] for item in items.items if isinstance(item, Labelled)]
    return len(set(names)) == len(items.items) > 1 and items.joiner != "or"


def _same_by_name(gold: Items, answer: Items) -> bool:
    one, two = (
        {item.label: item.value for item in side.items if isinstance(item, Labelled)}
        for side in (gold, answer)
    )
    return one.keys() == two.keys() and all(same_answer(one[name], two[name]) for name in one)


def _same_in_order_of_names(gold: Items, answer: Items) -> bool:
    """Whether `x = 1, y = 2` and a tuple without names agree in their order; the coordinates x, y, z have one."""
    named, bare = (gold, answer) if _are_values_by_name(gold) else (answer, gold)
    if bare.brackets not in ("()", "<>") and not (named is gold and _is_sequence(bare)):
        return False
    one, two = (_in_order_of_names(side) for side in (gold, answer))
    return _same_ordered(one, two)


def _in_order_of_names(items: Items) -> Sequence[Answer]:
    labels = {item.label for item in items.items if isinstance(item, Labelled)}
    is_numbered = len({label.partition("_")[0] for label in labels}) == 1 and len(labels) == len(items.items)
    if is_numbered or (_are_values_by_name(items) and labels <= set("xyz")):
        return sorted(items.items, key=lambda item: item.label if isinstance(item, Labelled) else "")
    return items.items


def _is_sequence(items: Items) -> bool:
    """Whether a bare list may stand for a tuple: not "1 or 2", and not several values of one variable."""
    labels = [item.label for item in items.items if isinstance(item, Labelled)]
    return items.brackets == "" and items.joiner == "," and len(set(labels)) == len(labels)


def _same_vector(gold: Items | Matrix, answer: Items | Matrix) -> bool:
    """A column or a row of a matrix beside a tuple, or the rows of a matrix as lists in a list."""
    one, two = (_as_row(side) for side in (gold, answer))
    return one is not None and two is not None and _same_ordered(one, two)


def _as_row(side: Items | Matrix) -> Sequence[Answer] | None:
    if isinstance(side, Items):
        return side.items if side.brackets in _ORDERED or _is_sequence(side) else None
    if len(side.rows) == 1:
        return side.rows[0]
    if all(len(row) == 1 for row in side.rows):
        return [row[0] for row in side.rows]
    return [Items("[]", row) for row in side.rows]


def _same_ordered(gold: Sequence[Answer], answer: Sequence[Answer]) -> bool:
    return len(gold) == len(answer) and all(map(same_answer, gold, answer))


def _same_unordered(gold: Sequence[Answer], answer: Sequence[Answer]) -> bool:
    """Each item of one pairs off with an equal item of the other."""
    if len(gold) != len(answer):
        return False
    # What is written alike pairs off at once; only the rest is compared each with each.
    written = Counter(gold) & Counter(answer)
    left = list((Counter(answer) - written).elements())
    if len(left) > MAX_COMPARED:
        raise TooLarge("too many items to compare each with each")
    for item in (Counter(gold) - written).elements():
        match = next((index for index, other in enumerate(left) if _same_item(item, other)), None)
        if match is None:
            return False
        del left[match]
    return True


def _same_item(gold: Answer, answer: Answer) -> bool:
    try:
        return same_answer(gold, answer)
    except SeveralCandidates:
        return False


def _distinct(items: Items, other: Items) -> Sequence[Answer]:
    """The items without repeats, where one of the two is a set; in bare lists repeats count."""
    if "{}" not in (items.brackets, other.brackets):
        return items.items
    written = list(dict.fromkeys(items.items))
    # Numbers as such differ when they are written differently.
    kept: list[Answer] = [item for item in written if _is_number(item)]
    others = [item for item in written if not _is_number(item)]
    if len(others) > MAX_COMPARED:
        raise TooLarge("too many items to compare each with each")
    for item in others:
        if not any(_same_item(known, item) for known in kept):
            kept.append(item)
    return kept


def _is_number(answer: Answer) -> bool:
    return isinstance(answer, Scalar) and isinstance(answer.node, Num) and answer.unit is None
