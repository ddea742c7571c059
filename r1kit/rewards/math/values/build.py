"""Our tree -> sympy and back, by constructors only: sympy never sees text.

sympy computes while it constructs, so every size is checked before each constructor is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from typing import Any, Final, TypeAlias

import sympy

from r1kit.rewards.math.tree import (
    INFINITY,
    AnswerError,
    Based,
    Binder,
    Const,
    Node,
    Num,
    Op,
    TooLarge,
    Var,
    walk,
)
from r1kit.rewards.math.values.evaluate import MAX_BITS, MAX_FACTORIAL

Expr: TypeAlias = Any
"""A sympy expression; the package has no type hints."""

MAX_NODES: Final = 3_000
MAX_BITS_UNDER_ROOT: Final = 2_000
MAX_EXPONENT: Final = 10_000
MAX_EXPANDED_TERMS: Final = 5_000
_CONSTANTS: Final = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}
_NODES: Final = {v: Const(name) for name, v in _CONSTANTS.items()} | {-sympy.oo: Op("neg", (INFINITY,))}
_BINDERS: Final = {"sum": sympy.Sum, "prod": sympy.Product, "int": sympy.Integral, "diff": sympy.Derivative}
_UNEVALUATED: Final = (*_BINDERS.values(), sympy.Limit)
_FUNCTIONS: Final = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "arccot": sympy.acot,
    "arcsec": sympy.asec, "arccsc": sympy.acsc, "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh,
    "coth": sympy.coth, "sech": sympy.sech, "csch": sympy.csch, "arsinh": sympy.asinh, "arcosh": sympy.acosh,
    "artanh": sympy.atanh, "ln": sympy.log, "exp": sympy.exp, "abs": sympy.Abs, "re": sympy.re, "im": sympy.im,
    "conj": sympy.conjugate, "arg": sympy.arg, "floor": sympy.floor, "ceil": sympy.ceiling, "min": sympy.Min,
    "max": sympy.Max, "mod": sympy.Mod,
}  # fmt: skip
_NAMES: Final = {function: name for name, function in _FUNCTIONS.items()} | {
    sympy.factorial: "factorial", sympy.binomial: "binom", sympy.Add: "add", sympy.Mul: "mul",
    sympy.FallingFactorial: "perm",
}  # fmt: skip


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever sympy raises inside becomes an AnswerError; running out of memory does not."""
    try:
        yield
    except (AnswerError, MemoryError):
        raise
    except Exception as error:  # sympy raises errors of any kind on what it cannot do
        raise AnswerError(f"not solved: {type(error).__name__}") from error


def symbol(name: str, **assumptions: bool) -> Expr:
    """The variable of that name, real unless said otherwise: complex answers are constants with i."""
    return sympy.Symbol(name, **(assumptions or {"real": True}))


def to_sympy(node: Node, symbols: Mapping[str, Expr] | None = None, *, formal_roots: bool = False) -> Expr:
    """The expression in sympy's terms; `symbols` replace the plain real ones.

    An odd root of a negative number is real here, so that of an unknown x is sign(x) |x|^(1/n). With
    `formal_roots` it is left as a power, for rules that hold either way, such as derivatives. Raises TooLarge
    over a bound and AnswerError when something is undefined or has no counterpart.
    """
    if len(list(islice(walk(node), MAX_NODES + 1))) > MAX_NODES:
        raise TooLarge("too many parts")
    with refusals():
        return _Builder(symbols or {}, formal_roots).build(node)


