"""The weighted sum of rewards that a configuration names, and the verdict alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from r1kit.config.rewards import REWARD_MODEL, RewardConfig
from r1kit.config.sandbox import SandboxConfig
from r1kit.core.errors import ConfigError
from r1kit.core.nearest import did_you_mean
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, Score
from r1kit.rewards.code.build import CODE_REWARDS, code_builders, code_part, runnable_part
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rewards.custom import build_custom
from r1kit.rewards.parts import BUILDERS, build_math
from r1kit.rewards.weighted import (
    FORM_REWARDS,
    Builder,
    Judging,
    ModelReward,
    WeightedReward,
    build_model_reward,
    kinds_of,
    shaped_parts,
    weighted_sum,
)

__all__ = ["VERDICT_PARTS", "Scorer", "WeightedReward", "build_scorer", "judge"]

SANDBOX: Final = SandboxConfig()
VERDICT_PARTS: Final = ("math", *CODE_REWARDS)
"""The parts that `judge` gives."""
_MODEL_FILE: Final = "reward_model.json"


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores completions with a weighted sum of rewards; made by `build_scorer`. `code` runs code, for whoever asks."""

    rewards: tuple[WeightedReward, ...]
    code: CodeJudge = field(default_factory=lambda: CodeJudge(SANDBOX))

    @property
    def code_in_rewards(self) -> CodeJudge | None:
        """What runs the code of completions, when one of the rewards needs it."""
        return self.code if any(reward.name in CODE_REWARDS for reward in self.rewards) else None

    @property
    def waits_for_round(self) -> bool:
        """Whether some rewards are known only when a whole round of groups was sampled."""
        return any(reward.waits_for_round for reward in self.rewards)

    @property
    def models(self) -> tuple[WeightedReward, ...]:
        """The rewards that reward models give."""
        return tuple(reward for reward in self.rewards if isinstance(reward.function, ModelReward))

    def rewards_for(self, problem: Problem) -> tuple[WeightedReward, ...]:
        """The rewards that judge completions of `problem`."""
        return tuple(reward for reward in self.rewards if reward.applies_to(problem))

    def score(self, problem: Problem, completion: Completion) -> Score:
        """The weighted sum of what applies to the problem, each part by label, and the verdict on the answer.

        `reward` is None when a part is None, and while it waits for the round: reward models then have no part yet (see
        `rollout.rewarding`). Raises RewardError when a user's function fails.
        """
        terms = self.rewards_for(problem)
        parts = {
            term.label: term.function(problem, completion)
            for term in terms
            if not isinstance(term.function, ModelReward)
        }
        values = {label: part.value for label, part in parts.items()}
        judged = next((part for part in parts.values() if part.verdict is not None), None)
        waits = any(term.waits_for_round for term in terms)
        return Score(
            reward=None if waits else weighted_sum(terms, values),
            parts=values,
            verdict=judged.verdict if judged else None,
            extracted=judged.extracted if judged else None,
            result=next((part.result for part in parts.values() if part.result is not None), None),
            shaped={} if waits else shaped_parts(terms, values),
        )

    def check_kinds(self, kinds: Collection[ProblemKind]) -> None:
        """Raises ConfigError when problems of one of `kinds` have no reward. Without any rewards nothing is wrong."""
        for kind in kinds:
            weights = [reward.weight for reward in self.rewards if kind in reward.kinds]
            if self.rewards and not any(weights):
                raise ConfigError(
                    f"problems of kind {kind} have no reward; name one, for example {_EXAMPLES[kind]}, or give a "
                    f"reward kinds: [{kind}]"
                )

    def check_models(self, will_be_made: Callable[[Path], bool] = lambda _: False) -> None:
        """Raises ConfigError when the folder of a reward model holds none, unless it `will_be_made`."""
        for reward in self.rewards:
            folder = reward.function.path if isinstance(reward.function, ModelReward) else None
            if folder is None or will_be_made(folder):
                continue
            if not (folder / _MODEL_FILE).is_file():
                reason = f"{_MODEL_FILE} is missing" if folder.is_dir() else "no such folder"
                is_run = (folder / "reward_model" / _MODEL_FILE).is_file()
                hint = (
                    f"; did you mean {folder / 'reward_model'}?"
                    if is_run
                    else "; r1kit reward-model makes one"
                )
                raise ConfigError(f"reward {reward.label}: {folder} is no reward model, {reason}{hint}")

    def notes(self, kinds: Collection[ProblemKind]) -> list[str]:
        """What there is to say of rewards and problems that do not meet, a sentence each."""
        notes = [
            f"no problem is of kind {' or '.join(reward.kinds)}: the reward {reward.label} judges nothing"
            for reward in self.rewards
            if not set(reward.kinds) & set(kinds)
        ]
        for kind in kinds:
            terms = [reward for reward in self.rewards if kind in reward.kinds and reward.weight]
            if terms and all(reward.name in FORM_REWARDS for reward in terms):
                labels = ", ".join(reward.label for reward in terms)
                notes.append(f"problems of kind {kind} are rewarded for form alone ({labels})")
        return notes


