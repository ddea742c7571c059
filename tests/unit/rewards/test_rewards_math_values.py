"""What expressions are worth: exact values, bounds, near misses, functions compared as functions."""

from fractions import Fraction

import pytest

from r1kit.rewards.math.reading.parse import parse_answer
from r1kit.rewards.math.tree import AnswerError, Node, Num, Op, Scalar, TooLarge
from r1kit.rewards.math.values.equality import (
    proportional,
    same_constant,
    same_expression,
    sign_of_difference,
    variables,
)
from r1kit.rewards.math.values.evaluate import MAX_BITS, MAX_FACTORIAL, evaluate_exactly, evaluate_in
from r1kit.rewards.math.values.irrational import Reals
from r1kit.rewards.math.values.shortcuts import shortcut


def node(text: str) -> Node:
    answer = parse_answer(text)
    assert isinstance(answer, Scalar)
    return answer.node


EXACT = [
    ("2+3", "5"), ("7-10", "-3"), ("2^{10}", "1024"), ("-3^2", "-9"), ("(-3)^2", "9"), ("2^{-3}", "1/8"), ("0^0", "1"), ("1/2/3", "1/6"), ("2^{3^2}", "512"), ("0.1+0.2", "3/10"),
    (r"\frac{1/2}{3/4}", "2/3"), (r"3\frac12-\frac12", "3"), (r"0.\overline{142857}", "1/7"), (r"0.1\overline{6}", "1/6"), ("1.5e-3", "3/2000"), ("5!", "120"), ("0!", "1"), ("3!", "6"),
    (r"\binom{10}{3}", "120"), (r"\binom{5}{0}", "1"), ("P(5,2)", "20"), (r"\sqrt{\frac{9}{4}}", "3/2"), (r"\sqrt[3]{-27}", "-3"), ("8^{1/3}", "2"), ("4^{3/2}", "8"), (r"|-\frac12|", "1/2"),
    (r"\lfloor-2.5\rfloor", "-3"), (r"\lceil-2.5\rceil", "-2"), (r"17\bmod5", "2"), (r"-17\bmod5", "-2"), (r"\gcd(12,18)", "6"), (r"\operatorname{lcm}(4,6)", "12"), (r"\max(1,5/2,2)", "5/2"),
    (r"\min(1,-2)", "-2"), (r"\log_2 8", "3"), (r"\log_2(\frac18)", "-3"), (r"\log_{10}1000", "3"), (r"25\%", "1/4"), ("1011_2", "11"), ("FF_{16}", "255"), ("i^2", "-1"), ("i^{100}", "1"),
    (r"7^{10^{50}}\bmod10", "1"), (r"\frac{1000000!}{999999!}", "1000000"), (r"\frac{2000000!}{2000001!}", "1/2000001"), (r"\log_7 7^{10^{9}}", "1000000000"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), EXACT)
def test_a_rational_value_is_exact(text: str, value: str) -> None:
    assert same_constant(node(text), Num(Fraction(value)))
    assert not same_constant(node(text), Num(Fraction(value) + Fraction(1, 10**200)))


@pytest.mark.parametrize("text", [r"\sqrt2", r"\pi", "e", "i", "2^{1/2}", r"\log_2 3", r"\sin1", r"\ln2"])
def test_what_is_irrational_or_complex_has_no_fraction(text: str) -> None:
    assert evaluate_exactly(node(text)) is None


UNDEFINED = [
    "1/0", "0/0", "0^{-1}", r"\frac{1}{1-1}", r"\ln0", r"\log_{1}5", r"\tan\frac{\pi}{2}", "(-1)!", r"5\bmod0", r"\gcd(1/2,3)", r"\frac{1}{\sqrt2-\sqrt2}",
    r"\infty", r"\infty-\infty", r"\max(i,1)", r"\lfloor i\rfloor", r"\cot0", r"0^{-\pi}",
]  # fmt: skip


@pytest.mark.parametrize("text", UNDEFINED)
def test_what_is_undefined_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        same_constant(node(text), Num(Fraction(1)))


HUGE = ["9^{9^9}", "10^{-10^9}", "(10^{50000})^{100}", r"\binom{10^{100}}{10^{50}}", r"2^{10^7}+\pi", r"\sqrt[3]{2^{10^6}}"]  # fmt: skip


@pytest.mark.parametrize("text", HUGE)
def test_what_is_too_large_is_never_computed(text: str) -> None:
    with pytest.raises(TooLarge):
        same_constant(node(text), Num(Fraction(1)))


@pytest.mark.parametrize(
    "text", [r"\pi^{10^6}", r"e^{e^{e^{10}}}", r"\sin(10^{1000})", r"\sqrt2^{10^9}", r"\ln(10^{10^5})+\pi"]
)
def test_what_is_too_large_beside_an_irrational_number_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        same_constant(node(text), Num(Fraction(1)))


