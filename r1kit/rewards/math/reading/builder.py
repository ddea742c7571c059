"""What each rule of `grammar.lark` makes of its parts. Nothing is computed here."""

# The grammar shows what each rule is.
# ruff: noqa: D102

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from lark import Transformer

from r1kit.rewards.math.reading import shapes
from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Binder,
    Const,
    Items,
    Labelled,
    Matrix,
    NamedSet,
    Node,
    Num,
    Op,
    Ratio,
    Relation,
    Scalar,
    SetBuilder,
    SetOperation,
    Var,
    Words,
)

_MARKS: Final = {"RADIAN": "radian", "BANG": "factorial", "PERCENT": "percent", "DEGREE": "degree"}
_INVERSES: Final = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))


@dataclass(frozen=True, slots=True)
class _Membership:
    """`x in S`: says S, except in a set builder, where the variable matters too."""

    variable: str
    members: Answer


def _settled(value: Any) -> Any:
    return value.members if isinstance(value, _Membership) else value


def _without_range(items: list[Any]) -> list[Any]:
    r"""The items without a last `t \in \mathbb{R}`, where the others are about t."""
    *others, last = items
    is_range = isinstance(last, _Membership) and isinstance(last.members, NamedSet)
    if any(isinstance(other, Relation) for other in others):
        # x > 2 is another set where x is whole.
        return items
    return others if is_range and shapes.mentions(others, last.variable) else items


def _node(value: Any) -> Node:
    if isinstance(value, Scalar) and value.unit is None:
        return value.node
    if shapes.is_node(value):
        node: Node = value
        return node
    raise AnswerError("arithmetic with something that is no number")


def _plain(children: Sequence[Any]) -> Any:
    return children[0]


