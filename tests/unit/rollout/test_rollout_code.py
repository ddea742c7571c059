"""Code problems between loading and figures: audited, judged while others are sampled, and summed up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import ProblemData
from r1kit.config.sampling import SamplingConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import DataError, SandboxError
from r1kit.core.problem import CodeGold, Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score, Verdict
from r1kit.generation.engine import GenerationRequest
from r1kit.rewards.code import judge as judging
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.compose import judge
from r1kit.rollout.collect import Scoring, collect_groups
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.setup import load_usable_problems
from r1kit.rollout.summary import summarise
from r1kit.sandbox.judge.tests import read_tests
from r1kit.sandbox.registry import REGISTRY

CONFIG = SandboxConfig(test_seconds=20, wall_seconds=20, workers=2)
RIGHT = "def f(x):\n    return x + 1\n"
SLOW = "import time\ntime.sleep(0.3)\n" + RIGHT
TESTS = [{"call": "f", "args": [1], "expected": 2}]


def row(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "kind": "code", "problem": "Write f.", "tests": TESTS, "solution": RIGHT, **changes}


def write(tmp_path: Path, *rows: dict[str, Any], **fields: Any) -> ProblemData:
    path = tmp_path / "code.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return ProblemData(path=str(path), **fields)


def said(data: ProblemData, config: SandboxConfig = CONFIG) -> list[str]:
    lines: list[str] = []
    load_usable_problems(data, CodeJudge(config)).announce(lines.append)
    return lines


def test_a_problem_whose_own_solution_fails_is_left_out_counted_and_named(tmp_path):
    wrong, broken = "def f(x):\n    return x\n", "def f(x)\n"
    data = write(tmp_path, row("a"), row("b", solution=wrong), row("c", solution=broken), row("d", tests=[]))
    loaded = load_usable_problems(data, CodeJudge(CONFIG))
    assert [problem.id for problem in loaded.problems] == ["a"]
    reason = "its own solution does not pass its tests"
    assert loaded.dropped == {"no tests": 1, f"{reason} (failed)": 1, f"{reason} (error)": 1}
    [line] = said(data)
    head, *left_out = line.split("; left out ")
    assert head == f"{data.path}: 1 problems"
    assert left_out == ["1: no tests", f"1: {reason} (failed) (b)", f"1: {reason} (error) (c)"]


def test_hidden_tests_count_for_the_solution_too(tmp_path):
    hidden = [{"call": "f", "args": [5], "expected": 5}]
    with pytest.raises(
        DataError, match=r"no problem can be used \(1: its own solution .* \(failed\) \(a\)\)"
    ):
        load_usable_problems(write(tmp_path, row("a", hidden_tests=hidden)), CodeJudge(CONFIG))


def test_a_run_without_a_jail_says_so(tmp_path):
    data = write(tmp_path, row("a"))
    assert said(data, CONFIG.model_copy(update={"unsafe": True}))[1:] == [
        f"{data.path}: sandbox.unsafe: code runs without a jail, with limits alone; it can read and write what you can"
    ]
    math = write(tmp_path, {"problem": "1+1", "answer": "2"})
    assert len(said(math, CONFIG.model_copy(update={"unsafe": True}))) == 1


def test_weak_tests_are_said(tmp_path):
    source, solution = "def check(c):\n    assert c(Box(1)) == 2", "class Box(int): pass\n" + RIGHT
    weak = {"id": "w", "kind": "code", "problem": "Write f.", "test": source, "entry_point": "f"}
    data = write(tmp_path, row("a"), {**weak, "solution": solution})
    assert said(data)[1:] == [
        f"{data.path}: 1 problems have tests that rest in part on what the code says (w)"
    ]


def test_code_problems_without_a_sandbox_are_refused_and_math_needs_none(tmp_path, monkeypatch):
    def refuse(*, unsafe: bool) -> None:
        raise SandboxError("no sandbox holds on this machine")

    monkeypatch.setattr(judging, "open_sandbox", refuse)
    assert len(load_usable_problems(write(tmp_path, {"problem": "1+1", "answer": "2"})).problems) == 1
    with pytest.raises(SandboxError, match="no sandbox holds"):
        load_usable_problems(write(tmp_path, row("a", solution=None)))


def completion(code: str | None) -> Completion:
    text = "no" if code is None else f"```python\n{code}```"
    return Completion(text, (1,), (-1.0,), FinishReason.STOP)


def problem(name: str) -> Problem:
    return Problem(name, "Write f.", kind=ProblemKind.CODE, code=CodeGold(read_tests({"tests": TESTS})))


def prompted(*names: str) -> list[PromptedProblem]:
    return [PromptedProblem(problem(name), "f?", (1, 2)) for name in names]


class Written:
    """An engine whose completions are written beforehand; it hands on the last problem first."""

    def __init__(self, texts: Sequence[Sequence[str | None]], before_each: Callable[[], None] = lambda: None):
        self._groups = [tuple(map(completion, codes)) for codes in texts]
        self._before_each = before_each

    def generate(
        self, requests: Sequence[GenerationRequest], sampling: Any, on_progress: Any, on_group: Any
    ) -> Any:
        for number in reversed(range(len(requests))):
            self._before_each()
            on_group(number, self._groups[number])
        return self._groups


def collect(engine: Written, names: Sequence[str], code: CodeJudge, **changes: Any) -> list[Group]:
    return collect_groups(
        engine,
        prompted(*names),
        group_size=2,
        sampling=SamplingConfig(),
        scoring=Scoring(partial(judge, code=code), code),
        seed=0,
        **changes,
    )


def verdicts(groups: Sequence[Group]) -> list[list[Verdict | None]]:
    return [[rollout.score.verdict for rollout in group.rollouts] for group in groups]


def test_groups_with_code_come_in_order_with_the_score_of_each(tmp_path):
    texts = [[SLOW, None], ["def f(x):\n    return 5\n", SLOW], [RIGHT, RIGHT]]
    handed: list[Group] = []
    groups = collect(Written(texts), "abc", CodeJudge(CONFIG), on_group=handed.append)
    assert groups == handed
    assert [group.problem.id for group in groups] == ["a", "b", "c"]
    right, wrong = Verdict.CORRECT, Verdict.WRONG
    assert verdicts(groups) == [[right, Verdict.NO_ANSWER], [wrong, right], [right, right]]
    one_by_one = collect(Written(texts), "abc", CodeJudge(CONFIG.model_copy(update={"workers": 1})))
    assert [g.rollouts for g in one_by_one] == [g.rollouts for g in groups]


def test_code_runs_while_the_next_group_is_sampled():
    num_open: list[int] = []
    texts = [["# a\n" + SLOW], ["# b\n" + SLOW], ["# c\n" + SLOW]]
    arrived = threading.Event()

    def sample() -> None:
        arrived.wait(0.15)
        num_open.append(len(REGISTRY))

    groups = collect(Written(texts, sample), "abc", CodeJudge(CONFIG))
    assert num_open[0] == 0
    assert max(num_open[1:]) > 0
    assert verdicts(groups) == [[Verdict.CORRECT]] * 3


def test_an_interrupt_ends_the_code_that_runs():
    rounds = iter([False, True])

    def interrupt() -> None:
        if next(rounds):
            until = threading.Event()
            while not REGISTRY:
                until.wait(0.01)
            raise KeyboardInterrupt

    endless = [["while True: pass\n"], ["while True: pass  # too\n"]]
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        collect(Written(endless, interrupt), "ab", CodeJudge(CONFIG))
    assert len(REGISTRY) == 0
    assert set(threading.enumerate()) <= before


def group(kind: ProblemKind, *scores: Score) -> Group:
    gold = () if kind is ProblemKind.CODE else ("4",)
    rollouts = tuple(Rollout(completion(RIGHT), score) for score in scores)
    return Group(Problem("p", "?", gold, kind), "?", (1,), rollouts)


def judged(right: float, runs: float, verdict: Verdict, result: str | None) -> Score:
    return Score(right, {"code": right, "runnable": runs}, verdict, RIGHT if result else None, result)


PASSED = judged(1.0, 1.0, Verdict.CORRECT, "passed")
FAILED = judged(0.0, 1.0, Verdict.WRONG, "failed")
CRASHED = judged(0.0, 0.0, Verdict.WRONG, "error")
NO_CODE = judged(0.0, 0.0, Verdict.NO_ANSWER, None)
LOST = Score(None, {"code": None, "runnable": None}, None, RIGHT, "sandbox_error")


def test_the_figures_of_code_are_right_runnable_and_how_it_ended():
    figures = summarise([group(ProblemKind.CODE, PASSED, FAILED), group(ProblemKind.CODE, CRASHED, NO_CODE)])
    assert figures["pass@1"] == 0.25
    assert figures["pass@2"] == 0.5
    assert figures["runnable_rate"] == 0.5
    assert figures["no_answer_rate"] == 0.25
    results = {name: value for name, value in figures.items() if name.startswith("result/")}
    assert results == {f"result/{name}_rate": 1 / 3 for name in ("passed", "failed", "error")}
    assert not any(name.startswith("cons@") for name in figures)


def test_in_a_mixed_set_only_math_votes():
    right = Score(1.0, {"math": 1.0}, Verdict.CORRECT, "4")
    figures = summarise([group(ProblemKind.MATH, right, right), group(ProblemKind.CODE, FAILED, CRASHED)])
    assert (figures["pass@1"], figures["cons@2"], figures["runnable_rate"]) == (0.5, 1.0, 0.5)


def test_what_could_not_be_judged_is_in_no_accuracy_and_is_counted():
    figures = summarise([group(ProblemKind.CODE, PASSED, LOST), group(ProblemKind.CODE, PASSED, FAILED)])
    assert (figures["num_problems"], figures["pass@1"], figures["runnable_rate"]) == (1.0, 0.5, 1.0)
    assert figures["result/sandbox_error_rate"] == 0.25
