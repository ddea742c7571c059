"""The checker on a table of answers: gold, answer, verdict. The text in the box is the answer."""

import pytest

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check, gold_is_usable

EQUAL = [
    ("14", "14"), ("14", " 14. "), ("14", "$14$"), ("14", r"\(14\)"), ("14", "**14**"), ("14", "{{14}}"),
    ("14", "014"), ("14", "14.0"), ("14", "14, 14"), ("14", "x = 14"), ("14", r"\displaystyle 14"), ("14", "14\u200b"),
    ("-3", "- 3"), ("-3", "\u22123"), ("-3", "(-3)"), ("-3", "--(-3)"),
    ("2/3", r"\frac{2}{3}"), ("2/3", r"\dfrac23"), ("2/3", r"\frac{4}6"), ("2/3", "⅔"), ("2/3", r"\frac{-2}{-3}"),
    ("3/4", "0.75"), ("-3/4", r"-\frac{3}{4}"), ("-3/4", r"\frac{-3}{4}"), ("3/4", r"-\dfrac{-6}{8}"), ("0.75", ".750"), ("1/3", r"0.\overline{3}"), ("1/6", r"0.1\overline{6}"),
    ("7/2", r"3\frac{1}{2}"), ("7/2", r"3 \dfrac12"), ("-7/2", r"-3\frac12"),
    ("8205316", "8,205,316"), ("8205316", r"8{,}205{,}316"), ("8205316", r"8,\!205,\!316"), ("8205316", "8 205 316"),
    ("0.0025", "2.5e-3"), ("4000", r"4 \times 10^{3}"), ("4000", r"4\cdot10^3"),
    ("1024", "2^{10}"), ("1024", "2^10"), ("1024", "2**10"), ("-9", "-3^2"), ("512", "2^{3^2}"),
    ("24", "4!"), ("5", "|-5|"), ("2", r"\sqrt{4}"), ("2", r"\sqrt[3]{8}"), ("-2", r"\sqrt[3]{-8}"), ("-2", "(-8)^{1/3}"),
    (r"2\sqrt{5}", r"\sqrt{20}"), (r"2\sqrt5", "2√5"), (r"\sqrt5", r"5^{1/2}"), (r"1+\sqrt2", r"\sqrt{3+2\sqrt2}"),
    (r"\frac{\sqrt2}{2}", r"\frac{1}{\sqrt2}"), (r"\frac1{\sqrt3+1}", r"\frac{\sqrt3-1}{2}"),
    (r"9\pi", "9π"), (r"\frac{\pi}{6}", "pi/6"), (r"6\pi", r"\pi*6"), ("0", r"\sin \pi"), ("1/2", r"\sin 30^\circ"),
    (r"\ln 9", r"2\ln 3"), ("3", r"\log_2 8"), (r"\sin^2 1", r"1-\cos^2 1"), ("-1", r"e^{i\pi}"), ("0", r"\sqrt{\sqrt2-\sqrt2}"),
    ("3+4i", "4i+3"), ("3-4i", r"\overline{3+4i}"), ("2i", "(1+i)^2"), ("-1", "i^2"),
    ("20%", "0.2"), ("20%", r"20\%"), ("20%", "20"), ("20", r"20\%"), ("20%", r"\frac15"), ("20%", r"20 \text{ percent}"),
    (r"45^\circ", "45"), (r"45^\circ", "45°"), (r"45^\circ", r"\frac{\pi}{4}"), (r"45^\circ", r"45\text{ degrees}"),
    (r"8\text{ cm}", "8"), ("8", r"8\text{ cm}"), (r"8\text{ cm}", "8 cm"), (r"8\text{ cm}", r"8\mathrm{~cm}"),
    (r"8\text{ cm}", r"8 \text{ centimeters}"), (r"8\text{ cm}^2", r"8\text{ square centimeters}"),
    (r"8\text{ m/s}", r"8\text{ meters per second}"), (r"\$12.50", "12.5"), ("12.50", "$12.50"), (r"\$12", r"12\text{ dollars}"),
    ("101_2", "101_{2}"), ("101_2", "5"), ("101_2", "101"), ("2F_{16}", "2f_{16}"),
    ("x^2-4", "(x-2)(x+2)"), ("2xy", "2yx"), (r"\frac{3}{y-2}", r"-\frac{3}{2-y}"), ("3^{n+1}", r"3\cdot 3^n"),
    (r"\cos^2 t", r"1-\sin^2t"), ("(a+b)^2", "a^2+2ab+b^2"), (r"\sqrt{x^2}", "|x|"), (r"\tan\theta", r"\frac{\sin\theta}{\cos\theta}"),
    ("y=3x-1", "y = -1+3x"), ("2x+3y=6", "4x+6y-12=0"), ("2x+3y=6", "y = 2-\\frac{2x}{3}"), ("x=4", "4"),
    ("(1,2)", r"\left( 1 , 2 \right)"), ("(1,2)", r"\big(\frac22,2.0\big)"), ("(1,2)", "1,2"), ("(1,2)", "x=1, y=2"),
    ("1,-2", "-2,1"), ("1,-2", r"\{-2, 1\}"), ("1,-2", r"1 \text{ and } -2"), ("1,-2", r"x=1 \text{ or } x=-2"),
    (r"1\pm\sqrt2", r"1+\sqrt2, 1-\sqrt2"), (r"\pm 3", r"\{3,-3\}"), (r"\{2\pm\sqrt3,1\}", r"\{1,2-\sqrt3,2+\sqrt3\}"),
    ("[0,1)", r"\left[0, \frac{5}{5}\right)"), (r"(-\infty,2]", r"(-∞, 2]"), (r"x\in[0,1]", "[0,1]"),
    (r"(0,1)\cup(2,3)", r"(2,3) \cup (0,1)"), (r"\emptyset", r"\varnothing"), (r"\emptyset", r"\{\}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{bmatrix}2/2\\2\end{bmatrix}"),
    (r"\text{even}", "Even"), (r"\text{(B)}", "B"), ("B", r"\textbf{(B)}"), ("B", r"\mathrm{B}"), ("yes", r"\text{Yes.}"),
    ("(1,234)", "(1, 234)"), ("偶数", "偶数"), ("12:30", "12 : 30"),
]  # fmt: skip

