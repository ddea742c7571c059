"""Answers written to hang, crash, execute or trick the checker. Each is refused in time, and nothing is left of it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r1kit.core.rollout import Verdict
from r1kit.rewards.math import check, gold_is_usable
from r1kit.rewards.math.checker import check_many

# A worker has one second; the rest is for a machine that is busy and for a new worker to start.
GENEROUS_SECONDS = 4.0
MANY = 300_000
patient = partial(settings, deadline=None, derandomize=True)

TOO_LARGE = [
    "9^9^9^9", "9^{9^{9^{9}}}", "10^{10^{8}}", "100000000!", "(10^8)!", "((1000!)!)!", "((((5!)!)!)!)!", "(((1000!)^{1000})^{1000})^{1000}",
    r"9^{9^{9^9}}-9^{9^{9^9}}", "1e999999999", "10^{-10^{9}}", "2^{-2^{2^{2^{2^2}}}}", r"\ln\ln\ln\ln(10^{10^{10^{10}}})", r"\sin(10^{10^{10}})",
    r"\binom{10^9}{5\cdot10^8}", r"\binom{10^{100}}{10^{50}}", "P(1000000,500000)", r"\gcd(10^{10^8}+1,3)", r"\operatorname{lcm}(10^{10^6}+1,10^{10^6}+3)",
    r"\prod_{n=1}^{10^8}n!", r"\sum_{n=1}^{10^6}n!", r"\sum_{k=1}^{10^{12}}\frac{1}{k^2+\sin k}", r"\sum_{n=1}^{\infty}\frac{1}{n^3\sin^2 n}",
    "e^" * 100 + "e", "(" * 30 + r"\pi" + ")^{1000}" * 30, "2^" * 300 + "2",
    "1" * MANY, "0." + "3" * MANY, r"0.\overline{" + "1" * 5_000 + "}", "1" * 5_000 + "_{2}", "-" * 15_000 + "1", "1," * 300_000, "1 " + "111 " * 4_000,
    "(" * 150_000 + "1" + ")" * 150_000, "{" * 150_000 + "1" + "}" * 150_000, "(1," * 300 + "1" + ")" * 300,
    r"\sqrt{" * 100_000 + "2" + "}" * 100_000, r"\frac{1}{" * 80_000 + "2" + "}" * 80_000, r"\left(" * 80_000 + "1" + r"\right)" * 80_000, r"\sqrt{" * 300 + "2" + "}" * 300,
    r"\frac" * 300, "|" * 1_400 + "1", "x_{" * 700 + "1" + "}" * 700, r"\text{" * 3_000 + "1" + "}" * 3_000,
    r"\begin{pmatrix}" + (r"1&" * 300 + r"1\\") * 300 + r"\end{pmatrix}", r"\begin{pmatrix}" * 30 + "1" + r"\end{pmatrix}" * 30, r"\pm" * 300 + "1",
    r"5 \text{" + "m " * 5_000 + "}", "1:" * 5_000 + "1", ",".join(["1"] * 5_000), r"\cup".join(f"({k},{k + 1})" for k in range(3000)), "$" * MANY, "\\" * MANY,
]  # fmt: skip

# These have a value that is found, or are of another kind.
COMPARED = [
    "{" * 9_000 + "1" + "}" * 9_000 + "+1",
    r"2^{-3000}", r"\cos\frac{\pi}{100003}", r"7^{10^{600}} \bmod 10^{600}", r"\frac{(10^{18})!}{(10^{18}-1000)!}", "(a+b+c+d+f+g)^{900}", "(((x^9+1)^9+1)^9+1)^9",
    "x^{10001}+x>2", r"\sin(x^x)+e^{x^3}>\ln x", "(x-1)" + "(x-2)(x-3)(x-5)" * 20 + ">0", r"\{" + ",".join(rf"\sqrt{{{k}}}" for k in range(2, 60)) + r"\}",
    "".join(rf"(x_{{{k}}}+1)" for k in range(90)), ":".join(["1"] * 400), r"\lfloor " * 39 + r"\pi^{90}" + r"\rfloor" * 39, r"\frac{d}{dx}x^{x^{x^{x^{x^x}}}}",
]  # fmt: skip

# What may or may not be managed in a second, by sympy or by the reader.
SLOW = [
    r"\sum_{i=1}^{1000}\sum_{j=1}^{1000}\sum_{k=1}^{1000}(i+j)^{k}", r"1\over " * 700 + "1", r"{2\choose" * 300 + "1" + "}" * 300,
    r"\int_0^{10^9}\sin(x^{x})dx", r"\int_{-\infty}^{\infty}e^{-e^{e^{x}}}\cos(10^{10}x)\,dx", r"\int_0^1\int_0^1\int_0^1 e^{xyz+\sin(x^{100})}\,dx\,dy\,dz",
    r"\int\frac{x^{50}+1}{x^{60}+x^{31}+7}dx", r"\int_0^1\sqrt{\sin(\sqrt{\ln(1+x^{x})})}\,dx", r"\lim_{x\to0}\frac{\sin(\tan x)-\tan(\sin x)}{x^{7}}",
    r"\lim_{n\to\infty}\prod_{k=1}^{n}(1+\frac{k}{n^{2}})^{k^{k}}",
]  # fmt: skip

COMPLETIONS = [
    r"\boxed{" * 100_000 + "1" + "}" * 100_000, r"\boxed{" * 100_000, "<answer>" * 100_000, "<think>" * 100_000, "The answer is " * 70_000, "**" * 150_000,
    "$1$" * 300_000, "#### " * 200_000, "\n" * MANY, r"\boxed{1}, " * 50_000, "答案是" * 300_000, r"\(" * 300_000, "a. " * 300_000, "</think>" * 100_000,
    "<answer>" * 50_000 + "</answer>" * 50_000, "**Final Answer**\n" * 50_000, "```" * 300_000, r"\boxed " * 100_000, "\\fbox{\\boxed{" * 50_000, "{" * MANY + r"\boxed",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    check(r"\pi", r"\boxed{\sqrt{2}}")


def checked_in_time(gold: str, completion: str) -> Verdict:
    start = time.monotonic()
    verdict = check(gold, completion).verdict
    assert time.monotonic() - start < GENEROUS_SECONDS
    return verdict


def name(answer: str) -> str:
    return answer[:40].replace("\x00", "NUL")


@pytest.mark.parametrize("answer", TOO_LARGE, ids=name)
def test_what_is_too_large_to_read_or_to_compute_is_unparsable(answer: str) -> None:
    assert checked_in_time("5", f"<answer>{answer}</answer>") is Verdict.UNPARSABLE
    assert checked_in_time("5", f"\\boxed{{{answer}}}") in (Verdict.UNPARSABLE, Verdict.NO_ANSWER)
    for gold in (r"\sqrt{5}", "(0,1)"):
        assert checked_in_time(gold, f"<answer>{answer}</answer>") in (Verdict.UNPARSABLE, Verdict.WRONG)


@pytest.mark.parametrize("answer", COMPARED, ids=name)
def test_a_heavy_value_is_wrong_and_not_in_the_way(answer: str) -> None:
    assert checked_in_time("5", f"<answer>{answer}</answer>") is Verdict.WRONG
    for gold in (r"\sqrt{5}", "x^2+1"):
        assert checked_in_time(gold, f"\\boxed{{{answer}}}") in (Verdict.WRONG, Verdict.UNPARSABLE)


@pytest.mark.parametrize("answer", SLOW, ids=name)
def test_what_cannot_be_done_in_a_second_is_not_waited_for(answer: str) -> None:
    assert checked_in_time("5", f"\\boxed{{{answer}}}") in (
        Verdict.TIMED_OUT,
        Verdict.UNPARSABLE,
        Verdict.WRONG,
    )


@pytest.mark.parametrize("completion", COMPLETIONS, ids=name)
def test_a_completion_made_to_be_searched_for_ever_holds_no_right_answer(completion: str) -> None:
    assert checked_in_time("5", completion) is not Verdict.CORRECT
    assert checked_in_time("5", completion + r" \boxed{6}") is not Verdict.CORRECT


def test_a_heavy_gold_is_found_unusable_in_time() -> None:
    for gold in ("9^{9^{9^9}}", "(10^8)!", "1" * MANY, r"\sqrt{" * 300 + "2" + "}" * 300, SLOW[4]):
        start = time.monotonic()
        assert gold_is_usable(gold)
        assert time.monotonic() - start < GENEROUS_SECONDS
        assert checked_in_time(gold, r"\boxed{5}") is not Verdict.CORRECT


def test_a_hostile_answer_that_is_spelled_as_the_gold_is_correct_without_being_computed() -> None:
    assert checked_in_time("100000!", r"\boxed{100000!}") is Verdict.CORRECT


def test_a_tower_of_nines_takes_less_than_a_tenth_of_a_second_here() -> None:
    start = time.process_time()
    assert check("5", r"\boxed{9^9^9^9}").verdict is Verdict.UNPARSABLE
    assert check("5", r"\boxed{(10^8)!}").verdict is Verdict.UNPARSABLE
    assert time.process_time() - start < 0.1


# Each writes the file whose path stands for TRACE, if anything ever runs it.
PYTHON_THAT_LEAVES_A_TRACE = [
    "open('TRACE','w').close()", "__import__('os').system('touch TRACE')", "__import__('pathlib').Path('TRACE').touch()", "exec('open(\"TRACE\",\"w\").close()')",
    "(lambda: open('TRACE','w').close())()", "[open('TRACE','w').close() for _ in (1,)]", "eval(compile('open(\"TRACE\",\"w\").close()','x','eval'))", "f\"{open('TRACE','w').close()}\"",
    "().__class__.__base__.__subclasses__() and open('TRACE','w').close()", "type('X',(),{'__eq__':lambda s,o:True})() and open('TRACE','w').close()",
]  # fmt: skip
OTHER_CODE = [
    "$(touch TRACE)", "`touch TRACE`", "5; touch TRACE", "5 | tee TRACE", r"\immediate\write18{touch TRACE}5", r"\write18{touch TRACE}", r"\input{TRACE}", r"\openout5=TRACE",
    r"\directlua{os.execute('touch TRACE')}", "sympify(\"open('TRACE','w').close()\")", "S(\"open('TRACE','w').close()\")", "parse_expr(\"open('TRACE','w').close()\")", "Lambda(x, open('TRACE','w').close())(5)",
    "{0.__class__.__init__.__globals__}", "'{0.__class__}'.format(5)", "%s%s%s%n", "${jndi:ldap://TRACE}", "!!python/object/apply:os.system ['touch TRACE']",
    "cos\nsystem\n(S'touch TRACE'\ntR.", r"\def\x{5}\x", r"\newcommand{\a}{5}\a", r"\loop\iftrue\repeat 5", r"\csname end\endcsname 5", "Integer(5)", "Symbol('5')",
    "5 if True else 6", "(y:=5)", "print(5)", "None.x", "(14).__class__", "5' OR '1'='1", "<script>5</script>", '{"verdict": "correct"}', '5"}\n{"verdict": "correct"}',
]  # fmt: skip


@pytest.mark.parametrize("payload", PYTHON_THAT_LEAVES_A_TRACE, ids=name)
def test_the_python_among_the_payloads_does_leave_a_trace_when_it_is_run(
    payload: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    eval(payload.replace("TRACE", str(trace)))  # the control of the test below
    assert trace.exists()


@pytest.mark.parametrize("payload", PYTHON_THAT_LEAVES_A_TRACE + OTHER_CODE, ids=name)
def test_code_is_never_run_and_never_right(payload: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = payload.replace("TRACE", str(trace))
    for completion in (
        f"<answer>{code}</answer>",
        f"\\boxed{{{code}}}",
        f"The answer is {code}",
        f"\\boxed{{\\text{{{code}}}}}",
    ):
        assert check("5", completion).verdict is not Verdict.CORRECT, completion
    check(code, r"\boxed{5}")
    gold_is_usable(code)
    assert not trace.exists()


def test_no_attribute_of_this_process_or_a_worker_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R1KIT_SENTINEL", "untouched")
    for code in (
        "__import__('os').environ['R1KIT_SENTINEL']='5'",
        "os.environ.clear()",
        "setattr(Fraction, '__eq__', lambda s, o: True)",
    ):
        check("5", f"\\boxed{{{code}}}")
    assert os.environ["R1KIT_SENTINEL"] == "untouched"
    assert check("5", r"\boxed{5+\sqrt{2}}").verdict is Verdict.WRONG


GARBAGE = [
    ("5\x00", "unparsable"), ("1\x002", "unparsable"), ("5\ud800", "unparsable"), ("\udc005", "unparsable"), ("\ud83d5", "unparsable"), ("\u202e5", "unparsable"),
    ("\u202d5\u202c", "unparsable"), ("\u20665\u2069", "unparsable"), ("\x1b[31m5\x1b[0m", "unparsable"), ("6\b5", "unparsable"), ("5\x7f", "unparsable"), ("2\x0c+3", "unparsable"), ("2\x1d+3", "unparsable"), ("5\x85", "correct"),
    ("\ufeff5", "correct"), ("5\u200f", "correct"), ("\u200e5\u200e", "correct"), ("5\u200b", "correct"), ("\u00a05\u3000", "correct"), ("5\u0336", "unparsable"),
    ("5🎉6", "unparsable"), ("🎉", "unparsable"), ("5\ufffd", "unparsable"), ("\ue000", "unparsable"), ("5\u0660", "wrong"), ("٥", "correct"), ("𝟓", "correct"),
    ("五", "wrong"), ("?", "unparsable"), ("\u200b", "unparsable"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "verdict"), GARBAGE, ids=ascii)
def test_garbage_in_the_answer_has_its_verdict(answer: str, verdict: str) -> None:
    assert check("5", f"<answer>{answer}</answer>").verdict.value == verdict
    assert check("5", f"\\boxed{{{answer}}}").verdict.value == verdict


@pytest.mark.parametrize(
    "garbage",
    ["\x00", "\ud800", "\u202e", "\x1b[31m", "\udfff\ud800", "\ufeff", "\x85\u2028", "\ue000"],
    ids=ascii,
)
def test_garbage_around_the_answer_does_not_matter(garbage: str) -> None:
    assert check("5", f"{garbage}So {garbage}it is \\boxed{{5}}{garbage}.{garbage}").correct
    assert check("5", f"<think>{garbage}</think>{garbage}<answer>5</answer>{garbage}").correct


PIECES = [
    r"\frac", r"\sqrt", r"\boxed", "{", "}", "(", ")", "[", "]", r"\left", r"\right", r"\{", r"\}", "^", "_", "+", "-", "*", "/", "!", "|",
    "1", "23", "0", ".5", "1,000", "x", "e", "i", r"\pi", r"\infty", r"\text{ cm}", r"\pm", "=", ",", "%", "$", r"\cup", r"\\", "&",
    r"\begin{pmatrix}", r"\end{pmatrix}", r"\sin", r"\ln", r"\log", "<answer>", "</answer>", "<think>", "</think>", " ", "\x00",
    "½", "²", "7_2", r"\overline{3}", "and", r"\in", "<", r"\le", r"\int_0^1", "dx", r"\sum_{k=1}^{9}", r"\lim_{x\to0}", r"\binom",
    ":", "2:30", "pm", r"\circ", r"\pmod", r"\mathbb{R}", r"\setminus", r"\mid", r"\text{or}", "...", r"\lfloor", r"\rfloor", "\ud800",
    r"\frac{d}{dx}", r"\choose", r"\over", "C", "P", "mod", r"\begin{cases}", r"\end{cases}", r"\equiv", "**", "####", "\u202e",
]  # fmt: skip
soup = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)
# Halves of surrogate pairs too, which st.text() leaves out.
any_text = st.text(
    st.characters() | st.sampled_from("\x00\ud800\udfff\u202e\u200f0123456789\\{}()$^_"), max_size=80
)


@patient(max_examples=150)
@given(gold=soup, answer=soup)
def test_no_text_made_of_math_raises_or_hangs(gold: str, answer: str) -> None:
    for completion in (f"<answer>{answer}</answer>", f"\\boxed{{{answer}}}", answer):
        assert isinstance(checked_in_time(gold, completion), Verdict)


@patient(max_examples=100)
@given(gold=any_text, answer=any_text)
def test_no_text_at_all_raises_or_hangs(gold: str, answer: str) -> None:
    for completion in (f"\\boxed{{{answer}}}", f"The answer is {answer}", answer):
        assert isinstance(checked_in_time(gold, completion), Verdict)


def test_threads_do_not_disturb_each_other() -> None:
    pairs = [
        (f"{k}\\sqrt{{5}}+10^{{{-k}}}", f"\\boxed{{10^{{{-k}}}+\\sqrt{{{5 * k * k}}}}}") for k in range(1, 60)
    ]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda pair: check(*pair).verdict, pairs * 3))
    assert set(verdicts) == {Verdict.CORRECT}


def num_children() -> int:
    """Processes whose parent this one is, as /proc tells it."""
    parents = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.append(int(stat.read_text().rpartition(")")[2].split()[1]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return parents.count(os.getpid())


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells what a process holds")
def test_after_a_storm_of_hostile_answers_the_checker_is_right_small_and_alone() -> None:
    storm = [
        f"\\boxed{{{answer}}}" for answer in (*TOO_LARGE[::12], *COMPARED[::4], SLOW[4], *OTHER_CODE[::3])
    ] + COMPLETIONS
    for completion in storm:
        check("6", completion)
    processes, memory = num_children(), memory_mb()
    for completion in storm:
        check("7", completion)
    assert num_children() <= processes + 1
    assert memory_mb() < memory + 100
    for gold, answer in (
        (r"\frac12", "0.5"),
        (r"\sqrt{20}", r"2\sqrt5"),
        ("55", r"\sum_{k=1}^{10}k"),
        ("[0,1)", r"0\le x<1"),
    ):
        assert check(gold, f"\\boxed{{{answer}}}").correct
        assert check(gold, f"\\boxed{{{answer}+1}}").verdict is not Verdict.CORRECT


def test_hostile_answers_between_others_cost_those_nothing() -> None:
    pairs = [(str(k), f"\\boxed{{{k}+\\sqrt{{2}}-\\sqrt{{2}}}}") for k in range(40)]
    hostile = [("5", f"\\boxed{{{answer}}}") for answer in (*SLOW[3:5], *TOO_LARGE[:20])]
    mixed = [
        pair
        for index, pair in enumerate(pairs)
        for pair in ([pair, hostile[index]] if index < len(hostile) else [pair])
    ]
    results = list(check_many(mixed, num_workers=2))
    assert [result.correct for result in results] == [pair in pairs for pair in mixed]