class Builder(Transformer):  # type: ignore[type-arg]
    """One method a rule of the grammar; each gets the values of the rule's parts in order."""

    def start(self, parts: list[Any]) -> Any:
        return _settled(parts[0])

    def answers(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        items, joiners = _without_range(parts[::2]), [token.type for token in parts[1::2]]
        if len(items) == 1:
            return items[0]
        return shapes.bare_list([_settled(item) for item in items], joiners[: len(items) - 1])

    def item(self, parts: list[Any]) -> Any:
        return parts[0]

    def labelled(self, parts: list[Any]) -> Answer:
        return Labelled(parts[0].value, _settled(parts[1]))

    def membership(self, parts: list[Any]) -> Any:
        element, _, members = parts
        if isinstance(element, Scalar) and isinstance(element.node, Var):
            return _Membership(element.node.name, members)
        if isinstance(element, Items) and shapes.are_variables(element.items):
            return members
        raise AnswerError("a membership of something that is no variable")

    def congruence(self, parts: list[Any]) -> Answer:
        return shapes.residue(parts[0], _node(parts[2]))

    def approximation(self, parts: list[Any]) -> Any:
        raise AnswerError("an approximate value")

    def chain(self, parts: list[Any]) -> Any:
        *parts, sign, remark = parts
        if sign is not None:
            parts[-1] = shapes.approximated(parts[-1], remark)
        if len(parts) == 1:
            return parts[0]
        return shapes.relation(parts[::2], [token.value for token in parts[1::2]])

    def side(self, parts: list[Any]) -> Any:
        value = parts[0]
        for operator, part in zip(parts[1::2], parts[2::2], strict=True):
            name = {"CUP": "union", "CAP": "intersection", "SETMINUS": "difference"}[operator.type]
            flatten = isinstance(value, SetOperation) and value.name == name != "difference"
            value = SetOperation(name, (*(value.parts if flatten else (value,)), part))
        return value

    operand = staticmethod(_plain)

    def ratio(self, parts: list[Any]) -> Answer:
        return Ratio(tuple(_node(part) for part in parts[::2]))

    def words(self, parts: list[Any]) -> Answer:
        return Words(parts[0].value)

    def time(self, parts: list[Any]) -> Any:
        return parts[0].value

    def named_set(self, parts: list[Any]) -> Answer:
        return NamedSet(parts[0].value)

    def empty_set(self, _: list[Any]) -> Answer:
        return Items("{}", ())

    def quantity(self, parts: list[Any]) -> Answer:
        answer: Answer = Scalar(parts[0]) if shapes.is_node(parts[0]) else parts[0]
        return answer

    def measured(self, parts: list[Any]) -> Answer:
        values = [_node(parts[0]), *(Num(part.value) for part in parts[2::2])]
        return shapes.measured(values, [token.value for token in parts[1::2]])

    def amount(self, parts: list[Any]) -> Answer:
        *signs, currency, value = parts
        return shapes.measured([_signed(signs, _node(value))], [currency.value])

    def sign(self, parts: list[Any]) -> str:
        return str(parts[0].value)

    adder = sign

    def expression(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        terms = [_node(parts[0])]
        for adder, part in zip(parts[1::2], parts[2::2], strict=True):
            terms.append(_signed([adder], _node(part)))
        return Op("add", tuple(terms))

    def term(self, parts: list[Any]) -> Any:
        *signs, value = parts
        if signs == ["-"] and isinstance(value, Matrix):
            return shapes.scaled(Num(Fraction(-1)), value)
        return _signed(signs, _node(value)) if signs else value

    signed = term
    product = staticmethod(_plain)
    factor = staticmethod(_plain)
    beside = staticmethod(_plain)
    atom = staticmethod(_plain)
    same = staticmethod(_plain)
    argument = staticmethod(_plain)
    first_atom = staticmethod(_plain)
    chained = staticmethod(_plain)

    def times(self, parts: list[Any]) -> Any:
        if isinstance(parts[-1], Matrix):
            return shapes.scaled(_node(parts[0]), parts[-1])
        left, right = _node(parts[0]), _node(parts[-1])
        flatten = isinstance(left, Op) and left.name == "mul"
        return Op("mul", (*(left.args if flatten and isinstance(left, Op) else (left,)), right))

    def divided(self, parts: list[Any]) -> Node:
        return Op("div", (_node(parts[0]), _node(parts[-1])))

    def remainder(self, parts: list[Any]) -> Node:
        return Op("mod", (_node(parts[0]), _node(parts[-1])))

    def power(self, parts: list[Any]) -> Any:
        base, exponent = parts
        return base if exponent is None else Op("pow", (_node(base), exponent))

    power_beside = power
    first_power = power
    plain_power = power
    raised = power

    def exponent(self, parts: list[Any]) -> Node:
        _, *signs, value = parts
        return _signed(signs, _node(value))

    def marks(self, parts: list[Any]) -> list[str]:
        names = [_MARKS[token.type] for token in parts]
        if names.count("factorial") > 1 or len(names) - names.count("factorial") > 1:
            raise AnswerError("several signs behind a number")
        return names

    def counted(self, parts: list[Any]) -> Any:
        value, names = parts
        for name in names:
            value = Op(name, (_node(value),))
        return value

    counted_beside = counted
    first_counted = counted
    plain_counted = counted

    def number(self, parts: list[Any]) -> Node:
        return Num(parts[0].value)

    mixed = number

    def based(self, parts: list[Any]) -> Node:
        node: Node = parts[0].value
        return node

    def constant(self, parts: list[Any]) -> Node:
        name = parts[0].value
        return Op("neg", (INFINITY,)) if name == "-inf" else Const(name)

    def variable(self, parts: list[Any]) -> Node:
        return Var(parts[0].value)

    def bracketed(self, parts: list[Any]) -> Any:
        opening, value, closing = parts
        return shapes.bracketed(opening.value + closing.value, _settled(value))

    def group(self, parts: list[Any]) -> Any:
        return shapes.unwrapped(_settled(parts[1]))

    def absolute(self, parts: list[Any]) -> Node:
        return Op("abs", (_node(parts[1]),))

    def floor(self, parts: list[Any]) -> Node:
        return Op("floor", (_node(parts[1]),))

    def ceiling(self, parts: list[Any]) -> Node:
        return Op("ceil", (_node(parts[1]),))

    def fraction(self, parts: list[Any]) -> Node:
        return Op("div", (_node(parts[1]), _node(parts[2])))

    def conjugate(self, parts: list[Any]) -> Node:
        return Op("conj", (_node(parts[1]),))

    def binomial(self, parts: list[Any]) -> Node:
        return Op(parts[0].value, (_node(parts[1]), _node(parts[2])))

    def square_root(self, parts: list[Any]) -> Node:
        return Op("root", (_node(parts[1]), Num(Fraction(2))))

    def root(self, parts: list[Any]) -> Node:
        return Op("root", (_node(parts[4]), _node(parts[2])))

    def call(self, parts: list[Any]) -> Node:
        name, value = parts[0].value, _settled(parts[2])
        args = value.items if isinstance(value, Items) and value.brackets == "" else (value,)
        return shapes.call(name, tuple(_node(arg) for arg in args))

    def function(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        name, exponent, argument, *behind = parts[0].value, parts[1], _node(parts[2]), *parts[3:]
        if exponent == Num(Fraction(-1)):
            if name not in _INVERSES:
                raise AnswerError(f"the inverse of {name}")
            return _raised(Op(f"arc{name}", (argument,)), *behind)
        is_log = name == "log10"
        node = Op("log", (argument, Num(Fraction(10)))) if is_log else Op(name, (argument,))
        return _raised(node, exponent, *behind)

    def log(self, parts: list[Any]) -> Node:
        _, _, base, exponent, argument, *behind = parts
        return _raised(Op("log", (_node(argument), _node(base))), exponent, *behind)

    def plain_log(self, parts: list[Any]) -> Node:
        _, exponent, argument, *behind = parts
        return _raised(Op("log", (_node(argument),)), exponent, *behind)

    def big_operator(self, parts: list[Any]) -> Node:
        name, variable, first, last, body = parts[0].value, parts[3].value, parts[5], parts[8], parts[9]
        return Binder(name, variable, (_node(first), _node(last)), _node(body))

    def antiderivative(self, parts: list[Any]) -> Node:
        return Binder("int", parts[2].value, (), _node(parts[1]))

    def integral(self, parts: list[Any]) -> Node:
        _, _, lower, _, upper, body, variable = parts
        return Binder("int", variable.value, (_node(lower), _node(upper)), _node(body))

    def limit(self, parts: list[Any]) -> Node:
        _, _, _, variable, _, point, side, _, body = parts
        return Binder(f"lim{side.value if side else ''}", variable.value, (_node(point),), _node(body))

    def derivative(self, parts: list[Any]) -> Node:
        return Binder("diff", parts[0].value, (), _node(parts[1]))

    def set_of(self, parts: list[Any]) -> Answer:
        value = _settled(parts[1]) if len(parts) == 3 else Items("", ())
        items = value.items if isinstance(value, Items) and value.brackets == "" else (value,)
        return Items("{}", items)

    def set_builder(self, parts: list[Any]) -> Answer:
        element, condition = parts[1], _settled(parts[3])
        if isinstance(element, _Membership):
            return shapes.restricted(SetBuilder(element.variable, condition), element.members)
        if isinstance(element, Scalar) and isinstance(element.node, Var):
            return SetBuilder(element.node.name, condition)
        raise AnswerError("a set builder without a variable")

    def vector(self, parts: list[Any]) -> Answer:
        value = _settled(parts[1])
        return Items("<>", value.items if isinstance(value, Items) and value.brackets == "" else (value,))

    def matrix(self, parts: list[Any]) -> Any:
        name, *rows, end = [
            part for part in parts if part is not None and getattr(part, "type", "") != "ROWEND"
        ]
        return shapes.matrix(name.value, rows, end.value)

    def row(self, parts: list[Any]) -> list[Any]:
        return [_settled(part) for part in parts[::2]]


def _raised(node: Node, *exponents: Node | None) -> Node:
    r"""The function with the exponent of `\sin^2 x` or of `\sin(x)^2`."""
    for exponent in exponents:
        node = node if exponent is None else Op("pow", (node, exponent))
    return node


def _signed(signs: Sequence[str], node: Node) -> Node:
    negative = False
    for sign in signs:
        if sign in ("pm", "mp"):
            node = Op(sign, (node,))
        negative ^= sign == "-"
    if negative and isinstance(node, Num):
        return Num(-node.value)
    return Op("neg", (node,)) if negative else node
