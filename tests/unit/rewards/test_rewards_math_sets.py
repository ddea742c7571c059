"""Sets of real numbers: ends, unions, differences, builders, and relations solved for their variable."""

import random
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.rewards.math import check
from r1kit.rewards.math.reading.parse import parse_answer
from r1kit.rewards.math.sets import as_set, is_set, same_set
from r1kit.rewards.math.tree import AnswerError

patient = partial(settings, deadline=None, derandomize=True)

SAME = [
    ("[1,2]", r"\left[1,\frac42\right]"), ("(1,2]", "1<x\\le2"), ("(1,2]", "2\\ge x>1"), ("(3,\\infty)", "x>3"), ("(3,\\infty)", "3<x"), ("(-\\infty,3]", "x\\le3"), ("[2,2]", "\\{2\\}"), ("[2,2]", "x=2"),
    ("[1,3]", "[1,2]\\cup[2,3]"), ("[1,3]", "[1,2)\\cup[2,3]"), ("(1,3)", "(1,2]\\cup(2,3)"), ("[1,3]", "(1,3)\\cup\\{1,3\\}"), ("(1,2)\\cup(3,4)", "(3,4)\\cup(1,2)"), ("(1,2)\\cup(1,2)", "(1,2)"), ("(0,5)", "(0,3)\\cup(2,5)"),
    ("[1,2]", "[0,2]\\cap[1,3]"), ("\\{1\\}", "[0,1]\\cap[1,2]"), ("\\emptyset", "[0,1)\\cap[1,2]"), ("\\emptyset", "(1,1)"), ("\\emptyset", "(2,1)"), ("\\emptyset", "x<x-1"),
    ("\\mathbb{R}\\setminus\\{0\\}", "x\\ne0"), ("\\mathbb{R}\\setminus\\{0\\}", "(-\\infty,0)\\cup(0,\\infty)"), ("\\mathbb{R}\\setminus\\{1,2\\}", "x\\ne1,2"), ("\\mathbb{R}\\setminus\\{1,2\\}", "x\\ne1\\text{ and }x\\ne2"),
    ("\\mathbb{R}\\setminus[0,1]", "(-\\infty,0)\\cup(1,\\infty)"), ("[0,3]\\setminus(1,2)", "[0,1]\\cup[2,3]"), ("\\mathbb{R}", "(-\\infty,\\infty)"), ("\\mathbb{R}", "x\\in\\mathbb{R}"), ("\\mathbb{R}", "\\text{all real numbers}"), ("\\mathbb{R}", "x^2\\ge0"),
    ("\\{x\\mid x>3\\}", "(3,\\infty)"), ("\\{x\\in\\mathbb{R}: 0<x<1\\}", "(0,1)"), ("\\{x|x<0\\text{ or }x>1\\}", "(-\\infty,0)\\cup(1,\\infty)"), ("\\{y\\mid y>3\\}", "\\{x\\mid x>3\\}"),
    ("(-3,3)", "|x|<3"), ("[-1,5]", "|x-2|\\le3"), ("(-\\infty,-2)\\cup(2,\\infty)", "x^2>4"), ("(-\\infty,-2)\\cup(2,\\infty)", "x<-2\\text{ or }x>2"), ("(2,3)", "x^2-5x+6<0"), ("(2,3)", "x>2, x<3"), ("(2,3)", "x>2\\text{ and }x<3"),
    ("[\\sqrt2,\\pi]", "\\sqrt2\\le x\\le\\pi"), ("[2,4]", "[\\sqrt4,2^2]"), ("(\\frac12,1)", "(0.5,\\sin\\frac\\pi2)"), ("x<3", "3>x"), ("x<3", "2x<6"), ("x<3", "x-3<0"), ("(-\\infty,0)\\cup(0,\\infty)", "x<0\\cup x>0"),
    ("[a,b]", "[1a,b+a-a]"), ("(a,2a+2)", "(a,2(a+1))"), ("[n,\\infty)", "[\\frac{2n}{2},\\infty)"),
]  # fmt: skip
OTHER = [
    ("[1,2]", "[1,2)"), ("[1,2]", "(1,2]"), ("(1,2)", "[1,2]"), ("(1,2]", "[1,2)"), ("[1,2]", "[1,3]"), ("[1,2]", "\\{1,2\\}"), ("[1,3]", "[1,2)\\cup(2,3]"), ("[1,3]", "[1,2]\\cup(2,3)"), ("(1,2)\\cup(3,4)", "(1,4)"), ("(1,2)\\cup(3,4)", "(1,2)"),
    ("x>3", "x\\ge3"), ("x>3", "x<3"), ("x>3", "x>-3"), ("x>3", "y>3"), ("\\mathbb{R}", "x\\ne0"), ("\\mathbb{R}", "[0,\\infty)"), ("\\mathbb{R}", "\\mathbb{Q}"), ("\\mathbb{R}\\setminus\\{0\\}", "\\mathbb{R}\\setminus\\{1\\}"), ("\\emptyset", "[1,1]"),
    ("(3,\\infty)", "(-\\infty,3)"), ("(0,1)", "(0,1+10^{-200})"), ("[\\sqrt2,2]", "[1.41421356,2]"), ("(0,\\pi)", "(0,\\frac{22}{7})"), ("(-3,3)", "|x|>3"), ("(2,3)", "x^2-5x+6>0"), ("[a,b]", "[a,b)"), ("[a,b]", "[b,a]"), ("[0,3]\\setminus(1,2)", "[0,1)\\cup(2,3]"),
    ("(2,3)", "x>2\\text{ or }x<3"), ("x<1\\text{ or }x>2", "x<1\\text{ and }x>2"),
]  # fmt: skip


