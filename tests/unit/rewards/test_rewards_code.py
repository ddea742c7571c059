"""The rewards of code, judged in the sandbox of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from r1kit.config.rewards import RewardConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import ConfigError, SandboxError
from r1kit.core.problem import CodeGold, Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Score, Verdict
from r1kit.rewards.code import judge as judging
from r1kit.rewards.code.audit import audit_code
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.compose import Scorer, build_scorer, judge
from r1kit.sandbox import Limits, Sandbox, Session, open_sandbox
from r1kit.sandbox.judge.results import Judgement
from r1kit.sandbox.judge.tests import FunctionTest, Tests, read_tests
from r1kit.sandbox.registry import REGISTRY

CONFIG = SandboxConfig(test_seconds=0.5, wall_seconds=2.0)
CALLS = read_tests({"tests": [{"call": "f", "args": [n], "expected": n + 1} for n in (0, 1, 2, 7)]})
STDIO = read_tests({"tests": [{"stdin": "3\n", "stdout": "4\n"}]})
RIGHT = "def f(x):\n    return x + 1\n"


def problem_of(tests: Tests, **gold: Any) -> Problem:
    return Problem("c", "Add one.", kind=ProblemKind.CODE, code=CodeGold(tests, **gold))


ADD_ONE = problem_of(CALLS)


def completion(code: str | None) -> Completion:
    text = "I do not know." if code is None else f"<think>so</think>\n```python\n{code}\n```"
    return Completion(text, (1,), (-1.0,), FinishReason.STOP)


def scorer(*rewards: object, config: SandboxConfig = CONFIG) -> Scorer:
    configs = [RewardConfig.model_validate(reward) for reward in rewards]
    return build_scorer(configs, default_max_tokens=100, sandbox=config)


@pytest.fixture(scope="module")
def both() -> Scorer:
    return scorer("code", "runnable=0.25")


@pytest.fixture(scope="module")
def shared() -> Scorer:
    return scorer({"name": "code", "options": {"score": "share"}})


@pytest.fixture(autouse=True)
def no_session_is_left() -> Iterator[None]:
    yield
    assert len(REGISTRY) == 0


class Sandboxes:
    """The sandbox of this machine, which counts what it starts and can be made to fail."""

    def __init__(self) -> None:
        self.sandbox = open_sandbox()
        self.num_started = 0
        self.is_down = False
        self.most_at_once = 0
        self._lock = threading.Lock()

    def start(self, limits: Limits) -> Session:
        with self._lock:
            self.num_started += 1
            if self.is_down:
                raise SandboxError("the sandbox cannot start a process: no descriptor is left")
            session = self.sandbox.start(limits)
            self.most_at_once = max(self.most_at_once, len(REGISTRY))
            return session


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Sandboxes:
    sandboxes = Sandboxes()
    monkeypatch.setattr(judging, "open_sandbox", lambda *, unsafe: sandboxes)
    return sandboxes


@pytest.mark.parametrize(
    ("code", "right", "runs", "verdict", "result"),
    [
        (RIGHT, 1.0, 1.0, Verdict.CORRECT, "passed"),
        ("def f(x):\n    return x", 0.0, 1.0, Verdict.WRONG, "failed"),
        ("def f(x):\n    return 1", 0.0, 1.0, Verdict.WRONG, "failed"),
        ("def f(x):\n    return 1 // x + 10", 0.0, 0.0, Verdict.WRONG, "error"),
        ("def g(x):\n    return x + 1", 0.0, 0.0, Verdict.WRONG, "error"),
        ("def f(x)\n    return x + 1", 0.0, 0.0, Verdict.UNPARSABLE, "error"),
        ("  def f(x):\n return x", 0.0, 0.0, Verdict.UNPARSABLE, "error"),
        ("def f(x):\n    while True: pass", 0.0, 0.0, Verdict.TIMED_OUT, "timed_out"),
        ("x = [0] * 10**9\n" + RIGHT, 0.0, 0.0, Verdict.WRONG, "out_of_memory"),
        ("import os\nos._exit(0)", 0.0, 0.0, Verdict.WRONG, "error"),
        ("class Yes:\n    __eq__ = lambda a, b: True\ndef f(x):\n    return Yes()", 0.0, 1.0, Verdict.WRONG, "failed"),
    ],
)  # fmt: skip
def test_code_is_rewarded_for_being_right_and_for_running(
    both: Scorer, code: str, right: float, runs: float, verdict: Verdict, result: str
) -> None:
    score = both.score(ADD_ONE, completion(code))
    assert score.parts == {"code": right, "runnable": runs}
    assert score.reward == right + 0.25 * runs
    assert (score.verdict, score.result) == (verdict, result)
    assert score.extracted == code + "\n"


def test_a_completion_without_code_gets_nothing_and_nothing_is_run(counted: Sandboxes) -> None:
    score = scorer("code", "runnable").score(ADD_ONE, completion(None))
    assert score == Score(0.0, {"code": 0.0, "runnable": 0.0}, Verdict.NO_ANSWER)
    assert counted.num_started == 0


@pytest.mark.parametrize(
    ("code", "share"),
    [
        (RIGHT, 1.0),
        ("def f(x):\n    return x + 1 if x < 7 else 0", 0.75),
        ("def f(x):\n    return 1", 0.25),
        ("def f(x):\n    return x", 0.0),
        ("def f(x)", 0.0),
    ],
)
def test_with_score_share_each_test_counts(shared: Scorer, code: str, share: float) -> None:
    score = shared.score(ADD_ONE, completion(code))
    assert score.reward == share
    assert (score.verdict is Verdict.CORRECT) is (share == 1.0)


def test_a_program_is_judged_by_what_it_prints(both: Scorer) -> None:
    problem = problem_of(STDIO)
    assert both.score(problem, completion("print(int(input()) + 1)")).reward == 1.25
    assert both.score(problem, completion("print(int(input()))")).reward == 0.25
    assert both.score(problem, completion("print(input() + 1)")).reward == 0.0


def test_a_function_may_be_gone_on_with(both: Scorer) -> None:
    prompt = 'STEP = 1\n\ndef f(x):\n    """One more."""\n'
    row = {"test": "def check(c):\n    assert c(1) == 2", "entry_point": "f", "problem": prompt}
    problem = problem_of(read_tests(row), prompt=prompt, entry_point="f")
    assert both.score(problem, completion("    return x + STEP")).verdict is Verdict.CORRECT
    assert both.score(problem, completion("def f(x):\n    return x + STEP")).verdict is Verdict.CORRECT
    assert both.score(problem, completion("    return x")).verdict is Verdict.WRONG


def test_problems_of_another_kind_have_no_code_reward_and_code_without_tests_none_that_can_be_told(
    both: Scorer,
) -> None:
    without_tests = both.score(Problem("c", "Write f.", kind=ProblemKind.CODE), completion(RIGHT))
    assert without_tests == Score(None, {"code": None, "runnable": None})
    assert both.score(Problem("m", "2+2?", ("4",)), completion(RIGHT)) == Score(None)


def test_the_judge_goes_by_the_kind_of_the_problem() -> None:
    code = CodeJudge(CONFIG)
    right = judge(ADD_ONE, completion(RIGHT), code)
    assert right == Score(1.0, {"code": 1.0, "runnable": 1.0}, Verdict.CORRECT, RIGHT + "\n", "passed")
    boxed = Completion(r"\boxed{4}", (1,), (-1.0,), FinishReason.STOP)
    assert judge(Problem("m", "2+2?", ("4",)), boxed, code).verdict is Verdict.CORRECT
    assert judge(ADD_ONE, completion(RIGHT)).verdict is None


def test_what_the_sandbox_fails_at_is_no_reward_at_all_and_is_tried_again(counted: Sandboxes) -> None:
    rewards = scorer("code", "runnable")
    counted.is_down = True
    for code in (RIGHT, "def f(x):\n    return x"):
        score = rewards.score(ADD_ONE, completion(code))
        assert (score.reward, score.verdict, score.result) == (None, None, "sandbox_error")
        assert score.parts == {"code": None, "runnable": None}
    counted.is_down = False
    assert rewards.score(ADD_ONE, completion(RIGHT)).reward == 2.0


def test_the_same_code_for_the_same_problem_runs_once(counted: Sandboxes) -> None:
    rewards = scorer("code", "runnable")
    assert [rewards.score(ADD_ONE, completion(RIGHT)).reward for _ in range(3)] == [2.0] * 3
    assert counted.num_started == 1
    other = problem_of(read_tests({"tests": [{"call": "f", "args": [1], "expected": 5}]}))
    assert rewards.score(other, completion(RIGHT)).reward == 1.0
    assert counted.num_started == 2


def test_what_was_started_ahead_is_judged_side_by_side_and_gives_the_same_scores(counted: Sandboxes) -> None:
    codes = [f"import time\ntime.sleep(0.2)\ndef f(x):\n    return x + 1 + {n} // 3" for n in range(6)]
    group = [*map(completion, codes), completion(None), completion(codes[0])]
    ahead = scorer("code", "runnable", config=CONFIG.model_copy(update={"workers": 3}))
    is_done = ahead.code.start(ADD_ONE, group)
    assert is_done is not None
    scores = [ahead.score(ADD_ONE, one) for one in group]
    assert is_done()
    assert counted.num_started == len(codes)
    assert 1 < counted.most_at_once <= 3
    alone = scorer("code", "runnable", config=CONFIG.model_copy(update={"workers": 1}))
    assert [alone.score(ADD_ONE, one) for one in group[::-1]] == scores[::-1]
    assert [score.reward for score in scores] == [2.0] * 3 + [1.0] * 3 + [0.0, 2.0]


def test_nothing_is_started_for_problems_without_tests() -> None:
    assert CodeJudge(CONFIG).start(Problem("m", "2+2?", ("4",)), [completion(RIGHT)]) is None


def test_stopping_ends_what_runs_and_what_waits_and_the_judge_can_be_used_again() -> None:
    before = set(threading.enumerate())
    slow = CodeJudge(SandboxConfig(test_seconds=60, wall_seconds=60, workers=2))
    codes = [f"while True: pass  # {n}" for n in range(6)]
    assert slow.start(ADD_ONE, map(completion, codes)) is not None
    until = time.monotonic() + 10
    while len(REGISTRY) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    started = time.monotonic()
    slow.stop()
    assert time.monotonic() - started < 5
    assert len(REGISTRY) == 0
    assert slow.judgement(ADD_ONE.code, RIGHT).has_passed  # type: ignore[arg-type]
    slow.stop()
    assert set(threading.enumerate()) <= before


def test_limits_come_from_the_configuration() -> None:
    config = SandboxConfig(wall_seconds=2.5, memory_mb=64)
    limits = CodeJudge(config).limits
    assert (limits.wall_seconds, limits.cpu_seconds, limits.memory_bytes) == (2.5, 3, 64 * 2**20)
    large = "x = bytearray(100 * 2**20)\n" + RIGHT
    gold = CodeGold(CALLS)
    assert CodeJudge(config).judgement(gold, large).result == "out_of_memory"
    assert CodeJudge(SandboxConfig(memory_mb=256)).judgement(gold, large).has_passed


@pytest.mark.parametrize("reward", ["code", "runnable"])
def test_where_no_sandbox_holds_a_code_reward_is_refused_when_it_is_built(
    monkeypatch: pytest.MonkeyPatch, reward: str
) -> None:
    def refuse(*, unsafe: bool) -> Sandbox:
        raise SandboxError(f"no sandbox holds on this machine (unsafe: {unsafe})")

    monkeypatch.setattr(judging, "open_sandbox", refuse)
    with pytest.raises(SandboxError, match=r"no sandbox holds on this machine \(unsafe: False\)"):
        scorer(reward)
    assert scorer("math", "format").code_in_rewards is None


def test_without_a_jail_the_limits_still_hold() -> None:
    unsafe = CodeJudge(CONFIG.model_copy(update={"unsafe": True}))
    assert unsafe.sandbox.layers.is_unsafe
    assert unsafe.judgement(CodeGold(CALLS), RIGHT).has_passed
    assert unsafe.judgement(CodeGold(CALLS), "while True: pass").result == "timed_out"


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ({"name": "code", "options": {"score": "shares"}}, "score is 'shares'; it must be all or share.*did you mean share"),
        ({"name": "code", "options": {"scores": "all"}}, "reward code has no option 'scores'; did you mean score"),
        ({"name": "code", "options": {"judge": 1}}, "reward code has no option 'judge'"),
        ({"name": "runnable", "options": {"score": "all"}}, "no option 'score'; it has none"),
        ("cod", r"did you mean code\?"),
    ],
)  # fmt: skip
def test_wrong_options_are_found_before_anything_is_scored(reward: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer(reward)


def test_a_problem_whose_own_solution_fails_is_found_and_each_runs_once(counted: Sandboxes) -> None:
    problems = [
        Problem("good", "f", kind=ProblemKind.CODE, code=CodeGold(CALLS, RIGHT)),
        Problem("wrong", "f", kind=ProblemKind.CODE, code=CodeGold(CALLS, "def f(x):\n    return x")),
        Problem("broken", "f", kind=ProblemKind.CODE, code=CodeGold(CALLS, "def f(x)")),
        Problem("none", "f", kind=ProblemKind.CODE, code=CodeGold(CALLS)),
        Problem("math", "2+2?", ("4",)),
    ]
    fails = "its own solution does not pass its tests"
    config = SandboxConfig(test_seconds=0.9, wall_seconds=2.0)
    for _ in range(2):
        audit = audit_code(problems, CodeJudge(config))
        assert audit.faults == {"wrong": f"{fails} (failed)", "broken": f"{fails} (error)"}
    assert counted.num_started == 3


def test_a_solution_that_the_sandbox_fails_at_is_an_error_and_no_bad_problem(counted: Sandboxes) -> None:
    counted.is_down = True
    problem = Problem("p", "f", kind=ProblemKind.CODE, code=CodeGold(CALLS, RIGHT + "# down"))
    with pytest.raises(SandboxError, match=r"a problem's own solution could not be run: .*no descriptor"):
        audit_code([problem], CodeJudge(CONFIG))
    counted.is_down = False
    assert audit_code([problem], CodeJudge(CONFIG)).faults == {}


def test_weak_tests_are_told() -> None:
    source = "def check(c):\n    assert c(Box(1)) == 2"
    row = {"test": source, "entry_point": "f", "problem": "Write Box and f."}
    solution = "class Box(int): pass\ndef f(x):\n    return x + 1"
    problem = Problem("w", "f", kind=ProblemKind.CODE, code=CodeGold(read_tests(row), solution))
    audit = audit_code([problem, ADD_ONE], CodeJudge(CONFIG))
    assert (audit.faults, audit.weak) == ({}, ("w",))


def test_a_judgement_holds_for_its_gold_and_not_for_another_at_the_same_address() -> None:
    code = CodeJudge(CONFIG)
    results: list[Judgement] = []
    for expected in (1, 2, 1, 2):
        gold = CodeGold(read_tests({"tests": [{"call": "f", "args": [0], "expected": expected}]}))
        results.append(code.judgement(gold, RIGHT))
        del gold
    assert [one.has_passed for one in results] == [True, False, True, False]


def test_what_waits_is_not_forgotten_and_run_twice(
    counted: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MOST_REMEMBERED", 4)
    judge_ = CodeJudge(SandboxConfig(workers=1))
    problem = problem_of((FunctionTest("f", (1,), {}, 2),))
    assert problem.code is not None
    codes = [f"def f(x): return {n}" for n in range(12)]
    judge_.start(problem, [completion(code) for code in codes])
    judgements = judge_.judgements([(problem.code, code + "\n") for code in sorted(codes)])
    assert [judgement.has_passed for judgement in judgements].count(True) == 1
    assert counted.num_started == 12
    judge_.stop()