class _Builder:
    def __init__(self, symbols: Mapping[str, Expr], formal_roots: bool) -> None:
        self.symbols = symbols
        self.formal_roots = formal_roots

    def build(self, node: Node) -> Expr:
        match node:
            case Num(value):
                return _checked(sympy.Rational(value.numerator, value.denominator))
            case Based(digits, base):
                return _checked(sympy.Integer(int(digits, base)))
            case Const(name):
                return _CONSTANTS[name]
            case Var(name):
                return self.symbols.get(name, symbol(name))
            case Op(name, args):
                return _checked(self.operate(name, [self.build(arg) for arg in args]))
            case Binder():
                return self.bind(node)

    def operate(self, name: str, args: list[Expr]) -> Expr:
        if sum(map(_bits, args)) > MAX_BITS:
            raise TooLarge("too many digits")
        if name in ("pow", "root"):
            base, exponent = args
            return self.power(base, exponent if name == "pow" else 1 / exponent)
        if name in _OPERATIONS:
            return _OPERATIONS[name](*args)
        if name not in _FUNCTIONS:
            raise AnswerError(f"{name} has no counterpart")
        if name in ("exp", "sinh", "cosh"):
            _refuse_large_power(sympy.E, args[0])
        return _FUNCTIONS[name](*args)

    def power(self, base: Expr, exponent: Expr) -> Expr:
        _refuse_large_power(base, exponent)
        if not exponent.is_Rational or exponent.q == 1 or not exponent.q % 2:
            return sympy.Pow(base, exponent)
        parity = exponent.p % 2
        if base.is_negative:
            return (-1) ** parity * sympy.Pow(-base, exponent)
        if base.is_nonnegative or not base.is_real or self.formal_roots:
            return sympy.Pow(base, exponent)
        return sympy.sign(base) ** parity * sympy.Pow(sympy.Abs(base), exponent)

    def bind(self, node: Binder) -> Expr:
        """The operator unevaluated: `doit` computes it."""
        variable = self.build(Var(node.variable))
        bounds, body = [self.build(bound) for bound in node.bounds], self.build(node.body)
        if node.name in _BINDERS:
            return _BINDERS[node.name](body, (variable, *bounds) if bounds else variable)
        if node.name in ("lim", "lim+", "lim-"):
            return sympy.Limit(body, variable, *bounds, node.name[3:] or "+-")
        raise AnswerError(f"{node.name} has no counterpart")


def _checked(expr: Expr) -> Expr:
    if expr.has(sympy.nan, sympy.zoo):
        raise AnswerError("undefined")
    if expr.is_Rational and _bits(expr) > MAX_BITS:
        raise TooLarge("too many digits")
    return expr


def _bits(expr: Expr) -> int:
    """The digits of all rational numbers in an expression."""
    return sum(int(r.p).bit_length() + int(r.q).bit_length() for r in expr.atoms(sympy.Rational))


def _refuse_large_power(base: Expr, exponent: Expr) -> None:
    if base in (0, 1, -1) or not _is_number(exponent) or exponent.is_infinite:
        return
    size = _size(exponent)
    if not exponent.is_Integer and _bits(base) > MAX_BITS_UNDER_ROOT:  # sympy looks for factors
        raise TooLarge("a root of a number too large to compute")
    if size > MAX_EXPONENT and not base.is_Rational:
        raise TooLarge("an exponent too large to compute")
    if _is_number(base) and size * max(1, _bits(base)) > MAX_BITS:
        raise TooLarge("a power too large to compute")
    terms, degree = expanded_size(base, int(size)) if exponent.is_Integer else (1, 1)
    if terms > MAX_EXPANDED_TERMS or degree > MAX_EXPONENT:
        raise TooLarge("a power with too many terms")


def _is_number(expr: Expr) -> bool:
    return bool(expr.is_number) and not expr.has(*_UNEVALUATED)


