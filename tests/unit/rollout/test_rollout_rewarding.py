"""Rewards that are known when a round was sampled: reward models and whitening."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from r1kit.config.rewards import RewardConfig
from r1kit.core.errors import RewardError
from r1kit.core.problem import Message, Problem, ProblemKind
from r1kit.core.rollout import Completion, FinishReason, Group, JudgedText, Rollout, Verdict
from r1kit.rewards.compose import Scorer, build_scorer
from r1kit.rewards.parts import Part
from r1kit.rewards.weighted import WeightedReward
from r1kit.rollout.rewarding import Rewarder, whitened

SUM = Problem("m", "2+2", ("4",))
POEM = Problem("g", "Write a poem.", kind=ProblemKind.GENERAL)
TALE = Problem("t", "Tell a tale.", kind=ProblemKind.GENERAL)
RIGHT = "<think>a</think><answer>4</answer>"


class Counting:
    """A reward model that likes long replies, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[JudgedText]] = []

    def __call__(self, texts: Sequence[JudgedText]) -> list[float]:
        self.calls.append(list(texts))
        return [float(len(text.reply)) for text in texts]


def scorer(*rewards: object) -> Scorer:
    configs = [RewardConfig.model_validate(reward) for reward in rewards]
    return build_scorer(configs, default_max_tokens=100)


def model(label: str = "helpful", **fields: object) -> Mapping[str, object]:
    options = {"path": "runs/rm", **{k: fields.pop(k) for k in ("span", "missing") if k in fields}}
    return {"name": "reward_model", "label": label, "clip": None, "options": options, **fields}


def messages(problem: Problem) -> tuple[Message, ...]:
    return (Message("system", "Be kind."), Message("user", problem.problem))


def group(scorer: Scorer, problem: Problem, *texts: str, num_tokens: int = 5) -> Group:
    """The texts as a group, scored as `collect_groups` scores them."""
    tokens, logprobs = tuple(range(num_tokens)), (-1.0,) * num_tokens
    completions = [Completion(text, tokens, logprobs, FinishReason.STOP) for text in texts]
    rollouts = tuple(Rollout(one, scorer.score(problem, one)) for one in completions)
    return Group(problem, "?", (1, 2), rollouts, messages(problem))


def rewards(groups: Sequence[Group]) -> list[list[float | None]]:
    return [[rollout.score.reward for rollout in group.rollouts] for group in groups]


def parts(groups: Sequence[Group], label: str) -> list[float | None]:
    return [r.score.parts[label] for g in groups for r in g.rollouts if label in r.score.parts]


def by_length(problem: Problem, completion: Completion) -> Part:
    """A reward that is the number of characters; it cannot be told of an empty text."""
    return Part(float(len(completion.text)) if completion.text else None)


def test_without_reward_models_and_whitening_nothing_changes() -> None:
    scoring = scorer("math", "format=0.2", {"name": "length", "clip": 0.1})
    groups = [
        group(scoring, SUM, RIGHT, "5", "4 or 5"),
        group(scoring, POEM, "<think>a</think>Roses", "Roses", num_tokens=90),
    ]
    finished = Rewarder(scoring).finish(groups)
    assert finished == groups
    assert rewards(finished)[0] == pytest.approx([1.2, 0, 0])
    assert rewards(finished)[1] == pytest.approx([0.2 - 0.1, -0.1])
    assert Rewarder(scoring).scoring.score(SUM, groups[0].rollouts[0].completion).reward == 1.2


