"""Answers written to hang, crash or trick the checker. Each is refused, and fast."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check

HANG = [
    "9^9^9^9", "9^{9^{9^{9}}}", "10^{10^{8}}", "100000000!", "((1000!)!)!", "(((1000!)^{1000})^{1000})^{1000}",
    "1" * 1_000_000, "1e999999999", "10^{-10^{9}}", "2^{-2^{2^{2^{2^2}}}}",
    "(" * 5_000 + "1" + ")" * 5_000, "{" * 9_000 + "1" + "}" * 9_000 + "+1", "(1," * 300 + "1" + ")" * 300,
    r"\sqrt" * 300 + "2", r"\sqrt{" * 300 + "2" + "}" * 300, r"\ln(" * 38 + "2" + ")" * 38, r"\sin\cos" * 150 + "1",
    r"\frac" * 300, "-" * 390 + "1" + "+1/0", "|" * 300, "x^" * 100 + "x", "e^" * 100 + "e", "(" * 30 + r"\pi" + ")^{1000}" * 30,
    "(" * 20 + r"3\sqrt{2}" + ")^{1000}" * 20, r"\pi^{1000}\cdot" * 30 + "1", "(a+b+c+d+e+f)^{900}", "(((x^9+1)^9+1)^9+1)^9",
    r"\sin(10^{900})", r"\sqrt{" + "7" * 900 + "}", r"\cos\frac{\pi}{100003}", r"\binom{10^9}{5}", r"\gcd(10^{10^8}+1,3)",
    "+".join(f"1/{2**k + 1}^{{900}}" for k in range(40)), r"\begin{pmatrix}" + "1&" * 5_000 + r"1\end{pmatrix}",
    r"\sum_{k=1}^{10^9}k", ",".join(["1"] * 5_000), r"\pm" * 300 + "1", "2^" + "{2^" * 30 + "2" + "}" * 30,
]  # fmt: skip

INJECT = [
    "__import__('os').system('true')", "().__class__.__bases__", "lambda: 0", "{0.__class__}", "%s%n", "${7*7}", "`id`",
    "open('x')", r"\input{/etc/hostname}", r"\def\x{5}\x", "eval('5')", "5 if True else 5", "print(5)", "N(5)", "Integer(5)",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    check(r"\pi", r"\boxed{\sqrt{2}}")


@pytest.mark.parametrize("answer", HANG, ids=lambda answer: answer[:30])
@pytest.mark.parametrize("gold", ["5", r"\sqrt{5}", "x^2+1"])
def test_a_huge_answer_is_refused_in_no_time(gold: str, answer: str) -> None:
    start = time.process_time()
    result = check(gold, f"<answer>{answer}</answer>")
    assert time.process_time() - start < 0.5
    assert result.verdict in (Verdict.UNPARSABLE, Verdict.WRONG)


def test_a_tower_of_nines_takes_less_than_a_tenth_of_a_second() -> None:
    start = time.process_time()
    assert check("5", r"\boxed{9^9^9^9}").verdict is Verdict.UNPARSABLE
    assert check("5", r"\boxed{(10^8)!}").verdict is Verdict.UNPARSABLE
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize("answer", INJECT)
def test_code_is_never_a_right_answer(answer: str) -> None:
    assert not check("5", f"<answer>{answer}</answer>").correct


def test_threads_do_not_disturb_each_other() -> None:
    pairs = [
        (f"{k}\\sqrt{{5}}+10^{{{-k}}}", f"\\boxed{{10^{{{-k}}}+\\sqrt{{{5 * k * k}}}}}") for k in range(1, 60)
    ]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda pair: check(*pair).verdict, pairs * 3))
    assert set(verdicts) == {Verdict.CORRECT}


def test_a_hostile_answer_that_is_spelled_as_the_gold_is_correct_without_being_computed() -> None:
    assert check("100000!", r"\boxed{100000!}").correct
