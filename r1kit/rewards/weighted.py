"""One term of the weighted sum: whose completions it judges, and how its value enters the sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, get_args

from r1kit.config.rewards import REWARD_MODEL, RewardConfig
from r1kit.config.section import expand_home
from r1kit.core.errors import ConfigError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.rewards.code.build import CODE_REWARDS
from r1kit.rewards.parts import RewardFunction
from r1kit.rewards.span import Span

ALL_KINDS: Final = tuple(ProblemKind)
FORM_REWARDS: Final = ("format", "language", "length", "repetition")
"""Rewards that look at how a completion is written, and not at what it says."""

# What a reward that is named with none of its own judges. Those that need a gold cannot judge anything else.
_NEEDS_A_GOLD: Final = {
    "math": (ProblemKind.MATH,),
    **dict.fromkeys(CODE_REWARDS, (ProblemKind.CODE,)),
}
_OWN_KINDS: Final = {**_NEEDS_A_GOLD, REWARD_MODEL: (ProblemKind.GENERAL,)}

_SPANS: Final = get_args(Span)


@dataclass(frozen=True, slots=True)
class ModelReward:
    """What a reward model judges: `span` of each completion, None for the span it was trained on.

    A completion without that span, or with nothing in it, gets `missing`.
    """

    path: Path
    span: Span | None = None
    missing: float = -3.0


Judging: TypeAlias = RewardFunction | ModelReward
Builder: TypeAlias = Callable[..., Judging]


@dataclass(frozen=True, slots=True)
class WeightedReward:
    """One term of the sum.

    `label` is its name in metrics and records, `name` that of the configuration. `clip` bounds its absolute value
    before it is weighed; with `whiten` its values over a round are first brought to mean 0 and deviation 1.
    """

    label: str
    weight: float
    function: Judging
    kinds: Collection[ProblemKind] = ALL_KINDS
    clip: float | None = None
    whiten: bool = False
    name: str = ""

    @property
    def waits_for_round(self) -> bool:
        """Whether its part of the sum is known only when a whole round of groups was sampled."""
        return self.whiten or isinstance(self.function, ModelReward)

    def applies_to(self, problem: Problem) -> bool:
        """Whether it judges completions of `problem`."""
        return problem.kind in self.kinds

    def clipped(self, value: float) -> float:
        """`value` within plus and minus `clip`."""
        return value if self.clip is None else max(-self.clip, min(value, self.clip))


def weighted_sum(terms: Iterable[WeightedReward], values: Mapping[str, float | None]) -> float | None:
    """The sum of weight * clipped value over `terms`; None when a value is, or when there is no term.

    A sum without one of its terms would be another reward.
    """
    total: float | None = None
    for term in terms:
        value = values[term.label]
        if value is None:
            return None
        total = (total or 0.0) + term.weight * term.clipped(value)
    return total


def shaped_parts(terms: Iterable[WeightedReward], values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that the clip of their term changes, as they enter the sum."""
    clipped = {term.label: term.clipped(value) for term in terms if (value := values[term.label]) is not None}
    return {label: value for label, value in clipped.items() if value != values[label]}


def kinds_of(config: RewardConfig) -> tuple[ProblemKind, ...]:
    """The kinds of problems that a reward judges: those it is given, else its own.

    Raises:
        ConfigError: it needs a gold that problems of one of these kinds do not have.
    """
    own = _OWN_KINDS.get(config.name, ALL_KINDS)
    if config.kinds is None:
        return own
    kinds = tuple(ProblemKind(kind) for kind in config.kinds)
    wrong = [kind for kind in kinds if kind not in _NEEDS_A_GOLD.get(config.name, ALL_KINDS)]
    if wrong:
        raise ConfigError(
            f"reward {config.name}: kinds names {wrong[0]}, but it judges problems of kind {own[0]} alone; "
            "leave kinds away"
        )
    return kinds


def build_model_reward(*, path: object, span: object = None, missing: object = -3.0) -> ModelReward:
    """The reward that the reward model in the folder `path` gives."""
    if not isinstance(path, str) or not path.strip():
        raise ConfigError(
            f"reward {REWARD_MODEL}: option path is {path!r}; it must be the folder of a reward model"
        )
    if span not in (None, *_SPANS):
        raise ConfigError(f"reward {REWARD_MODEL}: option span is {span!r}; it must be {' or '.join(_SPANS)}")
    if not isinstance(missing, int | float) or isinstance(missing, bool) or not math.isfinite(missing):
        raise ConfigError(f"reward {REWARD_MODEL}: option missing is {missing!r}; it must be a finite number")
    found: Span | None = "summary" if span == "summary" else "completion" if span else None
    return ModelReward(Path(expand_home(path)), found, float(missing))
