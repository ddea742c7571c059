"""What holds for all numbers and all answers. Values are worked out with Python's own fractions."""

import math
import random
import re
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check

# The machine may be busy; the time a check takes has tests of its own, as have texts that are no answers.
patient = partial(settings, deadline=None, derandomize=True)

integers = st.integers(-(10**30), 10**30)
fractions = st.builds(Fraction, st.integers(-(10**12), 10**12), st.integers(1, 10**12))
small = st.integers(-3, 3)
seeds = st.integers(0, 2**32)


def is_equal(gold: str, answer: str) -> bool:
    return check(gold, f"\\boxed{{{answer}}}").correct


def latex(value: Fraction) -> str:
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


# A random expression is a nested tuple: ("num", value), ("neg", one), ("+", one, two), ("^", one, exponent) ...
numbers = st.builds(Fraction, st.integers(-20, 20), st.integers(1, 6)).map(lambda value: ("num", value))
expressions = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner),
        st.tuples(st.just("neg"), inner),
        st.tuples(st.just("^"), inner, st.integers(-2, 3)),
    ),
    max_leaves=7,
)
OPERATIONS: dict[str, Callable[..., Fraction]] = {
    "num": lambda value: value,
    "neg": lambda value: -value,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "^": lambda base, exponent: base**exponent,
}
PLAIN = {
    "num": "{0}", "neg": "-({0})", "+": "({0})+({1})", "-": "({0})-({1})", "*": "({0})*({1})", "/": "({0})/({1})", "^": "({0})^({1})",
}  # fmt: skip
LATEX = {
    "num": "{0}", "neg": r"-\left({0}\right)", "+": "{0} + {1}", "-": r"{0} - \left({1}\right)", "*": r"\left({0}\right) \cdot \left({1}\right)",
    "/": r"\dfrac{{{0}}}{{{1}}}", "^": r"\left({0}\right)^{{{1}}}",
}  # fmt: skip


def value_of(expression: Any) -> Fraction:
    if not isinstance(expression, tuple):
        return expression
    return OPERATIONS[expression[0]](*map(value_of, expression[1:]))


def spelled(expression: Any, spelling: dict[str, str]) -> str:
    if isinstance(expression, Fraction) and spelling is LATEX and expression.denominator > 1:
        return latex(expression)
    if not isinstance(expression, tuple):
        return str(expression)
    return spelling[expression[0]].format(*(spelled(part, spelling) for part in expression[1:]))


def assumed_value(expression: Any) -> Fraction:
    try:
        return value_of(expression)
    except ZeroDivisionError:
        assume(False)
        raise


@patient()
@given(value=fractions, factor=st.integers(-99, 99).filter(bool))
def test_a_fraction_equals_itself_in_every_spelling(value: Fraction, factor: int) -> None:
    top, bottom = value.numerator * factor, value.denominator * factor
    for spelling in (
        f"{top}/{bottom}" if bottom > 0 else f"{-top}/{-bottom}",
        f"\\frac{{{top}}}{{{bottom}}}",
        f"\\left( \\dfrac{{{top}}}{{{bottom}}} \\right)",
        f"${-top}/({-bottom})$",
        f"x = \\tfrac {{{top}}} {{{bottom}}}",
        f"{{{top} \\over {bottom}}}",
        f"{value.numerator}\\cdot({value.denominator})^{{-1}}",
    ):
        assert is_equal(str(value), spelling), spelling


@patient()
@given(value=integers)
def test_an_integer_equals_itself_in_every_spelling(value: int) -> None:
    for spelling in (
        f"{value}.0", f"{value:,}", f"{value:,}".replace(",", "{,}"), f"{value:,}".replace(",", r"\,"), f"{value}/1", f"({value})",
        f"\\text{{{value}}}", f"\\mathbf{{{value}}}", f"\\sqrt{{{value * value}}}" if value >= 0 else f"-{-value}",
    ):  # fmt: skip
        assert is_equal(str(value), spelling), spelling


@patient()
@given(left=fractions, right=fractions)
def test_two_fractions_are_equal_exactly_when_they_are_the_same(left: Fraction, right: Fraction) -> None:
    assert is_equal(str(left), latex(right)) is (left == right)


