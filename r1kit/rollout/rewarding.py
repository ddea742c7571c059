"""The reward of each completion of a round of groups: where reward models and whitening come in.

A reward model scores a round in one batch, and whitening needs all values of a round; both wait until it was sampled.
Without them a reward is final when its completion is, and nothing here changes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Self, TypeAlias

from r1kit.core.errors import RewardError
from r1kit.core.rollout import Group, JudgedText, Rollout
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import attach_reward_model, check_reward_model
from r1kit.rewards.compose import Scorer
from r1kit.rewards.span import span_of
from r1kit.rewards.weighted import ModelReward, WeightedReward, weighted_sum
from r1kit.rollout.collect import Scoring
from r1kit.rollout.estimators import mean

ScoreTexts: TypeAlias = Callable[[Sequence[JudgedText]], list[float]]

_EPSILON: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Rewarder:
    """Scores completions one by one as they come, and forms their rewards when a round of them was sampled.

    `models` scores texts for each reward of `scorer` that is a reward model's, by its label; `infos` is what is known of it.
    """

    scorer: Scorer
    models: Mapping[str, ScoreTexts] = field(default_factory=dict)
    infos: Mapping[str, RewardInfo] = field(default_factory=dict)

    @classmethod
    def open(
        cls, scorer: Scorer, policy: Policy, micro_batch_tokens: int, say: Callable[[str], None]
    ) -> Self:
        """With the reward models of `scorer` beside `policy`, on its base where it is theirs too.

        They score at most `micro_batch_tokens` at a time.

        Raises:
            ModelError: a reward model cannot be loaded beside the policy.
        """
        models: dict[str, ScoreTexts] = {}
        infos: dict[str, RewardInfo] = {}
        rewards: list[WeightedReward] = []
        for reward in scorer.rewards:
            wanted = reward.function
            if isinstance(wanted, ModelReward):
                model = attach_reward_model(policy, wanted.path, reward.label, say)
                models[reward.label] = partial(model.score, max_tokens=micro_batch_tokens)
                infos[reward.label] = model.info
                if wanted.span not in (None, model.info.span):
                    say(
                        f"reward {reward.label} judges the {wanted.span}, but {wanted.path} was trained on the "
                        f"{model.info.span}"
                    )
                wanted = replace(wanted, span=wanted.span or model.info.span)
            rewards.append(replace(reward, function=wanted))
        return cls(replace(scorer, rewards=tuple(rewards)), models, infos)

    @staticmethod
    def check(scorer: Scorer) -> None:
        """Look for the reward models of `scorer` and read what is known of them, before any model is loaded.

        Raises:
            ConfigError: a folder holds no reward model.
            ModelError: what a folder says of its reward model cannot be read.
        """
        scorer.check_models()
        for reward in scorer.models:
            if isinstance(reward.function, ModelReward):
                check_reward_model(reward.function.path)

    @property
    def scoring(self) -> Scoring:
        """How completions are scored while others are still sampled."""
        return Scoring(self.scorer.score, self.scorer.code_in_rewards)

    def finish(self, groups: Sequence[Group]) -> list[Group]:
        """The groups of one round with the rewards of their rollouts; all else about them stays.

        Raises:
            RewardError: a reward model gave no finite score.
        """
        if not self.scorer.waits_for_round:
            return list(groups)
        places = [_Place(group, rollout) for group in groups for rollout in group.rollouts]
        for reward in self.scorer.rewards:
            mine = [place for place in places if reward.applies_to(place.group.problem)]
            if isinstance(reward.function, ModelReward):
                self._ask_model(reward.label, reward.function, mine)
            _shape(reward, mine)
        finished = iter([self._finished(place) for place in places])
        return [replace(group, rollouts=tuple(next(finished) for _ in group.rollouts)) for group in groups]

    def _ask_model(self, label: str, wanted: ModelReward, places: Sequence[_Place]) -> None:
        """Gives each place the score of a reward model as its part, with one call of the model."""
        judged: list[tuple[_Place, JudgedText]] = []
        for place in places:
            text = span_of(place.rollout.completion.text, wanted.span or "completion")
            if text is None or not text.strip():
                place.parts[label] = wanted.missing
            else:
                judged.append((place, JudgedText(place.group.messages, text)))
        scores = self.models[label]([text for _, text in judged]) if judged else []
        for (place, _), score in zip(judged, scores, strict=True):
            if not math.isfinite(score):
                raise RewardError(f"reward {label} gave {score} for problem {place.group.problem.id!r}")
            place.parts[label] = score

    def _finished(self, place: _Place) -> Rollout:
        terms, score = self.scorer.rewards_for(place.group.problem), place.rollout.score
        reward = weighted_sum(terms, {term.label: place.shaped.get(term.label) for term in terms})
        shaped = {label: value for label, value in place.shaped.items() if value != place.parts[label]}
        score = replace(score, reward=reward, parts=place.parts, shaped=shaped)
        return replace(place.rollout, score=score)


class _Place:
    """A rollout on its way to a reward: the parts it has, and those that could be told as they enter the sum."""

    def __init__(self, group: Group, rollout: Rollout) -> None:
        self.group, self.rollout = group, rollout
        self.parts = dict(rollout.score.parts)
        self.shaped: dict[str, float] = {}


def _shape(reward: WeightedReward, places: Sequence[_Place]) -> None:
    """Whitens, where it is asked for, and clips the part of `reward` in every place that has one."""
    told = [(place, value) for place in places if (value := place.parts[reward.label]) is not None]
    values = [value for _, value in told]
    for (place, _), value in zip(told, whitened(values) if reward.whiten else values, strict=True):
        place.shaped[reward.label] = reward.clipped(value)


def whitened(values: Sequence[float]) -> list[float]:
    """The values less their mean, divided by their standard deviation (the population's); 0 where all are equal."""
    if not values or min(values) == max(values):
        return [0.0] * len(values)
    centre = mean(values)
    deviation = math.sqrt(mean([(value - centre) ** 2 for value in values]))
    return [(value - centre) / (deviation + _EPSILON) for value in values]
