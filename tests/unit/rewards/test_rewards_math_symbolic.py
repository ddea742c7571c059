"""Our trees in sympy's terms and back, and what sympy computes on them: against values found by hand."""

import time
from fractions import Fraction

import pytest
import sympy

from r1kit.rewards.math.tree import (
    INFINITY,
    Answer,
    AnswerError,
    Based,
    Binder,
    Const,
    Interval,
    Items,
    NamedSet,
    Node,
    Num,
    Op,
    Relation,
    Scalar,
    SetOperation,
    TooLarge,
    Var,
    substitute,
)
from r1kit.rewards.math.values.build import from_sympy, to_sympy
from r1kit.rewards.math.values.evaluate import evaluate_exactly, evaluate_in
from r1kit.rewards.math.values.irrational import Reals
from r1kit.rewards.math.values.solve import solution_set
from r1kit.rewards.math.values.symbolic import _refuse_contradiction, closed_form, is_identically_zero

X, Y, N, K, H = map(Var, "xynkh")
PI, E, IMAGINARY = Const("pi"), Const("e"), Const("i")
MINUS_INFINITY = Op("neg", (INFINITY,))
GENEROUS_SECONDS = 5.0


def tree(value: Node | int | Fraction) -> Node:
    return Num(Fraction(value)) if isinstance(value, int | Fraction) else value


def op(name: str, *args: Node | int | Fraction) -> Op:
    return Op(name, tuple(map(tree, args)))


def bind(name: str, variable: Var, body: Node | int, *bounds: Node | int) -> Binder:
    return Binder(name, variable.name, tuple(map(tree, bounds)), tree(body))


def add(*args: Node | int | Fraction) -> Op:
    return op("add", *args)


def mul(*args: Node | int | Fraction) -> Op:
    return op("mul", *args)


def div(above: Node | int, below: Node | int) -> Op:
    return op("div", above, below)


def power(base: Node | int | Fraction, exponent: Node | int | Fraction) -> Op:
    return op("pow", base, exponent)


def neg(node: Node | int) -> Op:
    return op("neg", node)


def root(node: Node | int, index: int = 2) -> Op:
    return op("root", node, index)


def gap(left: Node, right: Node) -> float:
    """How far two constants are apart."""
    return float(abs(evaluate_in(Op("add", (left, neg(right))), Reals(256))))


def at(node: Node, **values: int | Fraction) -> Node:
    return substitute(node, {name: Fraction(value) for name, value in values.items()})


@pytest.mark.parametrize(
    "node",
    [
        tree(Fraction(-22, 7)), Based("FF", 16), PI, E, mul(IMAGINARY, IMAGINARY), root(2), root(-8, 3), power(-8, Fraction(2, 3)),
        power(2, Fraction(-5, 3)), op("log", 8, 3), op("ln", 2), op("exp", 2), op("sin", 1), op("cot", 1),
        op("arctan", 3), op("sinh", 1), op("abs", neg(PI)), op("percent", 35), op("degree", 61),
        op("factorial", 6), power(E, mul(IMAGINARY, PI)), div(add(root(5), 1), 2), power(add(1, root(2)), 9),
    ],
    ids=str,
)  # fmt: skip
def test_a_constant_keeps_its_value_through_sympy_and_back(node: Node) -> None:
    assert gap(from_sympy(to_sympy(node)), node) < 1e-30


