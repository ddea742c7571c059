"""Which completions of a problem are kept, and why the others are not."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from r1kit.config.stages import KeepConfig
from r1kit.core.problem import ProblemKind
from r1kit.core.rollout import FinishReason, Group, Rollout, Verdict
from r1kit.rewards.format import format_reward, parse_reasoning
from r1kit.rewards.language import detect_language, is_mixed


@dataclass(frozen=True, slots=True)
class Decision:
    """A rollout with the reason it was rejected for; None when it is kept."""

    rollout: Rollout
    reason: str | None


def decide(group: Group, rules: KeepConfig, rng: random.Random) -> list[Decision]:
    """One decision a rollout of `group`, in its order. The first rule that fails names the reason."""
    reasons = [_flaw(rollout, group.problem.kind, rules) for rollout in group.rollouts]
    seen: set[str] = set()
    for number, rollout in enumerate(group.rollouts):
        text = rollout.completion.text.strip()
        if reasons[number] is None and text in seen:
            reasons[number] = "duplicate"
        seen |= {text} if reasons[number] is None else set()
    acceptable = [number for number, reason in enumerate(reasons) if reason is None]
    chosen = set(_select(acceptable, group.rollouts, rules, rng))
    for number in acceptable:
        if number not in chosen:
            reasons[number] = "enough kept"
    return [Decision(rollout, reason) for rollout, reason in zip(group.rollouts, reasons, strict=True)]


def _flaw(rollout: Rollout, kind: ProblemKind, rules: KeepConfig) -> str | None:
    completion = rollout.completion
    if completion.finish_reason is FinishReason.LENGTH:
        return "truncated"
    if rules.require_correct and (flaw := _not_good(rollout, kind, rules)) is not None:
        return flaw
    if rules.require_format and format_reward(completion.text, kind) < 1:
        return "format"
    return _language_flaw(parse_reasoning(completion.text).think or completion.text, rules)


def _not_good(rollout: Rollout, kind: ProblemKind, rules: KeepConfig) -> str | None:
    """Wrong or not judged; for a general problem, which has no verdict, a reward below `min_reward`."""
    verdict, reward = rollout.score.verdict, rollout.score.reward
    if verdict is not None or kind is not ProblemKind.GENERAL:
        return None if verdict is Verdict.CORRECT else str(verdict) if verdict is not None else "not judged"
    if reward is None:
        return "no reward"
    return None if reward >= rules.min_reward else "low reward"


def _language_flaw(reasoning: str, rules: KeepConfig) -> str | None:
    if rules.require_one_language and is_mixed(reasoning):
        return "mixed languages"
    if rules.language is not None and detect_language(reasoning) != rules.language:
        return f"not in {rules.language}"
    return None


def _select(
    acceptable: Sequence[int], rollouts: Sequence[Rollout], rules: KeepConfig, rng: random.Random
) -> list[int]:
    if rules.select == "random":
        return rng.sample(acceptable, min(rules.max_per_problem, len(acceptable)))
    if rules.select == "best":
        acceptable = sorted(acceptable, key=lambda number: -_reward(rollouts[number]))
    if rules.select == "shortest":
        acceptable = sorted(acceptable, key=lambda number: rollouts[number].completion.num_tokens)
    return list(acceptable[: rules.max_per_problem])


def _reward(rollout: Rollout) -> float:
    """Its reward; none counts as the lowest."""
    return -math.inf if rollout.score.reward is None else rollout.score.reward
