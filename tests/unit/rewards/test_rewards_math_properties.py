"""What holds for all numbers and all texts."""

from fractions import Fraction
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check

# The machine may be busy; the time a check takes has tests of its own.
patient = partial(settings, deadline=None)
integers = st.integers(-(10**30), 10**30)
fractions = st.builds(Fraction, st.integers(-(10**12), 10**12), st.integers(1, 10**12))
PIECES = [
    r"\frac", r"\sqrt", r"\boxed", "{", "}", "(", ")", "[", "]", r"\left", r"\{", r"\}", "^", "_", "+", "-", "*", "/", "!", "|",
    "1", "23", "0", ".5", "1,000", "x", "e", "i", r"\pi", r"\infty", r"\text{ cm}", r"\pm", "=", ",", "%", "$", r"\cup", r"\\", "&",
    r"\begin{pmatrix}", r"\end{pmatrix}", r"\sin", r"\ln", r"\log", "<answer>", "</answer>", "<think>", "</think>", " ", "\x00",
    "½", "²", "7_2", r"\overline{3}", "and", r"\in",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def is_equal(gold: str, answer: str) -> bool:
    return check(gold, f"\\boxed{{{answer}}}").correct


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
        f"{value.numerator}\\cdot({value.denominator})^{{-1}}",
    ):
        assert is_equal(str(value), spelling), spelling


@patient()
@given(value=integers)
def test_an_integer_equals_itself_in_every_spelling(value: int) -> None:
    for spelling in (f"{value}.0", f"{value:,}", f"{value}/1", f"({value})", f"\\sqrt{{{value * value}}}" if value >= 0 else "-" + str(-value)):  # fmt: skip
        assert is_equal(str(value), spelling), spelling


@patient()
@given(left=fractions, right=fractions)
def test_two_fractions_are_equal_exactly_when_they_are_the_same(left: Fraction, right: Fraction) -> None:
    assert is_equal(str(left), f"\\frac{{{right.numerator}}}{{{right.denominator}}}") is (left == right)


@patient()
@given(value=fractions)
def test_a_rounded_decimal_never_equals_a_number_it_was_rounded_from(value: Fraction) -> None:
    shown = f"{float(value):.6f}"
    assert is_equal(str(value), shown) is (Fraction(shown) == value)


@patient()
@given(under=st.integers(2, 10**6), factor=st.integers(1, 10**4), offset=fractions)
def test_a_root_equals_itself_with_a_square_pulled_out_and_nothing_near_it(
    under: int, factor: int, offset: Fraction
) -> None:
    inside, outside = f"\\sqrt{{{under * factor**2}}}", f"{factor}\\sqrt{{{under}}}"
    assert is_equal(f"{offset}+{inside}", f"{outside}+{offset}")
    assert not is_equal(inside, f"{outside}+10^{{-60}}")


@patient()
@given(coefficients=st.lists(st.integers(-9, 9), min_size=2, max_size=5), change=st.integers(1, 9))
def test_a_polynomial_equals_its_terms_in_another_order_and_no_other(
    coefficients: list[int], change: int
) -> None:
    terms = [f"({c})x^{{{power}}}" for power, c in enumerate(coefficients)]
    gold = "+".join(terms)
    assert is_equal(gold, "+".join(reversed(terms)))
    assert not is_equal(gold, f"{gold}+{change}x")


@patient(max_examples=300)
@given(gold=soup, answer=soup)
def test_no_text_made_of_math_raises_and_equality_is_symmetric(gold: str, answer: str) -> None:
    result = check(gold, f"<answer>{answer}</answer>")
    assert isinstance(result.verdict, Verdict)
    if "answer>" not in gold + answer and "think>" not in gold + answer and "boxed" not in gold + answer:
        assert result.correct == check(answer or " ", f"<answer>{gold}</answer>").correct or not gold.strip()


@patient()
@given(gold=st.text(max_size=40), answer=st.text(max_size=200))
def test_no_text_at_all_raises(gold: str, answer: str) -> None:
    assert isinstance(check(gold, answer).verdict, Verdict)
    assert isinstance(check(gold, f"\\boxed{{{answer}}}").verdict, Verdict)