@patient()
@given(value=fractions)
def test_a_rounded_decimal_never_equals_a_number_it_was_rounded_from(value: Fraction) -> None:
    shown = f"{float(value):.6f}"
    assert is_equal(str(value), shown) is (Fraction(shown) == value)


@patient(max_examples=100)
@given(expression=expressions)
def test_an_expression_equals_its_value_and_itself_in_another_notation(expression: Any) -> None:
    value = assumed_value(expression)
    plain = spelled(expression, PLAIN)
    assert is_equal(str(value), plain)
    assert is_equal(plain, spelled(expression, LATEX))
    assert is_equal(plain, latex(value))


@patient(max_examples=100)
@given(left=expressions, right=expressions)
def test_two_expressions_are_equal_exactly_when_their_values_are(left: Any, right: Any) -> None:
    same = assumed_value(left) == assumed_value(right)
    assert is_equal(spelled(left, PLAIN), spelled(right, LATEX)) is same
    assert is_equal(spelled(right, LATEX), spelled(left, PLAIN)) is same


@patient()
@given(expression=expressions, digits=st.integers(1, 200))
def test_a_value_off_by_a_hair_is_refused(expression: Any, digits: int) -> None:
    value, plain = assumed_value(expression), spelled(expression, PLAIN)
    assert not is_equal(plain, str(value + Fraction(1, 10**digits)))
    assert not is_equal(str(value), f"{plain}+10^{{-{digits}}}")
    assert not is_equal(f"\\pi+{plain}", f"{plain}+10^{{-{digits}}}+\\pi")


@patient()
@given(expression=expressions)
def test_a_division_by_zero_is_never_a_right_answer(expression: Any) -> None:
    value = assumed_value(expression)
    zero = f"{spelled(expression, LATEX)}-({value})"
    assert check(str(value), f"\\boxed{{\\frac{{{value}}}{{{zero}}}}}").verdict is Verdict.UNPARSABLE


@patient()
@given(under=st.integers(2, 10**6), factor=st.integers(1, 10**4), offset=fractions)
def test_a_root_equals_itself_with_a_square_pulled_out_and_nothing_near_it(
    under: int, factor: int, offset: Fraction
) -> None:
    inside, outside = f"\\sqrt{{{under * factor**2}}}", f"{factor}\\sqrt{{{under}}}"
    assert is_equal(f"{offset}+{inside}", f"{outside}+{offset}")
    assert not is_equal(inside, f"{outside}+10^{{-60}}")


@patient()
@given(first=st.integers(2, 200), second=st.integers(2, 200))
def test_a_fraction_with_a_root_below_equals_the_rationalised_one(first: int, second: int) -> None:
    assume(first != second)
    written = f"\\frac{{1}}{{\\sqrt{{{first}}}+\\sqrt{{{second}}}}}"
    assert is_equal(written, f"\\frac{{\\sqrt{{{first}}}-\\sqrt{{{second}}}}}{{{first - second}}}")
    assert not is_equal(written, f"\\frac{{\\sqrt{{{first}}}+\\sqrt{{{second}}}}}{{{first - second}}}")


@patient()
@given(coefficients=st.lists(st.integers(-9, 9), min_size=2, max_size=5), change=st.integers(1, 9))
def test_a_polynomial_equals_its_terms_in_another_order_and_no_other(
    coefficients: list[int], change: int
) -> None:
    terms = [f"({c})x^{{{power}}}" for power, c in enumerate(coefficients)]
    gold = "+".join(terms)
    assert is_equal(gold, "+".join(reversed(terms)))
    assert not is_equal(gold, f"{gold}+{change}x")


@patient()
@given(roots=st.lists(small, min_size=1, max_size=4), seed=seeds)
def test_a_product_equals_its_factors_in_another_order_and_its_expansion(roots: list[int], seed: int) -> None:
    factors = [f"(x-({root}))" for root in roots]
    coefficients = [1]
    for root in roots:
        coefficients = [a - root * b for a, b in zip([0, *coefficients], [*coefficients, 0], strict=True)]
    expanded = "+".join(f"({c})x^{power}" for power, c in enumerate(coefficients))
    product = r" \cdot ".join(random.Random(seed).sample(factors, len(factors)))
    assert is_equal("".join(factors), product)
    assert is_equal(product, expanded)
    assert not is_equal(product, f"{expanded}+1")