DIFFERENT = [
    ("14", "15"), ("14", "-14"), ("14", "1.4"), ("14", "(14, 14)"), ("14", r"14 \text{ to } 15"),
    ("14", "14x"), ("14", "x^{14}"), ("14", "x-14=0"), ("14", r"\text{fourteen}"), ("14", "x!"),
    ("14", r"\{1\pm 14, 14\}"), ("14", r"\int_0^1 x dx"), ("14", r"\log 100"), ("14", "(1,(2,(3,(4,(5,(6,7))))))"),
    ("1/3", "0.333"), ("0.333", "1/3"), ("1/3", "0.3333333333333333"), (r"\pi", "3.14159265358979"), (r"\pi", r"\frac{355}{113}"),
    (r"\sqrt2", "1.41421356"), ("3^{80}", "3^{79}"), ("1", r"1-10^{-300}"), ("10^{40}", "10^{40}+1"),
    (r"\sqrt{10^{40}+1}", "10^{20}"), (r"\pi", r"\pi+10^{-200}"), ("1", r"1+\pi^{-300}"), (r"e^{\pi\sqrt{163}}", "262537412640768744"),
    (r"5\sqrt7", r"7\sqrt5"), (r"\sqrt{2}+\sqrt{3}", r"\sqrt5"), ("3+4i", "3-4i"), ("3+4i", "7"),
    ("12.345", "12,345"), ("1234", "1.234"), ("70000", "710^4"), ("1 234", "1235"),
    ("20%", "2%"), ("20%", "200"), ("0.2", "20"), (r"45^\circ", "4.5"), (r"45^\circ", r"\pi"),
    (r"8\text{ cm}", r"8\text{ m}"), (r"8\text{ cm}", r"9\text{ cm}"), (r"8\text{ cm}", r"8\text{ cm}^2"), (r"\$12", r"12\text{ cents}"),
    ("101_2", "101_3"), ("101_2", "6"),
    ("x^2-4", "4-x^2"), ("x+1", "y+1"), ("5^{k+2}", "5^k+2"), (r"\sin x", r"\sin 2x"), (r"\sqrt{x^2}", "x"), ("x^2+1", "1"),
    ("y=3x", "y=3x+1"), ("y=3x", "z=3x"), ("2x+3y=6", "2x+3y=7"), ("2x+3y=6", "6"), ("x=4", "y=4"),
    ("(1,2)", "(2,1)"), ("(1,2)", "2,1"), ("(6,8)", r"\{6,8\}"), ("(1,2)", "(1,2,3)"), ("(1,2)", "[1,2]"), ("1,2", "(1,2)"),
    ("1,-2", "1,2"), ("1,-2", "1"), ("1,-2", "1,-2,3"), ("1,1,2", "1,2,2"), (r"1\pm\sqrt2", r"1+\sqrt2"),
    ("[0,1)", "[0,1]"), ("[0,1)", "(0,1)"), (r"(-\infty,2]", r"(\infty,2]"), (r"(0,1)\cup(2,3)", "(0,1)"), (r"(0,1)\cup(2,3)", "(0,3)"),
    (r"\emptyset", "-1"), (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1&2\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"\text{even}", r"\text{odd}"), ("B", "C"), ("B", "b"), ("yes", "no"),
    ("5", "(1,2)"), (r"\infty", r"-\infty"), (r"\infty", "10^9"),
]  # fmt: skip