@pytest.mark.parametrize(
    "node",
    [
        add(power(X, 3), mul(-2, X, Y), 7), div(add(X, 1), add(Y, 11)), root(add(power(X, 2), 1)), root(X, 3),
        power(X, Fraction(2, 3)), op("abs", add(X, Y)), op("exp", mul(X, Y)), power(2, X), op("sin", add(X, 1)),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("x", [Fraction(-7, 3), Fraction(5, 4)])
def test_an_expression_keeps_its_values_through_sympy_and_back(node: Node, x: Fraction) -> None:
    back = from_sympy(to_sympy(node))
    assert gap(at(back, x=x, y=2), at(node, x=x, y=2)) < 1e-30


def test_a_rational_number_stays_exact() -> None:
    assert to_sympy(tree(Fraction(1, 3))) == sympy.Rational(1, 3)
    assert from_sympy(sympy.Rational(10, 4)) == Num(Fraction(5, 2))


def test_functions_of_integers_have_their_values() -> None:
    assert to_sympy(op("binom", 10, 3)) == 120
    assert to_sympy(op("perm", 10, 3)) == 720
    assert to_sympy(op("gcd", 12, 18, 8)) == 2
    assert to_sympy(op("lcm", 4, 6)) == 12
    assert to_sympy(op("mod", -7, 3)) == 2
    assert to_sympy(op("floor", neg(PI))) == -4
    assert to_sympy(op("max", 2, PI)) == sympy.pi


def test_an_odd_root_of_a_negative_number_is_real() -> None:
    assert to_sympy(root(-8, 3)) == -2
    assert to_sympy(root(X, 3)).subs(sympy.Symbol("x", real=True), -27) == -3


def test_a_complex_root_that_sympy_means_stays_complex() -> None:
    back = from_sympy(sympy.Pow(-1, sympy.Rational(1, 3)))
    assert gap(back, add(Fraction(1, 2), mul(IMAGINARY, div(root(3), 2)))) < 1e-30


def test_operators_are_built_unevaluated() -> None:
    for node in (
        bind("sum", K, K, 1, 3), bind("prod", K, K, 1, 3), bind("int", X, X, 0, 1), bind("int", X, X),
        bind("lim", X, X, 2), bind("lim+", X, X, 2), bind("diff", X, bind("diff", X, power(X, 3))),
    ):  # fmt: skip
        built = to_sympy(node)
        assert isinstance(built, sympy.Sum | sympy.Product | sympy.Integral | sympy.Limit | sympy.Derivative)
        with pytest.raises(AnswerError):
            from_sympy(built)
    assert to_sympy(bind("sum", K, K, 1, 3)).doit() == 6


@pytest.mark.parametrize(
    "node", [div(1, 0), op("ln", 0), op("mod", 5, 0), op("gcd", X, 2), op("nonsense", 1)], ids=str
)
def test_what_is_undefined_or_unknown_is_refused(node: Node) -> None:
    with pytest.raises(AnswerError):
        to_sympy(node)


@pytest.mark.parametrize(
    "expr",
    [sympy.zeta(3), sympy.erf(1), sympy.nan, sympy.zoo, sympy.Float(0.5), sympy.gamma(sympy.Rational(1, 3))],
)
def test_what_our_trees_cannot_say_is_refused(expr: object) -> None:
    with pytest.raises(AnswerError):
        from_sympy(expr)


def test_a_case_distinction_becomes_its_general_case() -> None:
    back = closed_form(bind("int", X, power(X, N)))
    assert gap(at(back, x=2, n=3), tree(4)) < 1e-30


CLOSED = [
    (bind("sum", K, K, 1, 100), tree(5050)),
    (bind("sum", K, K, 5, 1), tree(0)),
    (bind("prod", K, K, 1, 5), tree(120)),
    (bind("prod", K, K, 5, 1), tree(1)),
    (bind("sum", K, power(Fraction(1, 2), K), 0, INFINITY), tree(2)),
    (bind("sum", K, div(1, power(K, 2)), 1, INFINITY), div(power(PI, 2), 6)),
    (bind("sum", K, div(1, op("factorial", K)), 0, INFINITY), E),
    (bind("sum", K, div(K, power(2, K)), 1, INFINITY), tree(2)),
    (bind("sum", K, div(1, mul(K, add(K, 1))), 1, INFINITY), tree(1)),
    (bind("sum", K, div(1, mul(K, add(K, 1))), 1, 10**9), tree(Fraction(10**9, 10**9 + 1))),
    (bind("sum", K, K, 1, 10**9), tree(10**9 * (10**9 + 1) // 2)),
    (bind("sum", K, div(1, add(root(K), root(add(K, 1)))), 1, 99), tree(9)),
    (bind("prod", K, add(1, neg(div(1, power(K, 2)))), 2, INFINITY), tree(Fraction(1, 2))),
    (bind("prod", K, add(1, div(1, K)), 1, 10**9), tree(10**9 + 1)),
    (bind("sum", N, bind("sum", K, mul(N, K), 1, N), 1, 3), tree(25)),
    (bind("sum", N, bind("sum", K, add(N, K), 1, 100), 1, 100), tree(1_010_000)),
    (bind("sum", N, bind("sum", K, op("factorial", K), 1, N), 1, 3), tree(13)),
    (add(1, mul(2, bind("sum", K, K, 1, 3))), tree(13)),
    (bind("int", X, power(X, 2), 0, 1), tree(Fraction(1, 3))),
    (bind("int", X, power(X, 2), 1, 0), tree(Fraction(-1, 3))),
    (bind("int", X, op("abs", add(X, -1)), 0, 3), tree(Fraction(5, 2))),
    (bind("int", X, root(X, 3), -1, 8), tree(Fraction(45, 4))),
    (bind("int", X, root(add(1, neg(power(X, 2)))), -1, 1), div(PI, 2)),
    (bind("int", X, op("exp", neg(power(X, 2))), MINUS_INFINITY, INFINITY), root(PI)),
    (bind("int", X, div(1, add(1, power(X, 2))), MINUS_INFINITY, INFINITY), PI),
    (bind("int", X, op("ln", X), 0, 1), tree(-1)),
    (bind("int", X, div(1, add(2, op("cos", X))), 0, mul(2, PI)), div(mul(2, PI), root(3))),
    (bind("int", X, bind("int", Y, mul(X, Y), 0, X), 0, 2), tree(2)),
    (bind("lim", X, power(add(1, div(1, X)), X), INFINITY), E),
    (bind("lim", X, div(op("sin", X), X), 0), tree(1)),
    (bind("lim", X, div(add(power(X, 2), -4), add(X, -2)), 2), tree(4)),
    (bind("lim+", X, div(op("abs", X), X), 0), tree(1)),
    (bind("lim-", X, div(op("abs", X), X), 0), tree(-1)),
    (bind("lim-", X, op("floor", X), 2), tree(1)),
    (bind("lim", N, div(power(-1, N), N), INFINITY), tree(0)),
    (bind("lim", X, root(X, 3), -8), tree(-2)),
]  # fmt: skip


@pytest.mark.parametrize(("node", "value"), CLOSED, ids=str)
def test_the_closed_form_has_the_value_found_by_hand(node: Node, value: Node) -> None:
    assert gap(closed_form(node), value) < 1e-30


FUNCTIONS = [
    (bind("sum", K, K, 1, N), div(mul(N, add(N, 1)), 2)),
    (bind("sum", K, power(K, 3), 1, N), power(div(mul(N, add(N, 1)), 2), 2)),
    (bind("sum", K, mul(K, op("factorial", K)), 1, N), add(op("factorial", add(N, 1)), -1)),
    (bind("sum", K, op("binom", N, K), 0, N), power(2, N)),
    (bind("prod", K, K, 1, N), op("factorial", N)),
    (bind("sum", K, power(X, K), 0, 2), add(1, X, power(X, 2))),
    (bind("sum", K, power(X, K), 0, 100), div(add(power(X, 101), -1), add(X, -1))),
    (bind("sum", K, power(X, K), 0, INFINITY), div(1, add(1, neg(X)))),
    (bind("int", X, mul(2, X)), power(X, 2)),
    (bind("int", Y, mul(2, Y), 0, X), power(X, 2)),
    (bind("diff", X, power(X, 3)), mul(3, power(X, 2))),
    (bind("diff", X, bind("diff", X, power(X, 3))), mul(6, X)),
    (bind("diff", X, root(X, 3)), div(1, mul(3, power(X, Fraction(2, 3))))),
    (bind("diff", X, mul(op("sin", X), N)), mul(N, op("cos", X))),
    (bind("lim", H, div(add(power(add(X, H), 2), neg(power(X, 2))), H), 0), mul(2, X)),
]  # fmt: skip


@pytest.mark.parametrize(("node", "function"), FUNCTIONS, ids=str)
def test_free_variables_stay_in_the_closed_form(node: Node, function: Node) -> None:
    closed = closed_form(node)
    for n, x in ((3, Fraction(1, 7)), (8, Fraction(-3, 5))):
        assert gap(at(closed, n=n, x=x), at(function, n=n, x=x)) < 1e-30


def test_what_grows_without_end_is_infinite() -> None:
    assert closed_form(bind("sum", K, div(1, K), 1, INFINITY)) == INFINITY
    assert closed_form(bind("lim", X, div(1, power(X, 2)), 0)) == INFINITY
    assert closed_form(bind("lim-", X, div(1, X), 0)) == MINUS_INFINITY


@pytest.mark.parametrize(
    "node",
    [
        bind("sum", K, power(-1, K), 0, INFINITY), bind("sum", K, K, 1, tree(Fraction(5, 2))),
        bind("sum", K, div(1, K), 0, 5), bind("int", X, div(1, X), -1, 1), bind("int", X, power(X, X), 0, 1),
        bind("lim", X, div(1, X), 0), bind("lim", X, op("sin", X), INFINITY), bind("lim", X, op("floor", X), 2),
    ],
    ids=str,
)  # fmt: skip
def test_what_has_no_value_or_no_closed_form_is_refused(node: Node) -> None:
    with pytest.raises(AnswerError):
        closed_form(node)


def test_an_integral_that_quadrature_contradicts_is_refused() -> None:
    square = power(X, 2)
    area = bind("int", X, square, 0, 1)
    _refuse_contradiction(area, square, tree(Fraction(1, 3)))
    with pytest.raises(AnswerError):
        _refuse_contradiction(area, square, tree(Fraction(1, 2)))


NINES = power(9, power(9, power(9, 9)))
HUGE = [
    root(10**9_000 + 7), power(10**9_000 + 7, Fraction(1, 3)),
    NINES, power(10, 10**8), power(10, neg(10**8)), op("factorial", 10**8), op("factorial", op("factorial", 50)),
    op("binom", 10**9, 10**6), op("binom", power(10, 50), power(10, 40)), op("perm", 10**9, 10**7),
    op("mod", power(7, power(10, 10)), 13), op("exp", op("exp", op("exp", op("exp", 5)))), power(E, power(E, power(E, 50))),
    power(power(power(X, 1000), 1000), 1000), power(add(*map(Var, "abcdef")), 900), power(root(7), 10**9), power(X, 10**9),
    bind("sum", K, op("factorial", K), 1, 10**9), bind("sum", K, power(2, K), 1, 10**9), bind("prod", K, NINES, 1, 3),
    power(mul(3, root(2)), 10**7), power(Fraction(7, 5), Fraction(10**8 + 1, 2)), op("sinh", 10**9), op("root", 2, NINES),
    add(*(power(X, k) for k in range(3_000))),
]  # fmt: skip


@pytest.mark.parametrize("node", HUGE, ids=range(len(HUGE)))
def test_a_huge_tree_is_refused_before_anything_is_computed(node: Node) -> None:
    start = time.process_time()
    with pytest.raises(TooLarge):
        to_sympy(closed_form(node))
    assert time.process_time() - start < GENEROUS_SECONDS


@pytest.mark.parametrize(
    "side", [power(X, 5_000), power(add(power(add(power(X, 9), 1), 9), 1), 9), mul(X, NINES)], ids=str
)
def test_a_huge_polynomial_is_not_solved(side: Node) -> None:
    start = time.process_time()
    with pytest.raises(TooLarge):
        solution_set(Relation((side, add(X, 3)), ("<",)), "x")
    assert time.process_time() - start < GENEROUS_SECONDS


def points(*nodes: Node | int) -> Items:
    return Items("{}", tuple(Scalar(tree(node)) for node in nodes))


def interval(text: str, low: Node | int | Fraction, high: Node | int | Fraction) -> Interval:
    return Interval(tree(low), tree(high), text[0] == "[", text[1] == "]")


def union(*parts: Answer) -> SetOperation:
    return SetOperation("union", parts)


NOWHERE, EVERYWHERE = points(), NamedSet("R")
ALL_BUT_ZERO = union(interval("()", MINUS_INFINITY, 0), interval("()", 0, INFINITY))
SOLUTIONS = [
    ((X, ">=", 3), interval("[)", 3, INFINITY)),
    ((3, ">", X), interval("()", MINUS_INFINITY, 3)),
    ((-3, "<", X, "<=", 3), interval("(]", -3, 3)),
    ((add(mul(2, X), 3), "<", add(X, 10)), interval("()", MINUS_INFINITY, 7)),
    ((-1, "<=", div(add(X, -1), 2), "<", 4), interval("[)", -1, 9)),
    ((0, "<", X, "<", PI), interval("()", 0, PI)),
    ((X, "<", INFINITY), EVERYWHERE),
    ((MINUS_INFINITY, "<", X, "<", 3), interval("()", MINUS_INFINITY, 3)),
    ((X, "=", 4), points(4)),
    ((X, "!=", 0), ALL_BUT_ZERO),
    ((5, "<", X, "<", 3), NOWHERE),
    ((1, "<=", X, "<=", 1), points(1)),
    ((op("abs", X), "<", 3), interval("()", -3, 3)),
    ((op("abs", add(mul(2, X), -1)), "<=", 5), interval("[]", -2, 3)),
    ((op("abs", X), "=", X), interval("[)", 0, INFINITY)),
    ((mul(add(X, -1), add(X, -2)), ">=", 0), union(interval("(]", MINUS_INFINITY, 1), interval("[)", 2, INFINITY))),
    ((mul(X, power(add(X, -1), 2)), "<=", 0), union(interval("(]", MINUS_INFINITY, 0), points(1))),
    ((power(X, 2), "<", -1), NOWHERE),
    ((power(X, 2), ">=", 0), EVERYWHERE),
    ((power(X, 2), ">", 0), ALL_BUT_ZERO),
    ((power(X, 2), "<=", 0), points(0)),
    ((power(X, 2), "=", 4), points(-2, 2)),
    ((0, "<", power(X, 2), "<", 4), union(interval("()", -2, 0), interval("()", 0, 2))),
    ((div(1, X), ">", 0), interval("()", 0, INFINITY)),
    ((div(X, X), ">", 0), ALL_BUT_ZERO),
    ((div(add(X, -1), add(X, 2)), "<=", 3), union(interval("(]", MINUS_INFINITY, Fraction(-7, 2)), interval("()", -2, INFINITY))),
    ((root(X), "<", 2), interval("[)", 0, 4)),
    ((power(2, X), ">=", 8), interval("[)", 3, INFINITY)),
    ((power(add(X, -1), 20), ">", 0), union(interval("()", MINUS_INFINITY, 1), interval("()", 1, INFINITY))),
    ((op("abs", add(op("abs", X), -1)), "<=", 2), interval("[]", -3, 3)),
    ((root(X, 3), ">", -2), interval("()", -8, INFINITY)),
    ((op("ln", X), "<", 0), interval("()", 0, 1)),
    ((1, "<", 2), EVERYWHERE),
    ((2, "<", 1), NOWHERE),
]  # fmt: skip


@pytest.mark.parametrize(("chain", "expected"), SOLUTIONS, ids=str)
def test_a_chain_holds_exactly_on_the_set_found_by_hand(chain: tuple, expected: Answer) -> None:
    relation = Relation(tuple(map(tree, chain[::2])), tuple(chain[1::2]))
    assert solution_set(relation, "x") == expected


def test_irrational_ends_have_their_values() -> None:
    found = solution_set(Relation((power(X, 2), tree(2)), ("<",)), "x")
    assert isinstance(found, Interval)
    assert gap(found.low, neg(root(2))) < 1e-30
    assert gap(found.high, root(2)) < 1e-30
    found = solution_set(Relation((add(power(X, 3), mul(-3, X), 1), tree(0)), ("=",)), "x")
    assert isinstance(found, Items)
    ends = [item.node for item in found.items if isinstance(item, Scalar)]
    assert len(ends) == 3
    assert gap(ends[1], mul(2, op("cos", div(mul(4, PI), 9)))) < 1e-30


@pytest.mark.parametrize(
    "sides",
    [
        (X, Y), (X, div(1, 0)), (X, root(-2)), (op("sin", X), tree(0)), (op("floor", X), tree(2)),
        (add(power(X, 5), neg(X), -1), tree(0)), (root(add(-1, neg(power(X, 2)))), tree(1)),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_solved_is_refused(sides: tuple[Node, Node]) -> None:
    with pytest.raises(AnswerError):
        solution_set(Relation(sides, ("<",)), "x")


ZEROS = [
    add(div(op("factorial", add(N, 1)), op("factorial", N)), neg(N), -1),
    add(op("binom", add(N, 1), add(K, 1)), neg(op("binom", N, K)), neg(op("binom", N, add(K, 1)))),
    add(power(op("sin", X), 2), power(op("cos", X), 2), -1),
    add(root(add(5, mul(2, root(6)))), neg(root(2)), neg(root(3))),
    add(root(power(X, 3), 3), neg(X)),
    add(op("floor", add(X, 1)), neg(op("floor", X)), -1),
    add(bind("sum", K, K, 1, N), neg(div(mul(N, add(N, 1)), 2))),
]


@pytest.mark.parametrize("node", ZEROS, ids=str)
def test_an_identity_is_recognised(node: Node) -> None:
    assert is_identically_zero(node) is True


@pytest.mark.parametrize(
    "node",
    [add(X, -1), add(root(2), -1), add(op("floor", X), neg(op("ceil", X))), add(root(power(X, 2)), neg(X))],
    ids=str,
)
def test_what_is_not_zero_is_never_called_zero(node: Node) -> None:
    assert is_identically_zero(node) is not True


def test_a_constant_that_is_not_zero_is_told_from_zero() -> None:
    assert is_identically_zero(add(root(2), -1)) is False
    assert evaluate_exactly(closed_form(bind("sum", K, K, 1, 4))) == 10