def _size(number: Expr) -> float:
    if number.is_Rational:
        return -(-abs(int(number.p)) // int(number.q))
    try:
        return abs(complex(number.evalf(5)))
    except OverflowError as error:
        raise TooLarge("an exponent too large to compute") from error


def expanded_size(base: Expr, power: int = 1) -> tuple[int, int]:
    """At most how many terms base ** power has when multiplied out, and its degree."""
    terms, degree = 1, int(bool(base.free_symbols))
    if base.is_Add or base.is_Mul:
        parts = [expanded_size(arg) for arg in base.args]
        combine, widen = (sum, max) if base.is_Add else (math.prod, sum)
        terms, degree = combine(part[0] for part in parts), widen(part[1] for part in parts)
    elif base.is_Pow and base.exp.is_Integer:
        terms, degree = expanded_size(base.base, abs(int(base.exp)))
    terms, degree = math.comb(terms + power - 1, power), degree * power
    return (min(terms, degree + 1) if len(base.free_symbols) == 1 else terms), degree


def _factorial(x: Expr) -> Expr:
    if x.is_Integer and x > MAX_FACTORIAL:
        raise TooLarge("a factorial too large to compute")
    if _is_number(x) and not (x.is_Integer and x >= 0):
        raise AnswerError("a factorial of something else than a natural number")
    return sympy.factorial(x)


def _choose(function: Callable[[Expr, Expr], Expr]) -> Callable[[Expr, Expr], Expr]:
    def choose(n: Expr, k: Expr) -> Expr:
        if any(_is_number(x) and not x.is_Integer for x in (n, k)):
            raise AnswerError("only integers are chosen from")
        is_row = k.is_Integer and n.is_Integer and function is sympy.binomial and k <= n
        taken = min(k, n - k) if is_row else k
        if k.is_Integer and taken * max(1, _bits(n)) > MAX_BITS:
            raise TooLarge("a binomial too large to compute")
        return function(n, k)

    return choose


def _integers(function: Callable[..., Expr]) -> Callable[..., Expr]:
    def fold(*args: Expr) -> Expr:
        if not all(arg.is_Integer for arg in args):
            raise AnswerError("a common divisor of something else than integers")
        return sympy.Integer(function(*map(int, args)))

    return fold


_OPERATIONS: Final[dict[str, Callable[..., Expr]]] = {
    "add": sympy.Add,
    "mul": sympy.Mul,
    "neg": lambda x: -x,
    "div": lambda x, y: x / y,
    "log": lambda x, base: sympy.log(x) / sympy.log(base),
    "percent": lambda x: x / 100,
    "degree": lambda x: x * sympy.pi / 180,
    "factorial": _factorial,
    "binom": _choose(sympy.binomial),
    "perm": _choose(sympy.FallingFactorial),
    "gcd": _integers(math.gcd),
    "lcm": _integers(math.lcm),
}


def from_sympy(expr: Expr) -> Node:
    """The expression in our terms; AnswerError when a part has no counterpart, TooLarge when there are too many.

    Of a case distinction the case that holds in general stays: not x = 0, and not the unevaluated one.
    """
    if len(list(islice(sympy.preorder_traversal(expr), MAX_NODES + 1))) > MAX_NODES:
        raise TooLarge("too many parts")
    with refusals():
        return _node(expr)


def _node(expr: Expr) -> Node:
    if expr.is_Rational:
        return Num(Fraction(int(expr.p), int(expr.q)))
    if expr.is_Symbol:
        return Var(expr.name)
    if expr.func in _NAMES:
        return Op(_NAMES[expr.func], tuple(map(_node, expr.args)))
    if expr.is_Pow:
        return _power_node(*expr.args)
    if isinstance(expr, sympy.Piecewise):
        return _node(_general_case(expr.args))
    return _special_node(expr)


def _special_node(expr: Expr) -> Node:
    if expr in _NODES:
        return _NODES[expr]
    if isinstance(expr, sympy.sign):
        return _node(expr.args[0] / sympy.Abs(expr.args[0]))
    if isinstance(expr, sympy.RisingFactorial):
        return _node(expr.rewrite(sympy.gamma))
    if isinstance(expr, sympy.gamma) and (expr.free_symbols or expr.args[0].is_Integer):
        return Op("factorial", (_node(expr.args[0] - 1),))
    raise AnswerError(f"{expr.func.__name__} has no counterpart")


def _power_node(base: Expr, exponent: Expr) -> Node:
    is_odd_root = exponent.is_Rational and exponent.q > 1 and exponent.q % 2
    if is_odd_root and base.is_negative:  # sympy means the complex root, our tree would mean the real one
        turn = sympy.exp(sympy.pi * sympy.I * exponent, evaluate=False)
        return Op("mul", (_node(sympy.Pow(-base, exponent)), _node(turn)))
    return Op("pow", (_node(base), _node(exponent)))


def _general_case(cases: Sequence[Any]) -> Expr:
    general = []
    for value, condition in cases:
        if condition.has(sympy.Eq):
            continue
        if isinstance(condition, sympy.Ne):
            return value
        if not value.has(*_UNEVALUATED):
            general.append(value)
    if len(general) != 1:
        raise AnswerError("several cases")
    return general[0]