def is_same(one: str, two: str) -> bool:
    return same_set(parse_answer(one), parse_answer(two))


@pytest.mark.parametrize(("one", "two"), SAME)
def test_sets_with_the_same_numbers_are_the_same_both_ways(one: str, two: str) -> None:
    assert is_same(one, two)
    assert is_same(two, one)


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_sets_that_differ_in_a_number_are_different_both_ways(one: str, two: str) -> None:
    assert not is_same(one, two)
    assert not is_same(two, one)


@pytest.mark.parametrize(
    "text",
    [
        "(1,2]",
        "x>3",
        "x\\ne0",
        "\\mathbb{R}",
        "\\{x\\mid x>3\\}",
        "(0,1)\\cup(2,3)",
        "x<1\\text{ or }x>2",
        "x=\\mathbb{R}",
    ],
)
def test_what_can_only_be_a_set_is_one(text: str) -> None:
    assert is_set(parse_answer(text))


@pytest.mark.parametrize(
    "text", ["(1,2)", "[1,2]", "\\{1,2\\}", "5", "x=3", "x+y=2", "1,2", "\\text{even}", "3:2"]
)
def test_what_may_be_something_else_is_not_taken_for_a_set(text: str) -> None:
    assert not is_set(parse_answer(text))


@pytest.mark.parametrize(
    "text",
    [
        "\\mathbb{Z}",
        "\\text{even}",
        "(1,2,3)",
        "x+y<2",
        "5\\text{ cm}",
        "\\begin{pmatrix}1\\end{pmatrix}",
        "(0,1)\\cup\\mathbb{N}",
    ],
)
def test_what_is_no_part_of_the_line_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        as_set(parse_answer(text))


@pytest.mark.parametrize("text", ["(i,2)", "[1/0,2]", "[0,9^{9^9}]"])
def test_an_end_without_a_place_on_the_line_is_refused(text: str) -> None:
    with pytest.raises(AnswerError):
        is_same("(0,1]", text)


