"""Rewards that judge each problem by its kind, and how their parts enter the sum."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from r1kit.config.rewards import RewardConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import ConfigError
from r1kit.core.problem import CodeGold, Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Verdict
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rewards.custom import build_custom
from r1kit.rewards.parts import Part
from r1kit.rewards.weighted import ModelReward, WeightedReward

MATH, CODE, GENERAL = ProblemKind.MATH, ProblemKind.CODE, ProblemKind.GENERAL
SUM = Problem("m", "What is 2+2?", ("4",))
POEM = Problem("g", "Write a poem.", kind=GENERAL)
PROGRAM = Problem("c", "Write f.", kind=CODE, code=CodeGold(None))


def completion(text: str, num_tokens: int = 10) -> Completion:
    return Completion(text, tuple(range(num_tokens)), (-1.0,) * num_tokens, FinishReason.STOP)


def scorer(*rewards: object) -> Scorer:
    configs = [RewardConfig.model_validate(reward) for reward in rewards]
    return build_scorer(configs, default_max_tokens=100)


def with_kinds(**kinds: tuple[ProblemKind, ...]) -> Scorer:
    """A scorer of rewards that are 1 for every completion, without a sandbox for those named after code."""
    terms = [
        WeightedReward(name, 1.0, lambda *_: Part(1.0), judged, name=name) for name, judged in kinds.items()
    ]
    return Scorer(tuple(terms), CodeJudge(SandboxConfig()))


def test_each_problem_is_judged_by_the_rewards_of_its_kind_alone() -> None:
    rewards = scorer("math", "format=0.2", "length=0.5")
    right = "<think>a</think><answer>4</answer>"
    math = rewards.score(SUM, completion(right, num_tokens=90))
    assert dict(math.parts) == {"math": 1.0, "format": 1.0, "length": -0.5}
    assert math.reward == pytest.approx(1 + 0.2 - 0.25)
    poem = rewards.score(POEM, completion("<think>rhyme</think>Roses are red.", num_tokens=90))
    assert dict(poem.parts) == {"format": 1.0, "length": -0.5}
    assert poem.reward == pytest.approx(0.2 - 0.25)
    assert (math.verdict, poem.verdict) == (Verdict.CORRECT, None)


@pytest.mark.parametrize(
    ("reward", "kinds"),
    [
        ("math", (MATH,)),
        ("format", (MATH, CODE, GENERAL)),
        ("language", (MATH, CODE, GENERAL)),
        ("length", (MATH, CODE, GENERAL)),
        ("repetition", (MATH, CODE, GENERAL)),
        ("reward_model:runs/rm", (GENERAL,)),
        ({"name": "format", "kinds": ["code", "math"]}, (CODE, MATH)),
        ({"name": "reward_model:runs/rm", "kinds": ["general", "code"]}, (GENERAL, CODE)),
    ],
)
def test_a_reward_has_kinds_of_its_own_and_may_be_given_others(
    reward: object, kinds: tuple[ProblemKind, ...]
) -> None:
    assert scorer(reward).rewards[0].kinds == kinds


def test_code_rewards_judge_code_and_run_it() -> None:
    rewards = scorer("code", "runnable")
    assert [reward.kinds for reward in rewards.rewards] == [(CODE,), (CODE,)]
    assert rewards.code_in_rewards is rewards.code
    labelled = scorer({"name": "code", "label": "tests"})
    assert labelled.code_in_rewards is labelled.code
    assert labelled.score(SUM, completion("4")).parts == {}


@pytest.mark.parametrize("reward", ["math", "code", "runnable"])
def test_a_reward_that_needs_a_gold_judges_no_other_kind(reward: str) -> None:
    with pytest.raises(ConfigError, match=f"reward {reward}: kinds names general, but it judges problems of"):
        scorer({"name": reward, "kinds": ["general"]})


def test_a_problem_to_which_no_reward_applies_has_no_reward() -> None:
    score = scorer("math").score(POEM, completion("Roses"))
    assert (score.reward, dict(score.parts), score.verdict) == (None, {}, None)


def test_kinds_without_a_reward_are_refused_in_one_line() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^problems of kind general have no reward; name one, for example reward_model:PATH, or give a reward "
        r"kinds: \[general\]$",
    ):
        scorer("math").check_kinds([MATH, GENERAL])
    with pytest.raises(ConfigError, match="problems of kind code have no reward; name one, for example code"):
        scorer("math", {"name": "format", "kinds": ["math", "general"]}).check_kinds([MATH, CODE])
    scorer("math", "format").check_kinds([MATH, CODE, GENERAL])
    scorer("math").check_kinds([MATH])


def test_a_reward_that_is_only_logged_is_none() -> None:
    with pytest.raises(ConfigError, match="problems of kind general have no reward"):
        scorer("math", "format=0").check_kinds([MATH, GENERAL])


def test_without_any_rewards_nothing_is_asked_of_the_kinds() -> None:
    scorer().check_kinds([MATH, GENERAL])
    assert scorer().notes([MATH, GENERAL]) == []
    assert scorer().score(SUM, completion("4")).reward is None


def test_rewards_and_problems_that_do_not_meet_are_said() -> None:
    rewards = with_kinds(math=(MATH,), code=(CODE,), format=(MATH, CODE, GENERAL))
    assert rewards.notes([MATH, CODE]) == []
    assert rewards.notes([MATH]) == ["no problem is of kind code: the reward code judges nothing"]
    assert rewards.notes([MATH, CODE, GENERAL]) == [
        "problems of kind general are rewarded for form alone (format)"
    ]
    two = with_kinds(both=(CODE, GENERAL), math=(MATH,))
    assert two.notes([MATH]) == ["no problem is of kind code or general: the reward both judges nothing"]


def test_the_clip_bounds_a_part_before_its_weight_and_both_values_are_kept() -> None:
    terms = (
        WeightedReward("up", 0.5, lambda *_: Part(7.0), clip=3.0),
        WeightedReward("down", 2.0, lambda *_: Part(-4.0), clip=1.5),
        WeightedReward("within", 1.0, lambda *_: Part(0.25), clip=1.5),
    )
    score = Scorer(terms).score(SUM, completion("4"))
    assert score.reward == pytest.approx(0.5 * 3 - 2 * 1.5 + 0.25)
    assert dict(score.parts) == {"up": 7.0, "down": -4.0, "within": 0.25}
    assert dict(score.shaped) == {"up": 3.0, "down": -1.5}


def test_a_part_that_cannot_be_determined_leaves_the_sum_undetermined_whatever_its_weight() -> None:
    terms = (
        WeightedReward("one", 1.0, lambda *_: Part(1.0)),
        WeightedReward("lost", 0.0, lambda *_: Part(None)),
    )
    score = Scorer(terms).score(SUM, completion("4"))
    assert (score.reward, dict(score.parts)) == (None, {"one": 1.0, "lost": None})


def test_a_lost_part_of_another_kind_is_none_of_this_problems() -> None:
    lost = WeightedReward("lost", 1.0, lambda *_: Part(None), kinds=(CODE,))
    one = WeightedReward("one", 1.0, lambda *_: Part(1.0))
    assert Scorer((lost, one)).score(SUM, completion("4")).reward == 1.0
    assert Scorer((lost, one)).score(PROGRAM, completion("4")).reward is None


def test_labels_name_the_parts_and_let_a_reward_stand_twice() -> None:
    zh = {"name": "language", "label": "chinese", "weight": 0.5, "options": {"language": "zh"}}
    score = scorer("language", zh).score(SUM, completion("<think>two words 二</think>4"))
    assert dict(score.parts) == pytest.approx({"language": 2 / 3, "chinese": 1 / 3})
    with pytest.raises(ConfigError, match=r"reward language is named twice; .* or give one another label"):
        scorer("language", {"name": "format", "label": "language"})


def test_a_users_reward_judges_all_kinds_or_those_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kinds_for_test.py").write_text("def one(problem, completion):\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    assert build_custom("kinds_for_test:one", {})(POEM, completion("x")).value == 1
    everywhere, general = "kinds_for_test:one", {"name": "kinds_for_test:one", "kinds": ["general"]}
    assert scorer(everywhere).score(SUM, completion("x")).reward == 1
    assert scorer("math", general).score(SUM, completion("x")).parts == {"math": 0.0}
    assert scorer("math", general).score(POEM, completion("x")).parts == {"kinds_for_test:one": 1.0}


def test_a_reward_model_has_no_part_before_the_round_was_sampled() -> None:
    rewards = scorer("math", "format=0.2", "reward_model:runs/rm=0.5")
    assert rewards.waits_for_round
    assert not scorer("math", "format").waits_for_round
    poem = rewards.score(POEM, completion("Roses"))
    assert (poem.reward, dict(poem.parts)) == (None, {"format": 0.0})
    assert rewards.score(SUM, completion("<think>a</think><answer>4</answer>")).reward == pytest.approx(1.2)


def test_the_options_of_a_reward_model_reach_it() -> None:
    options = {"path": "~/rm", "span": "summary", "missing": -2}
    [reward] = scorer({"name": "reward_model", "label": "helpful", "options": options}).rewards
    assert reward.function == ModelReward(Path("~/rm").expanduser(), "summary", -2.0)
    assert (reward.label, reward.clip) == ("helpful", 3.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "reward reward_model needs the option path"),
        ({"path": ""}, "option path is ''; it must be the folder of a reward model"),
        ({"path": 3}, "option path is 3; it must be the folder"),
        ({"path": "rm", "span": "answer"}, "option span is 'answer'; it must be summary or completion"),
        ({"path": "rm", "missing": "no"}, "option missing is 'no'; it must be a finite number"),
        ({"path": "rm", "missing": float("nan")}, "option missing is nan"),
        ({"path": "rm", "mising": 1}, "no option 'mising'; did you mean missing"),
    ],
)
def test_wrong_options_of_a_reward_model_are_told(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer({"name": "reward_model", "options": options})


def test_a_folder_without_a_reward_model_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    rewards = scorer("math", f"reward_model:{tmp_path}/rm")
    with pytest.raises(
        ConfigError, match=r"reward reward_model: .*/rm is no reward model, no such folder; r1kit rew"
    ):
        rewards.check_models()
    rewards.check_models(lambda folder: folder == tmp_path / "rm")
    (tmp_path / "rm").mkdir()
    with pytest.raises(ConfigError, match=r"is no reward model, reward_model\.json is missing"):
        rewards.check_models()
    (tmp_path / "rm" / "reward_model.json").write_text("{}")
    rewards.check_models()
    scorer("math").check_models()


def test_a_reward_on_a_command_line_is_a_name_with_a_path_and_a_weight() -> None:
    config = RewardConfig.model_validate("reward_model:runs/a=b/rm=0.5")
    assert (config.name, config.options, config.weight) == ("reward_model", {"path": "runs/a=b/rm"}, 0.5)
    assert (config.title, config.clip, config.kinds, config.whiten) == ("reward_model", 3.0, None, False)
    plain = RewardConfig.model_validate("math")
    assert (plain.title, plain.weight, plain.clip, plain.options) == ("math", 1.0, None, {})
    free = RewardConfig.model_validate({"name": "reward_model:rm", "clip": None, "label": "safe"})
    assert (free.clip, free.title, free.options) == (None, "safe", {"path": "rm"})


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("math=high", "weight\n.*unable to parse"),
        ({"name": "math", "kinds": []}, "must name at least one kind, and each once"),
        ({"name": "format", "kinds": ["math", "math"]}, "must name at least one kind, and each once"),
        ({"name": "format", "kinds": ["maths"]}, "Input should be 'math', 'code' or 'general'"),
        ({"name": "math", "clip": 0}, "greater than 0"),
        ({"name": "math", "label": "mean"}, "cannot be part of a metric's name"),
        ({"name": "math", "label": "a/b"}, "cannot be part of a metric's name"),
        ({"name": "math", "label": ""}, "cannot be part of a metric's name"),
        ({"name": "reward_model:a", "options": {"path": "b"}}, "path of the reward model is given twice"),
    ],
)
def test_wrong_fields_of_a_reward_are_refused(reward: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RewardConfig.model_validate(reward)


def test_a_configuration_that_was_written_out_is_read_as_the_same() -> None:
    for reward in (
        "math=0.5",
        "reward_model:rm=2",
        {"name": "reward_model:rm", "clip": None, "whiten": True},
    ):
        config = RewardConfig.model_validate(reward)
        assert RewardConfig.model_validate(config.model_dump(mode="json")) == config