# Several kinds of answer; each strategy draws from few values, so that equal ones occur.
halves = st.builds(Fraction, small, st.sampled_from([1, 2]))
ends = st.tuples(small, small).filter(lambda pair: pair[0] < pair[1])
scalars = st.one_of(
    halves.map(str), halves.map(latex), small.map(lambda n: f"{n}.0"), st.integers(2, 9).map(lambda n: f"\\sqrt{{{n}}}"),
    small.map(lambda n: f"{n}\\pi"), small.map(lambda n: f"{n}x+1"), small.map(lambda n: f"1+x({n})"), small.map(lambda n: f"{n}+2i"),
)  # fmt: skip
sets = st.lists(halves, min_size=1, max_size=3).map(lambda items: rf"\{{{', '.join(map(str, items))}\}}")
tuples = st.lists(halves, min_size=2, max_size=3).map(lambda items: f"({','.join(map(str, items))})")
intervals = st.builds(
    lambda pair, left, right: f"{left}{pair[0]},{pair[1]}{right}",
    ends,
    st.sampled_from("[("),
    st.sampled_from("])"),
)
unions = st.lists(intervals, min_size=1, max_size=3).map(r" \cup ".join)
equations = st.builds(
    lambda a, b, c, k: f"{k * a}x+{k * b}y={k * c}".replace("+-", "-"),
    small,
    st.integers(1, 3),
    small,
    st.sampled_from([-2, 1, 3]),
)
matrices = st.lists(small, min_size=4, max_size=4).map(
    lambda n: rf"\begin{{pmatrix}}{n[0]} & {n[1]} \\ {n[2]} & {n[3]}\end{{pmatrix}}"
)
KINDS = {
    "scalar": scalars,
    "set": sets,
    "tuple": tuples,
    "union": unions,
    "equation": equations,
    "matrix": matrices,
}
TOKEN = re.compile(r"\\(?:begin|end|text)\{[^{}]*\}|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|.")


@pytest.mark.parametrize("kind", KINDS)
@patient()
@given(data=st.data())
def test_equality_within_a_kind_is_symmetric_and_every_answer_equals_itself(
    kind: str, data: st.DataObject
) -> None:
    one, two = data.draw(KINDS[kind]), data.draw(KINDS[kind])
    assert is_equal(one, one)
    assert is_equal(one, two) is is_equal(two, one)


@pytest.mark.parametrize("kind", KINDS)
@patient()
@given(data=st.data(), seed=seeds)
def test_space_between_tokens_changes_nothing(kind: str, data: st.DataObject, seed: int) -> None:
    gold, rng = data.draw(KINDS[kind]), random.Random(seed)
    spaced = "".join(
        token + rng.choice(["", " ", "  ", "\n", r"\,", r"\;", r"\!", "~"]) for token in TOKEN.findall(gold)
    )
    assert is_equal(gold, spaced)


RESPELL = [
    (r"\\frac", r"\\dfrac"), (r"\\frac", r"\\tfrac"), (r"\(", r"\\left("), (r"\)", r"\\right)"), (r"\(", r"\\bigl("), (r"\)", r"\\bigr)"),
    (r"pmatrix", "bmatrix"), (r"\\cup", "∪"), (r"\\pi", "π"), (r"-", "−"), (r"\\sqrt\{(\d+)\}", r"√\1"), (r"\\\{", r"\\left\\{"),
    (r"\\\}", r"\\right\\}"), (r"(?<![.\d])(\d+)(?![.\d])", r"{\1}"), (r"\\frac\{(-?\d+)\}\{(-?\d+)\}", r"\1/\2"), (r",", r",\\ "),
]  # fmt: skip
WRAPPERS = [
    "{}",
    "${}$",
    r"\({}\)",
    r"\displaystyle {}",
    "{{{{{}}}}}",
    "{}.",
    "**{}**",
    r"$\displaystyle{{{}}}$",
    r"\text{{}}{}",
    "$${}.$$",
]