# Through `check`, which decides what is meant as a set: gold, answer, verdict.
VERDICTS = [
    ("[1,2]", "1\\le x\\le2", "correct"), ("x\\ge3", "[3,\\infty)", "correct"), ("(1,2)", "1<x<2", "correct"), ("(1,2)", "(1,2]", "wrong"), ("x>3", "3", "wrong"), ("[0,1]", "\\text{yes}", "wrong"), ("(0,1)", "0,1", "correct"),
    ("x+y<2", "2x+2y<4", "correct"), ("x+y<2", "-x-y>-2", "correct"), ("x+y>2", "-x-y<-2", "correct"), ("x+y\\ge2", "-2\\ge-x-y", "correct"), ("x+y<2", "x+y>2", "wrong"), ("x+y<2", "x+y\\le2", "wrong"), ("\\mathbb{Z}", "\\mathbb Z", "correct"), ("\\mathbb{Z}", "\\mathbb{R}", "wrong"), ("x\\in(0,1)", "(0,1)", "correct"),
    ("k\\in[0,1]", "0\\le k\\le1", "correct"), ("[0,1]", "0\\le k\\le1", "correct"), ("x>1", "k>1", "wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer", "verdict"), VERDICTS)
def test_a_set_as_an_answer_has_its_verdict(gold: str, answer: str, verdict: str) -> None:
    assert check(gold, f"\\boxed{{{answer}}}").verdict.value == verdict


ends = st.tuples(st.integers(-3, 3), st.integers(-3, 3)).filter(lambda pair: pair[0] < pair[1])
pieces_of_the_line = st.tuples(ends, st.booleans(), st.booleans())


def as_interval(piece: Any) -> str:
    (low, high), has_low, has_high = piece
    return f"{'(['[has_low]}{low},{high}{')]'[has_high]}"


def as_relation(piece: Any) -> str:
    (low, high), has_low, has_high = piece
    return f"{low} {('<', '<=')[has_low]} x {('<', '<=')[has_high]} {high}"


def holds(piece: Any, x: Fraction) -> bool:
    (low, high), has_low, has_high = piece
    return low < x < high or (x == low and has_low) or (x == high and has_high)


@patient()
@given(pieces=st.lists(pieces_of_the_line, min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_a_union_equals_its_parts_in_any_order_and_as_relations(pieces: list[Any], seed: int) -> None:
    gold, shuffled = r"\cup".join(map(as_interval, pieces)), random.Random(seed).sample(pieces, len(pieces))
    unions, relations = r" \cup ".join(map(as_interval, shuffled)), " or ".join(map(as_relation, shuffled))
    assert check(gold, f"\\boxed{{{unions}}}").correct
    assert check(gold, f"\\boxed{{{relations}}}").correct


@patient(max_examples=100)
@given(
    one=st.lists(pieces_of_the_line, min_size=1, max_size=3),
    two=st.lists(pieces_of_the_line, min_size=1, max_size=3),
)
def test_unions_are_the_same_exactly_when_they_hold_the_same_numbers(one: list[Any], two: list[Any]) -> None:
    line = [Fraction(n, 2) for n in range(-8, 9)]
    same = all(any(holds(piece, x) for piece in one) == any(holds(piece, x) for piece in two) for x in line)
    assert is_same(r"\cup".join(map(as_interval, one)), r"\cup".join(map(as_interval, two))) is same


@patient()
@given(one=pieces_of_the_line, two=pieces_of_the_line, name=st.sampled_from(["cap", "setminus"]))
def test_a_point_is_in_an_intersection_or_difference_exactly_when_it_should_be(
    one: Any, two: Any, name: str
) -> None:
    written = f"{as_interval(one)}\\{name}{as_interval(two)}"
    for x in (Fraction(n, 2) for n in range(-8, 9)):
        is_inside = holds(one, x) and holds(two, x) is (name == "cap")
        assert is_same(rf"\{{{x}\}}\cap({written})", rf"\{{{x}\}}") is is_inside