def test_powers_and_factorials_are_computed_up_to_their_bounds() -> None:
    assert evaluate_exactly(node(f"2^{{{MAX_BITS // 3}}}")) == 2 ** (MAX_BITS // 3)
    assert evaluate_exactly(node(f"{MAX_FACTORIAL}!")) is not None
    for text in (f"2^{{{MAX_BITS}}}", f"{MAX_FACTORIAL + 1}!"):
        with pytest.raises(AnswerError):
            evaluate_exactly(node(text))


def test_many_cheap_steps_that_add_up_are_refused() -> None:
    fractions = [Op("div", (Num(Fraction(1)), Num(Fraction(2**2000 + 2 * k + 1)))) for k in range(300)]
    with pytest.raises(TooLarge):
        evaluate_exactly(Op("add", tuple(fractions)))


def test_a_variable_has_no_value() -> None:
    with pytest.raises(AnswerError, match="variable x"):
        evaluate_exactly(node("x+1"))


@pytest.mark.parametrize(
    ("text", "value"),
    [(r"\pi", 3.141592653589793), ("e", 2.718281828459045), (r"\sqrt2", 2**0.5), (r"\sin1", 0.8414709848078965), (r"\ln2", 0.6931471805599453), (r"45^\circ", 0.7853981633974483),
     (r"\arctan1", 0.7853981633974483), (r"\cosh1", 1.5430806348152437), (r"\sec1", 1.8508157176809255), (r"2^{\pi}", 8.824977827076287), (r"\sqrt[5]{-2}", -(2**0.2)), (r"\log_2 3", 1.5849625007211562)],
)  # fmt: skip
def test_an_irrational_value_agrees_with_floating_point(text: str, value: float) -> None:
    assert float(evaluate_in(node(text), Reals(200))) == pytest.approx(value, rel=1e-14)


SAME = [
    (r"\sqrt8", r"2\sqrt2"), (r"\frac1{\sqrt2}", r"\frac{\sqrt2}2"), (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"), (r"\sqrt[3]{2+\sqrt5}", r"\frac{1+\sqrt5}{2}"), (r"\sin\frac\pi3", r"\frac{\sqrt3}2"), (r"\cos72^\circ", r"\frac{\sqrt5-1}{4}"),
    (r"e^{i\pi}", "-1"), (r"(1+i)^8", "16"), (r"|3+4i|", "5"), (r"\overline{3+4i}", "3-4i"), (r"\ln8", r"3\ln2"), (r"\log_4 8", "3/2"), (r"2\arctan\frac12+\arctan\frac34", r"\frac\pi2+0\cdot\pi"), (r"e^{\ln5}", "5"),
    (r"\frac{1}{\sqrt3-\sqrt2}", r"\sqrt3+\sqrt2"), (r"\sqrt{5+2\sqrt6}-\sqrt2", r"\sqrt3"), (r"\tan15^\circ", r"2-\sqrt3"),
    ("(x+1)^2", "x^2+2x+1"), (r"\sin^2x+\cos^2x", "1"), (r"\sin2x", r"2\sin x\cos x"), (r"\sqrt{x^2}", "|x|"), ("2^{n+1}", r"2\cdot2^n"), (r"\frac{x^2-1}{x-1}", "x+1"), (r"e^{x+y}", "e^xe^y"), (r"\ln x^2", r"2\ln|x|"),
    (r"\frac1x+\frac1y", r"\frac{x+y}{xy}"), (r"\binom{n}{2}", r"\frac{n(n-1)}{2}"), ("n!", r"n\cdot(n-1)!"), (r"\sqrt{x}\sqrt{x}", "x"), (r"\log x^2", r"2\log|x|"), (r"\log100", "2"), (r"\log e", "1"), (r"\log x", r"\ln x"), (r"\ln x+C", r"C+\ln x"),
    (r"\sum_{k=1}^{n}k", r"\frac{n(n+1)}{2}"), (r"\int_0^1x^2dx", "1/3"), (r"\lim_{x\to0}\frac{\sin x}{x}", "1"), (r"\frac{d}{dx}x^3", "3x^2"), (r"\prod_{k=1}^{4}k", "24"), (r"\infty", r"\infty"),
]  # fmt: skip
OTHER = [
    (r"\sqrt8", r"2\sqrt3"), (r"\pi", r"\frac{355}{113}"), (r"e^{\pi\sqrt{163}}", "262537412640768744"), (r"\pi", r"\pi+10^{-200}"), (r"\sqrt2", r"\sqrt{2+10^{-200}}"), ("1", r"1+\pi^{-200}"), ("10^{300}", "10^{300}+1"),
    (r"2^{-99}", r"2^{-98}"), (r"\sqrt{10^{60}+1}", "10^{30}"), (r"\sin1", r"\sin(1+10^{-100})"), ("3+4i", "3-4i"), (r"\sqrt2+\sqrt3", r"\sqrt{5}"), (r"1+10^{-200}i", "1"), (r"\cos(\pi\cdot10^{-120})", "1"),
    ("x", "X"), ("x", "y"), ("x+C", "x"), (r"\sqrt{x^2}", "x"), ("x^2", "x^2+10^{-60}"), (r"\sin x", "x"), ("(x+y)^2", "x^2+y^2"), ("2^{n+1}", "2^n+1"), (r"\ln x", r"\log_{10}x"), (r"\log x", r"\log_2x"), (r"\infty", r"-\infty"), ("x^{12}", "x^{13}"),
    ("x_1", "x_2"), ("x", "1"), ("(x-1)(x-2)(x-3)(x-4)", "0"), (r"|x|", "-x"), (r"\frac{x^2-1}{x-1}", "x-1"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), SAME)
def test_equal_expressions_are_the_same_both_ways(left: str, right: str) -> None:
    assert same_expression(node(left), node(right))
    assert same_expression(node(right), node(left)) or "|" in right


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_unequal_expressions_differ_both_ways(left: str, right: str) -> None:
    assert not same_expression(node(left), node(right))
    assert not same_expression(node(right), node(left)) or "sqrt{x" in left


def test_a_near_miss_that_no_number_in_it_gives_away_is_told_apart() -> None:
    nested = r"\sqrt{2+" * 28 + r"\sqrt2" + "}" * 28
    assert not same_expression(node(nested), node("2"))
    assert same_expression(node(nested), node(rf"2\cos\frac{{\pi}}{{{2**30}}}"))


def test_functions_are_compared_where_the_left_one_is_real() -> None:
    assert same_expression(node(r"2\ln x"), node(r"\ln x^2"))
    assert not same_expression(node(r"\ln x^2"), node(r"2\ln x"))


def test_a_logarithm_without_a_base_has_one_base_on_both_sides() -> None:
    assert same_expression(node(r"\frac{\log8}{\log2}"), node("3"))
    assert same_expression(node(r"\log x"), node(r"\log_{10}x"))
    assert not same_expression(node(r"\log x+\log y"), node(r"\ln x+\log_{10}y"))
    assert not same_expression(node(r"\log x+\ln y"), node(r"\ln x+\log y"))


@pytest.mark.parametrize(("left", "right", "sign"), [("1/3", "0.333", 1), ("0.333", "1/3", -1), (r"\pi", r"\frac{22}7", -1), (r"\sqrt4", "2", 0), (r"\sqrt2+\sqrt3", r"\sqrt{10}", -1), (r"\pi", r"\pi+10^{-200}", -1)])  # fmt: skip
def test_real_numbers_are_ordered(left: str, right: str, sign: int) -> None:
    assert sign_of_difference(node(left), node(right)) == sign
    assert sign_of_difference(node(right), node(left)) == -sign


def test_complex_numbers_have_no_order() -> None:
    assert sign_of_difference(node("(1+i)(1-i)"), node("2")) == 0
    for left, right in (("i", "1"), ("1", "1+i"), ("i", "i+1")):
        with pytest.raises(AnswerError):
            sign_of_difference(node(left), node(right))


PROPORTIONAL = [
    ("2x+4", "x+2", 1), ("x-2", "4-2x", -1), ("x^2-y", "3y-3x^2", -1), (r"\sqrt2x", "x", 1), ("x", "x+1", None), ("x", "x^2", None), ("x", "y", None), ("x", "0x", None), ("3", "6", None), ("xy-1", r"\pi xy-\pi", 1),
    ("x-y", "x+y", None),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "sign"), PROPORTIONAL)
def test_one_expression_is_a_multiple_of_another_or_is_not(left: str, right: str, sign: int | None) -> None:
    assert proportional(node(left), node(right)) == sign
    assert proportional(node(right), node(left)) == sign


@pytest.mark.parametrize(("text", "names"), [("x+y", "x y"), ("5", ""), (r"\sum_{k=1}^{n}kx", "n x"), (r"\int_0^1t\,dt", ""), (r"\int t\,dt", "t"), (r"\frac{d}{dx}x^2", "x"), ("x_1x_2", "x_1 x_2"), (r"\pi e i", "")])  # fmt: skip
def test_bound_variables_are_not_free(text: str, names: str) -> None:
    assert variables(node(text)) == names.split()


SHORTCUTS = [
    (r"3^{10^{100}}\bmod7", pow(3, 10**100, 7)), (r"2^{100000}\bmod1000", pow(2, 100000, 1000)), (r"\frac{(10^{15})!}{(10^{15}-2)!}", 10**15 * (10**15 - 1)), (r"\frac{(10^9)!}{(10^9)!}", 1),
    (r"\frac{(10^{9}-1)!}{(10^{9})!}", Fraction(1, 10**9)), (r"\log_5 5^{10^{12}}", 10**12),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SHORTCUTS)
def test_a_small_value_is_found_without_its_large_parts(text: str, value: int | Fraction) -> None:
    assert evaluate_exactly(node(text)) == value


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{(10^{9})!}{5!}",
        r"2^{-5}\bmod3",
        r"(\frac12)^{5}\bmod3",
        r"\log_1 1^{5}",
        r"\frac{(10^{30})!}{(10^{30}-1)!}",
        "2+3",
    ],
)
def test_no_shortcut_applies_elsewhere(text: str) -> None:
    operation = node(text)
    assert isinstance(operation, Op)
    assert shortcut(operation.name, operation.args, evaluate_exactly) is None