@pytest.mark.parametrize("kind", KINDS)
@patient()
@given(data=st.data(), seed=seeds)
def test_spelling_the_same_in_other_latex_changes_nothing(kind: str, data: st.DataObject, seed: int) -> None:
    gold, rng = data.draw(KINDS[kind]), random.Random(seed)
    answer = gold
    for pattern, replacement in rng.sample(RESPELL, 5):
        answer = re.sub(pattern, replacement, answer)
    answer = rng.choice(WRAPPERS).format(answer)
    assert is_equal(gold, answer), answer


@patient()
@given(items=st.lists(halves, min_size=2, max_size=6, unique=True), seed=seeds)
def test_the_order_of_a_set_does_not_matter_but_each_item_does(items: list[Fraction], seed: int) -> None:
    shuffled = random.Random(seed).sample(items, len(items))
    gold, answer = ", ".join(map(str, items)), ", ".join(map(latex, shuffled))
    for opening, closing in (("", ""), (r"\{", r"\}")):
        assert is_equal(rf"\{{{gold}\}}", opening + answer + closing)
        assert not is_equal(rf"\{{{gold}\}}", f"{opening}{answer}, 7{closing}")
        assert not is_equal(rf"\{{{gold}, 7\}}", opening + answer + closing)
    assert is_equal(rf"\{{{gold}\}}", rf"\{{{answer}, {shuffled[0]}\}}")


@patient()
@given(items=st.lists(halves, min_size=2, max_size=5), seed=seeds)
def test_a_tuple_equals_its_permutation_exactly_when_the_items_are_the_same(
    items: list[Fraction], seed: int
) -> None:
    shuffled = random.Random(seed).sample(items, len(items))
    assert is_equal(f"({','.join(map(str, items))})", f"({','.join(map(latex, shuffled))})") is (
        items == shuffled
    )


CONVERSIONS = [
    ("km", "m", 1000), ("cm", "m", Fraction(1, 100)), ("hours", "minutes", 60), ("kg", "g", 1000), ("feet", "inches", 12),
    ("m^2", "cm^2", 10_000), ("L", "mL", 1000), ("km/h", "m/s", Fraction(5, 18)), ("dollars", "cents", 100), ("days", "hours", 24),
]  # fmt: skip


@patient()
@given(value=fractions, conversion=st.sampled_from(CONVERSIONS))
def test_a_quantity_equals_itself_in_another_unit_both_ways(value: Fraction, conversion: Any) -> None:
    assume(value)
    large, little, factor = conversion
    one, two = rf"{value} \text{{ {large}}}", rf"{latex(value * factor)}\text{{ {little}}}"
    assert is_equal(one, two)
    assert is_equal(two, one)
    assert not is_equal(one, rf"{latex(value)}\text{{ {little}}}")
    assert not is_equal(one, rf"{latex(value)}\text{{ volts}}")


@patient()
# Beyond 24, so that no ratio is a time of day.
@given(a=st.integers(25, 99), b=st.integers(25, 99), k=st.integers(2, 9))
def test_a_ratio_equals_its_multiples_and_its_quotient(a: int, b: int, k: int) -> None:
    assert is_equal(f"{a}:{b}", f"{k * a}:{k * b}")
    assert is_equal(f"{a}:{b}", latex(Fraction(a, b)))
    assert is_equal(f"{a}:{b}", f"{b}:{a}") is (a == b)


@patient()
@given(value=st.integers(1, 10**9), base=st.integers(2, 9))
def test_a_number_in_a_base_equals_its_value_and_no_neighbour(value: int, base: int) -> None:
    digits = "".join(str(value // base**k % base) for k in reversed(range(int(math.log(value, base)) + 2)))
    assert is_equal(f"{digits.lstrip('0')}_{{{base}}}", str(value))
    assert not is_equal(f"{digits.lstrip('0')}_{{{base}}}", f"{value + 1}_{{10}}")