def test_a_reward_model_scores_a_round_in_one_batch_and_is_added_to_the_rules() -> None:
    scoring, judge = scorer("math", "format=0.2", model(weight=0.5)), Counting()
    groups = [
        group(scoring, POEM, "<think>a</think>Roses", "Red"),
        group(scoring, SUM, RIGHT, "5"),
        group(scoring, TALE, "Once"),
    ]
    finished = Rewarder(scoring, {"helpful": judge}).finish(groups)
    assert len(judge.calls) == 1
    assert judge.calls[0] == [
        JudgedText(messages(POEM), "<think>a</think>Roses"),
        JudgedText(messages(POEM), "Red"),
        JudgedText(messages(TALE), "Once"),
    ]
    assert rewards(finished)[0] == pytest.approx([0.2 + 0.5 * 21, 0.5 * 3])
    assert rewards(finished)[1] == pytest.approx([1.2, 0])
    assert rewards(finished)[2] == pytest.approx([0.5 * 4])
    assert dict(finished[0].rollouts[0].score.parts) == {"format": 1.0, "helpful": 21.0}
    assert finished[1].rollouts[0].score.verdict is Verdict.CORRECT
    assert finished[1].rollouts[0].score.extracted == "4"
    assert [g.problem for g in finished] == [POEM, SUM, TALE]


def test_the_summary_is_what_follows_the_reasoning_and_a_missing_one_gets_its_value() -> None:
    scoring, judge = scorer(model(span="summary", missing=-2.5)), Counting()
    texts = [
        "<think>long thoughts</think>\nRoses\n",
        "<think>a</think><answer>Red</answer>",
        "<think>never ends",
        "<think>a</think>  ",
        "",
    ]
    [finished] = Rewarder(scoring, {"helpful": judge}).finish([group(scoring, POEM, *texts)])
    assert [text.reply for text in judge.calls[0]] == ["Roses", "Red"]
    assert parts([finished], "helpful") == [5.0, 3.0, -2.5, -2.5, -2.5]
    assert rewards([finished]) == [[5.0, 3.0, -2.5, -2.5, -2.5]]


def test_all_of_a_completion_is_judged_where_that_is_the_span() -> None:
    scoring, judge = scorer(model(span="completion")), Counting()
    Rewarder(scoring, {"helpful": judge}).finish([group(scoring, POEM, "<think>bad", "")])
    assert [text.reply for text in judge.calls[0]] == ["<think>bad"]


def test_a_round_without_anything_to_judge_does_not_ask_the_model() -> None:
    scoring, judge = scorer("math", model(missing=-1)), Counting()
    finished = Rewarder(scoring, {"helpful": judge}).finish(
        [group(scoring, SUM, "4"), group(scoring, POEM, "")]
    )
    assert judge.calls == []
    assert rewards(finished) == [[1.0], [-1.0]]
    assert Rewarder(scoring, {"helpful": judge}).finish([]) == []


def test_two_reward_models_judge_their_spans_with_their_weights() -> None:
    scoring = scorer(model("helpful", span="summary"), model("harmless", span="completion", weight=-1.0))
    helpful, harmless = Counting(), Counting()
    [finished] = Rewarder(scoring, {"helpful": helpful, "harmless": harmless}).finish(
        [group(scoring, POEM, "<think>a</think>Roses")]
    )
    assert dict(finished.rollouts[0].score.parts) == {"helpful": 5.0, "harmless": 21.0}
    assert rewards([finished]) == [[5.0 - 21.0]]


def test_the_clip_bounds_the_score_and_the_raw_one_is_kept() -> None:
    scoring = scorer({**model(weight=0.5), "clip": 3.0}, {**model("free"), "clip": None})
    [finished] = Rewarder(scoring, {"helpful": Counting(), "free": lambda texts: [-7.0] * len(texts)}).finish(
        [group(scoring, POEM, "Roses", "Re")]
    )
    assert parts([finished], "helpful") == [5.0, 2.0]
    assert [dict(r.score.shaped) for r in finished.rollouts] == [{"helpful": 3.0}, {}]
    assert rewards([finished]) == [[0.5 * 3 - 7, 0.5 * 2 - 7]]


