"""The weighted sum of rewards that a configuration names, and the verdict alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from r1kit.config.rewards import RewardConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, Score
from r1kit.rewards.code.build import CODE_REWARDS, code_builders, code_part, runnable_part
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.custom import build_custom
from r1kit.rewards.parts import BUILDERS, RewardFunction, build_math

SANDBOX: Final = SandboxConfig()
Builder: TypeAlias = Callable[..., RewardFunction]


@dataclass(frozen=True, slots=True)
class WeightedReward:
    """One term of the sum."""

    name: str
    weight: float
    function: RewardFunction


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores completions with a weighted sum of rewards; made by `build_scorer`. `code` runs code, for whoever asks."""

    rewards: tuple[WeightedReward, ...]
    code: CodeJudge = field(default_factory=lambda: CodeJudge(SANDBOX))

    @property
    def code_in_rewards(self) -> CodeJudge | None:
        """What runs the code of completions, when one of the rewards needs it."""
        return self.code if any(reward.name in CODE_REWARDS for reward in self.rewards) else None

    def score(self, problem: Problem, completion: Completion) -> Score:
        """The sum of weight * value, the value of each part by name, and the verdict of the math or code reward.

        `reward` is None when a part is None: a sum without one of its terms would be another reward.
        Raises RewardError when a user's function fails.
        """
        parts = {reward.name: reward.function(problem, completion) for reward in self.rewards}
        values = {name: part.value for name, part in parts.items()}
        judged = next((part for part in parts.values() if part.verdict is not None), None)
        return Score(
            reward=self._weighted_sum(values),
            parts=values,
            verdict=judged.verdict if judged else None,
            extracted=judged.extracted if judged else None,
            result=next((part.result for part in parts.values() if part.result is not None), None),
        )

    def _weighted_sum(self, values: Mapping[str, float | None]) -> float | None:
        total = 0.0
        for reward in self.rewards:
            value = values[reward.name]
            if value is None:
                return None
            total += reward.weight * value
        return total


def build_scorer(
    rewards: Sequence[RewardConfig], *, default_max_tokens: int, sandbox: SandboxConfig = SANDBOX
) -> Scorer:
    """The scorer of a configuration's rewards; everything that can be wrong with them is a ConfigError here.

    `default_max_tokens` is the token limit that the length reward counts from unless its own options name one. Raises
    SandboxError when a reward needs to run code and no sandbox holds.
    """
    defaults = {"max_tokens": default_max_tokens}
    judge = CodeJudge(sandbox)
    builders = {**BUILDERS, **code_builders(judge)}
    built: dict[str, WeightedReward] = {}
    for config in rewards:
        if config.name in built:
            raise ConfigError(f"reward {config.name} is named twice; give it once, with the weights added up")
        function = _build(config, builders, defaults)
        built[config.name] = WeightedReward(config.name, config.weight, function)
    return Scorer(tuple(built.values()), judge)


def judge(problem: Problem, completion: Completion, code: CodeJudge | None = None) -> Score:
    """The verdict alone, for evaluation and rejection sampling: reward 1.0 if CORRECT, else 0.0.

    Code is run by `code`, and the parts then say as well whether it runs. A problem that nothing judges (of kind
    general, without a gold, or code without `code`) has no verdict, and its reward is None.
    """
    if problem.kind is ProblemKind.CODE and code is not None:
        return _judged_code(problem, completion, code)
    part = build_math()(problem, completion)
    return Score(part.value, {"math": part.value}, part.verdict, part.extracted)


def _judged_code(problem: Problem, completion: Completion, code: CodeJudge) -> Score:
    part, runs = code_part(code, problem, completion), runnable_part(code, problem, completion)
    values = {"code": part.value, "runnable": runs.value}
    return Score(part.value, values, part.verdict, part.extracted, part.result)


def _build(
    config: RewardConfig, builders: Mapping[str, Builder], defaults: Mapping[str, Any]
) -> RewardFunction:
    if ":" in config.name:
        return build_custom(config.name, config.options)
    builder = builders.get(config.name)
    if builder is None:
        hint = did_you_mean(config.name, builders)
        names = ", ".join(builders)
        raise ConfigError(f"unknown reward {config.name!r}{hint}; there are {names} and module:function")
    valid = inspect.signature(builder).parameters
    for option in config.options:
        if option not in valid:
            hint = did_you_mean(option, valid)
            raise ConfigError(
                f"reward {config.name} has no option {option!r}{hint}; it has {', '.join(valid) or 'none'}"
            )
    return builder(**{key: value for key, value in defaults.items() if key in valid} | config.options)