SEVERAL = [
    ("14", "7, 14"), ("14", r"7 \text{ or } 14"), ("14", r"14\pm 1"), ("14", r"14\text{ or so}"),
    ("14", r"14\text{ apples, }3"), (r"\text{cone}", r"\text{cone or sphere}"), ("x=14", "x=14, x=15"),
]  # fmt: skip

UNPARSABLE = [
    "1 2", "x2", "2+", "(2", "2)", "2 2 2", "5!!", r"\frac{1}{0}", "1/0", "0^{-1}", "14=14", r"\infty-\infty", "0=0", r"\tan 90^\circ", r"\ln 0",
    r"14 \text{ hundred}", r"\text{about } 14", "14?", "1,,2",
    r"\write18{ls}", r"$(echo 14)", "None.x", "(14).__class__", "\u202e14", "14\x00", "14\ud800",
    "101_1", "1e99999", "1" * 4001, r"\begin{vmatrix}1\end{vmatrix}", r"\begin{pmatrix}1&2\\3\end{pmatrix}",
]  # fmt: skip


def verdict(gold: str, answer: str) -> Verdict:
    return check(gold, f"<answer>{answer}</answer>").verdict


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_other_spelling_of_the_gold_is_correct(gold: str, answer: str) -> None:
    assert verdict(gold, answer) is Verdict.CORRECT


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_another_value_is_wrong(gold: str, answer: str) -> None:
    assert verdict(gold, answer) is Verdict.WRONG


@pytest.mark.parametrize(("gold", "answer"), SEVERAL)
def test_several_candidates_for_one_answer_are_no_answer(gold: str, answer: str) -> None:
    assert verdict(gold, answer) is Verdict.NO_ANSWER


@pytest.mark.parametrize("answer", UNPARSABLE)
def test_what_is_no_answer_in_the_grammar_is_unparsable(answer: str) -> None:
    assert verdict("14", answer) is Verdict.UNPARSABLE


@pytest.mark.parametrize("gold", sorted({gold for gold, _ in EQUAL + DIFFERENT}))
def test_every_gold_of_the_tables_is_usable_and_equals_itself(gold: str) -> None:
    assert gold_is_usable(gold) is None
    assert verdict(gold, gold) is Verdict.CORRECT


@pytest.mark.parametrize(
    "gold", ["", "  ", "{", "1/0", "9^{9^{9}}", "1 2", r"\infty-\infty", "7=7", "a" * 50_000]
)
def test_a_gold_that_nothing_can_be_checked_against_has_a_reason(gold: str) -> None:
    assert gold_is_usable(gold)


def test_any_of_several_accepted_golds_is_enough() -> None:
    assert check(["7", "1/2"], r"\boxed{0.5}").correct
    assert check(["7", "1/2"], r"\boxed{8}").verdict is Verdict.WRONG


def test_wrong_for_one_gold_is_wrong_although_another_gold_cannot_be_read() -> None:
    assert check(["((", "7"], r"\boxed{8}").verdict is Verdict.WRONG
    assert check(["(("], r"\boxed{8}").verdict is Verdict.UNPARSABLE


def test_the_result_names_the_answer_it_is_about() -> None:
    result = check("14", r"so \boxed{ 15 }.")
    assert (result.verdict, result.extracted, result.correct) == (Verdict.WRONG, "15", False)


def test_no_answer_is_told_from_a_wrong_one() -> None:
    assert check("14", "I do not know.").verdict is Verdict.NO_ANSWER
