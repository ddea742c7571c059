"""Rewards composed from a configuration."""

import sys
from pathlib import Path

import pytest

from r1kit.config.rewards import RewardConfig
from r1kit.core.errors import ConfigError, RewardError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Verdict
from r1kit.rewards.compose import Scorer, build_scorer, judge

PROBLEM = Problem(id="p1", problem="What is 2+2?", answers=("4",))
OWN = """
def even(problem, completion, *, bonus=1.0):
    return bonus if completion.num_tokens % 2 == 0 else 0
def keywords(problem, completion, **options):
    return float(len(options))
def unknown(problem, completion):
    return None
def text(problem, completion):
    return "good"
def infinite(problem, completion):
    return float("nan")
def broken(problem, completion):
    return 1 / 0
def narrow(problem):
    return 1.0
CONSTANT = 3
"""


def completion(text: str, num_tokens: int = 10) -> Completion:
    return Completion(text, tuple(range(num_tokens)), (-1.0,) * num_tokens, FinishReason.STOP)


def scorer(*rewards: object) -> Scorer:
    configs = [RewardConfig.model_validate(reward) for reward in rewards]
    return build_scorer(configs, default_max_tokens=100)


@pytest.fixture
def own_rewards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_rewards_for_test.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


def own(name: str) -> str:
    return f"own_rewards_for_test:{name}"


def test_the_reward_is_the_weighted_sum_of_unweighted_parts() -> None:
    rewards = scorer("math", "format=0.2", "language=0.1", "length=0.5")
    score = rewards.score(PROBLEM, completion("<think>two 二 and</think><answer>4</answer>", num_tokens=90))
    assert score.parts == pytest.approx({"math": 1.0, "format": 1.0, "language": 2 / 3, "length": -0.5})
    assert score.reward == pytest.approx(1 + 0.2 + 0.1 * 2 / 3 - 0.25)
    assert (score.verdict, score.extracted) == (Verdict.CORRECT, "4")


def test_a_wrong_answer_in_the_format_gets_the_format_only() -> None:
    score = scorer("math", "format=0.2").score(PROBLEM, completion("<think>a</think><answer>5</answer>"))
    assert (score.reward, score.verdict, score.extracted) == (0.2, Verdict.WRONG, "5")


def test_without_a_math_reward_there_is_no_verdict() -> None:
    score = scorer("format").score(PROBLEM, completion("4"))
    assert (score.reward, score.verdict, score.extracted) == (0.0, None, None)


def test_a_negative_weight_makes_a_penalty() -> None:
    assert scorer("math=-2").score(PROBLEM, completion(r"\boxed{4}")).reward == -2.0


def test_options_reach_their_reward() -> None:
    rewards = scorer({"name": "language", "options": {"language": "zh"}}, {"name": "length", "options": {"max_tokens": 20, "buffer": 20}})  # fmt: skip
    score = rewards.score(PROBLEM, completion("<think>二 two</think>", num_tokens=5))
    assert score.parts == {"language": 0.5, "length": -0.25}


def test_a_problem_without_gold_has_no_math_reward() -> None:
    score = scorer("math", "format=0.2").score(Problem("m", "2+2?"), completion("hello"))
    assert (score.reward, score.parts["math"], score.verdict) == (None, None, None)


def test_judging_gives_the_verdict_alone() -> None:
    right, wrong = judge(PROBLEM, completion(r"\boxed{4}")), judge(PROBLEM, completion(r"\boxed{5}"))
    assert (right.reward, right.verdict, right.extracted) == (1.0, Verdict.CORRECT, "4")
    assert (wrong.reward, wrong.verdict, wrong.extracted) == (0.0, Verdict.WRONG, "5")
    assert judge(Problem("g", "Hi", kind=ProblemKind.GENERAL), completion("4")).verdict is None


@pytest.mark.usefixtures("own_rewards")
def test_a_function_of_the_users_own_is_a_reward() -> None:
    rewards = scorer("math", {"name": own("even"), "weight": 0.5, "options": {"bonus": 3}})
    score = rewards.score(PROBLEM, completion(r"\boxed{4}", num_tokens=4))
    assert score.parts == {"math": 1.0, own("even"): 3.0}
    assert score.reward == 2.5


@pytest.mark.usefixtures("own_rewards")
def test_loading_a_users_function_leaves_the_import_path_as_it_was() -> None:
    before = list(sys.path)
    scorer(own("even"))
    assert sys.path == before


@pytest.mark.usefixtures("own_rewards")
def test_a_reward_that_cannot_be_determined_makes_the_sum_undetermined() -> None:
    score = scorer("math", own("unknown")).score(PROBLEM, completion(r"\boxed{4}"))
    assert (score.reward, score.parts["math"], score.verdict) == (None, 1.0, Verdict.CORRECT)


@pytest.mark.usefixtures("own_rewards")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("text", "returned 'good' for problem 'p1'"),
        ("infinite", "returned nan for problem 'p1'"),
        ("broken", "failed on problem 'p1': ZeroDivisionError"),
    ],
)
def test_a_function_that_fails_is_named_with_its_problem(function: str, message: str) -> None:
    with pytest.raises(RewardError, match=f"reward {own(function)} {message}"):
        scorer(own(function)).score(PROBLEM, completion("4"))


@pytest.mark.usefixtures("own_rewards")
@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("maht", "unknown reward .maht.; did you mean math"),
        (
            "bleu",
            "there are math, format, language, length, repetition, code, runnable, reward_model:PATH and module:f",
        ),
        ({"name": "language", "options": {"langage": "en"}}, "no option .langage.; did you mean language"),
        (
            {"name": "language", "options": {"language": "fr"}},
            "language is 'fr'; it must be en or zh, or prompt",
        ),
        ({"name": "length", "options": {"buffer": 0}}, "buffer is 0; it must be a whole number in 1..100"),
        ({"name": "length", "options": {"max_tokens": "9"}}, "max_tokens is '9'"),
        ({"name": "format", "options": {"think_is_open": True}}, "no option .think_is_open.; it has none"),
        ("no_such_module_anywhere:f", "module 'no_such_module_anywhere' cannot be imported"),
        (own("evn"), "has no function .evn.; did you mean even"),
        (own("CONSTANT"), "has no function .CONSTANT."),
        (own(""), "must be written as module:function"),
        (own("narrow"), "too many positional arguments; it is called as function"),
        ({"name": own("even"), "options": {"bonuss": 2}}, "unexpected keyword argument 'bonuss'"),
    ],
)
def test_a_mistake_in_the_configuration_is_found_before_anything_is_scored(
    reward: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer(reward)


def test_a_reward_that_is_named_twice_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="reward math is named twice"):
        scorer("math", "math=0.5")