_EXAMPLES: Final = {
    ProblemKind.MATH: "math",
    ProblemKind.CODE: "code",
    ProblemKind.GENERAL: f"{REWARD_MODEL}:PATH",
}


def build_scorer(
    rewards: Sequence[RewardConfig], *, default_max_tokens: int, sandbox: SandboxConfig = SANDBOX
) -> Scorer:
    """The scorer of a configuration's rewards; what can be wrong with them alone is a ConfigError here.

    `default_max_tokens` is the token limit that the length reward counts from unless its own options name one. Raises
    SandboxError when a reward needs to run code and no sandbox holds.
    """
    defaults = {"max_tokens": default_max_tokens}
    judge = CodeJudge(sandbox)
    builders: dict[str, Builder] = {
        **BUILDERS,
        **code_builders(judge),
        REWARD_MODEL: build_model_reward,
    }
    built: dict[str, WeightedReward] = {}
    for config in rewards:
        label = config.title
        if label in built:
            raise ConfigError(
                f"reward {label} is named twice; give it once, with the weights added up, or give one another label"
            )
        function = _build(config, builders, defaults)
        built[label] = WeightedReward(
            label, config.weight, function, kinds_of(config), config.clip, config.whiten, config.name
        )
    return Scorer(tuple(built.values()), judge)


def judge(problem: Problem, completion: Completion, code: CodeJudge | None = None) -> Score:
    """The verdict alone, for evaluation and rejection sampling: reward 1.0 if CORRECT, else 0.0.

    Code is run by `code`, and the parts then say as well whether it runs. A problem that nothing judges (of kind
    general, without a gold, or code without `code`) has no verdict, and its reward is None.
    """
    if problem.kind is ProblemKind.CODE and code is not None:
        return _judged_code(problem, completion, code)
    if problem.kind is not ProblemKind.MATH:
        return Score(None)
    part = build_math()(problem, completion)
    return Score(part.value, {"math": part.value}, part.verdict, part.extracted)


def _judged_code(problem: Problem, completion: Completion, code: CodeJudge) -> Score:
    part, runs = code_part(code, problem, completion), runnable_part(code, problem, completion)
    values = {"code": part.value, "runnable": runs.value}
    return Score(part.value, values, part.verdict, part.extracted, part.result)


def _build(config: RewardConfig, builders: Mapping[str, Builder], defaults: Mapping[str, Any]) -> Judging:
    if ":" in config.name:
        return build_custom(config.name, config.options)
    builder = builders.get(config.name)
    if builder is None:
        hint = did_you_mean(config.name, builders)
        names = ", ".join(builders).replace(REWARD_MODEL, f"{REWARD_MODEL}:PATH")
        raise ConfigError(f"unknown reward {config.name!r}{hint}; there are {names} and module:function")
    valid = inspect.signature(builder).parameters
    for option in config.options:
        if option not in valid:
            hint = did_you_mean(option, valid)
            raise ConfigError(
                f"reward {config.name} has no option {option!r}{hint}; it has {', '.join(valid) or 'none'}"
            )
    given = {key: value for key, value in defaults.items() if key in valid} | config.options
    missing = [name for name, option in valid.items() if option.default is option.empty and name not in given]
    if missing:
        raise ConfigError(f"reward {config.name} needs the option {missing[0]}")
    return builder(**given)
