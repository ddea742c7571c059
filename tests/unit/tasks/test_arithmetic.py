"""The tiny arithmetic task: chains, what is held out, problems and traces."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1kit.core.errors import DataError
from r1kit.core.problem import Problem
from r1kit.tasks.arithmetic import problems as problems_module
from r1kit.tasks.arithmetic.chains import MAX_VALUE, Chain, Step, draw_chain, parse_chain, step_options
from r1kit.tasks.arithmetic.held_out import banned_pairs_in, is_banned_pair, step_pairs_in
from r1kit.tasks.arithmetic.problems import generate_problems
from r1kit.tasks.arithmetic.reading import answer_in, language_of, thinking_in, works_every_step
from r1kit.tasks.arithmetic.traces import Language, Style, guess_value, num_lines, reply, worked_lines

seeds = st.integers(0, 2**32)
operations = st.integers(1, 5)
_ANY_STEP = [Step(operator, operand) for operator in "+-*" for operand in range(1, MAX_VALUE + 1)]


def _left_to_right(text: str) -> int:
    """An oracle that shares nothing with the code under test: characters in, value out."""
    tokens = re.findall(r"\d+|\D", text)
    value = int(tokens[0])
    for operator, operand in zip(tokens[1::2], tokens[2::2], strict=True):
        value = {"+": value + int(operand), "-": value - int(operand), "*": value * int(operand)}[operator]
    return value


@given(seeds, operations, st.booleans())
def test_running_values_stay_in_range(seed: int, num_operations: int, avoid_held_out: bool) -> None:
    chain = draw_chain(random.Random(seed), num_operations, avoid_held_out=avoid_held_out)
    assert chain.num_operations == num_operations
    assert all(0 <= value <= MAX_VALUE for value in chain.running_values)
    assert all(1 <= operand <= MAX_VALUE for operand in map(int, re.findall(r"\d+", str(chain))))


@given(seeds, operations)
def test_value_agrees_with_an_independent_reader_and_with_usual_precedence(
    seed: int, num_operations: int
) -> None:
    chain = draw_chain(random.Random(seed), num_operations, avoid_held_out=False)
    assert chain.value == _left_to_right(str(chain)) == eval(str(chain))  # digits and + - * alone
    assert "*" not in "".join(step.operator for step in chain.steps[1:])


@given(seeds, operations)
def test_a_parsed_chain_is_the_chain_that_was_written(seed: int, num_operations: int) -> None:
    chain = draw_chain(random.Random(seed), num_operations, avoid_held_out=False)
    assert parse_chain(str(chain)) == chain


@pytest.mark.parametrize("text", ["", "3+", "+3", "3 + 4", "3/4", "3+-4", "three"])
def test_text_that_is_no_chain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a chain"):
        parse_chain(text)


@given(seeds, operations)
def test_a_training_chain_holds_no_banned_pair(seed: int, num_operations: int) -> None:
    chain = draw_chain(random.Random(seed), num_operations, avoid_held_out=True)
    assert not banned_pairs_in(str(chain))
    assert not any(is_banned_pair(str(one), str(two)) for one, two in pairwise(chain.steps))


def test_a_training_chain_can_always_go_on() -> None:
    for value in range(MAX_VALUE + 1):
        for before in _ANY_STEP:
            assert step_options(value, before, is_first=False)[0]


def test_small_operands_have_most_of_the_weight() -> None:
    rng = random.Random(0)
    starts = [draw_chain(rng, 1, avoid_held_out=False).start for _ in range(4000)]
    assert sum(start < 10 for start in starts) / len(starts) == pytest.approx(0.8, abs=0.03)


def test_one_pair_in_eight_is_banned() -> None:
    pairs = [(str(one), str(two)) for one in _ANY_STEP for two in _ANY_STEP]
    assert sum(is_banned_pair(*pair) for pair in pairs) / len(pairs) == pytest.approx(1 / 8, abs=0.02)


def test_overlapping_pairs_are_all_found_in_running_text() -> None:
    text = "User: 3*2+4-11\n\nAssistant:\n<think>\nfirst 6+4-11"
    assert step_pairs_in(text) == [("*2", "+4"), ("+4", "-11"), ("+4", "-11")]


@pytest.mark.parametrize("num_operands", [3, 4, 5, 6])
def test_held_out_problems_hold_a_banned_pair_and_others_hold_none(num_operands: int) -> None:
    for held_out in (True, False):
        found = generate_problems(num_operands, 200, seed=3, held_out=held_out)
        assert [bool(banned_pairs_in(problem.problem)) for problem in found] == [held_out] * 200


def test_generated_problems_are_distinct_and_say_what_they_are() -> None:
    found = generate_problems(4, 300, seed=1, held_out=True)
    assert len({problem.problem for problem in found}) == len({problem.id for problem in found}) == 300
    assert found == generate_problems(4, 300, seed=1, held_out=True)
    assert found != generate_problems(4, 300, seed=2, held_out=True)
    for problem in found:
        assert problem.answers == (str(_left_to_right(problem.problem)),)
        assert problem.extra == {"level": 4} == {"level": len(re.findall(r"\d+", problem.problem))}


def test_excluded_problems_do_not_come_up() -> None:
    first = generate_problems(3, 50, seed=1, held_out=True)
    taken = {problem.problem for problem in first}
    second = generate_problems(3, 50, seed=1, held_out=True, exclude=taken)
    assert taken.isdisjoint(problem.problem for problem in second)


@pytest.mark.parametrize(("num_operands", "count", "held_out"), [(2, 1, True), (2, 500, False)])
def test_a_request_that_cannot_be_met_ends_with_an_error(
    num_operands: int, count: int, held_out: bool
) -> None:
    with pytest.raises(DataError, match="distinct problems with 2 operands"):
        generate_problems(num_operands, count, seed=0, held_out=held_out)


def test_the_benchmark_has_500_distinct_held_out_problems_a_level() -> None:
    found: list[Problem] = problems_module.test_problems()
    assert [problem.extra["level"] for problem in found] == [4, 5, 6] * 500
    assert len({problem.id for problem in found}) == 1500
    assert all(banned_pairs_in(problem.problem) for problem in found)


@given(seeds, operations, st.sampled_from(Language))
def test_each_line_of_a_careful_trace_has_the_value_of_the_problem(
    seed: int, num_operations: int, language: Language
) -> None:
    rng = random.Random(seed)
    chain = draw_chain(rng, num_operations, avoid_held_out=False)
    text = reply(chain, Style.CAREFUL, language, rng)
    lines = (thinking_in(text) or "").splitlines()
    assert [_left_to_right(line.split(" ")[-1]) for line in lines] == [chain.value] * num_operations
    assert answer_in(text) == str(_left_to_right(str(chain)))
    assert works_every_step(str(chain), text)


@given(seeds, operations, st.sampled_from(Language), st.sampled_from(Style))
def test_a_trace_brings_in_no_pair_that_its_problem_lacks(
    seed: int, num_operations: int, language: Language, style: Style
) -> None:
    rng = random.Random(seed)
    chain = draw_chain(rng, num_operations, avoid_held_out=False)
    assert set(step_pairs_in(reply(chain, style, language, rng))) <= set(step_pairs_in(str(chain)))


@given(seeds, operations, st.sampled_from(Language), st.sampled_from(Style))
def test_thinking_is_in_the_language_that_was_asked_for(
    seed: int, num_operations: int, language: Language, style: Style
) -> None:
    rng = random.Random(seed)
    chain = draw_chain(rng, num_operations, avoid_held_out=False)
    assert language_of(thinking_in(reply(chain, style, language, rng)) or "") is language


@given(seeds, st.integers(2, 5), st.sampled_from([Style.HALF, Style.GUESS]))
def test_a_trace_that_jumps_has_fewer_lines_and_ends_with_so(
    seed: int, num_operations: int, style: Style
) -> None:
    rng = random.Random(seed)
    chain = draw_chain(rng, num_operations, avoid_held_out=False)
    text = reply(chain, style, Language.ENGLISH, rng)
    lines = (thinking_in(text) or "").splitlines()
    assert len(lines) == num_lines(style, num_operations) < num_operations
    assert lines[-1] == f"so {answer_in(text)}"
    assert not works_every_step(str(chain), text)


def test_careful_half_and_guess_read_as_documented() -> None:
    chain = parse_chain("3+4-5+6")
    careful, _ = worked_lines(chain, 3, Language.ENGLISH, random.Random(0))
    half, _ = worked_lines(chain, 2, Language.CHINESE, random.Random(0))
    guess, _ = worked_lines(chain, 1, Language.MIXED, random.Random(0))
    assert careful == ["first 7-5+6", "then 2+6", "so 8"]
    assert half[0] == "先 7-5+6"
    assert re.fullmatch(r"所以 \d+", half[1])
    assert re.fullmatch(r"(so 所以|所以 so) \d+", guess[0])
    assert reply(Chain(3, (Step("+", 4),)), Style.CAREFUL, Language.ENGLISH, random.Random(0)) == (
        "<think>\nso 7\n</think>\n<answer>7</answer>"
    )


def test_a_guess_is_exact_for_one_operation_and_wider_with_each_more() -> None:
    rng = random.Random(0)
    errors = []
    for text in ("9+1", "8+1+1", "8+1-1+2", "8+1-1+1+1"):
        chain = parse_chain(text)
        guesses = [guess_value(chain, rng) for _ in range(2000)]
        assert all(0 <= guess <= MAX_VALUE for guess in guesses)
        errors.append(sum(abs(guess - chain.value) for guess in guesses) / len(guesses))
    assert errors[0] == 0
    assert errors == sorted(errors)
    # Mean absolute error of a normal of standard deviation 2.2 is 1.76.
    assert errors[1] == pytest.approx(1.76, abs=0.1)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("7", None),
        ("<answer> 7\n</answer>", "7"),
        ("<answer>3</answer><answer>4</answer>", "4"),
        ("<think>\nso 3\n</think>\n<answer>4</answer>", "4"),
        ("<think>\nso 3\n</think>", None),
        ("<answer>7", None),
        ("", None),
    ],
)
def test_the_answer_is_the_last_complete_block(text: str, answer: str | None) -> None:
    assert answer_in(text) == answer


def test_thinking_without_words_has_no_language() -> None:
    assert language_of("7-5") is None
    assert thinking_in("<think> never closed") is None
    assert not works_every_step("3+4-5", "<think>\nfirst 7-5\nso two\n</think>")