def test_whitening_is_over_the_rollouts_of_the_round_that_the_part_judges() -> None:
    terms = (
        WeightedReward("long", 2.0, by_length, kinds=(ProblemKind.GENERAL,), whiten=True),
        WeightedReward("one", 0.5, lambda *_: Part(1.0)),
    )
    scoring = Scorer(terms)
    groups = [
        group(scoring, POEM, "a", "abc"),
        group(scoring, SUM, "a very long text that is not judged"),
        group(scoring, TALE, "abcdefgh"),
    ]
    finished = Rewarder(scoring).finish(groups)
    # 1, 3, 8: mean 4, deviation sqrt((9 + 1 + 16) / 3)
    deviation = math.sqrt(26 / 3)
    expected = [(value - 4) / deviation for value in (1, 3, 8)]
    assert parts(finished, "long") == [1.0, 3.0, 8.0]
    shaped = [r.score.shaped.get("long") for g in finished for r in g.rollouts]
    assert [value for value in shaped if value is not None] == pytest.approx(expected)
    flat = [reward for group in rewards(finished) for reward in group]
    assert flat == pytest.approx([2 * expected[0] + 0.5, 2 * expected[1] + 0.5, 0.5, 2 * expected[2] + 0.5])


def test_whitening_comes_before_the_clip() -> None:
    scoring = Scorer((WeightedReward("long", 1.0, by_length, clip=1.0, whiten=True),))
    [finished] = Rewarder(scoring).finish([group(scoring, POEM, "a", "a", "a", "a" * 101)])
    # 1, 1, 1, 101: mean 26, deviation sqrt(3) * 25
    assert rewards([finished])[0] == pytest.approx([-1 / math.sqrt(3)] * 3 + [1.0])


def test_a_part_that_cannot_be_told_is_no_part_of_the_whitening_and_leaves_its_rollout_out() -> None:
    scoring = Scorer((WeightedReward("long", 1.0, by_length, whiten=True),))
    [finished] = Rewarder(scoring).finish([group(scoring, POEM, "ab", "", "abcd")])
    assert rewards([finished])[0] == pytest.approx([-1, None, 1])
    assert parts([finished], "long") == [2.0, None, 4.0]


def test_a_reward_model_can_be_whitened_and_missing_summaries_count_with_their_value() -> None:
    scoring = scorer({**model(span="summary", missing=-3.0), "whiten": True})
    [finished] = Rewarder(scoring, {"helpful": Counting()}).finish(
        [group(scoring, POEM, "Roses", "<think>a")]
    )
    assert parts([finished], "helpful") == [5.0, -3.0]
    assert rewards([finished])[0] == pytest.approx([1, -1])


def test_finishing_twice_gives_the_same_and_parts_of_others_stay() -> None:
    scoring = scorer("format=0.2", {**model(), "clip": 3.0, "whiten": True})
    rewarder = Rewarder(scoring, {"helpful": Counting()})
    one = group(scoring, POEM, "<think>a</think>Roses", "Red")
    with_verdict = replace(
        one,
        rollouts=tuple(
            replace(r, score=replace(r.score, parts={"math": 1.0, **r.score.parts})) for r in one.rollouts
        ),
    )
    finished = rewarder.finish([with_verdict])
    assert dict(finished[0].rollouts[0].score.parts) == {"math": 1.0, "format": 1.0, "helpful": 21.0}
    assert rewards(finished)[0] == pytest.approx([0.2 + 1, -1])
    assert rewarder.finish(finished) == finished


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1], [1e6 + 0.1] * 7, [-3.0] * 2])
def test_one_value_and_equal_values_are_whitened_to_zero(values: list[float]) -> None:
    assert whitened(values) == [0.0] * len(values)


def test_whitened_values_have_mean_zero_and_deviation_one() -> None:
    values = [0.3, -1.0, 2.5, 2.5, 40.0]
    found = whitened(values)
    assert statistics.fmean(found) == pytest.approx(0, abs=1e-12)
    assert statistics.pstdev(found) == pytest.approx(1)
    assert sorted(found) == [found[i] for i in sorted(range(5), key=values.__getitem__)]
    assert whitened([100 * value - 7 for value in values]) == pytest.approx(found)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_stops_the_run_and_names_the_problem(score: float) -> None:
    scoring = scorer(model())
    with pytest.raises(RewardError, match=f"reward helpful gave {score} for problem 'g'"):
        Rewarder(scoring, {"helpful": lambda texts: [score]}).finish([group(scoring, POEM, "Roses")])
