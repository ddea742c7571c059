"""The rewards that can be named in a configuration. Each builder checks its options and returns a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from r1kit.core.errors import ConfigError
from r1kit.core.problem import Problem, ProblemKind
from r1kit.core.rollout import Completion, Verdict
from r1kit.rewards.format import format_reward
from r1kit.rewards.language import LANGUAGES, language_reward, main_language
from r1kit.rewards.length import overlong_penalty
from r1kit.rewards.math import check
from r1kit.rewards.reasoning import parse_reasoning
from r1kit.rewards.repetition import DEFAULT_NGRAM, repetition_penalty

# As a language: that of the problem.
_PROMPT: Final = "prompt"


@dataclass(frozen=True, slots=True)
class Part:
    """The value of one reward (None: undeterminable), with the verdict of a reward that judges the answer.

    `result` says how the code of a completion ended, where code was run.
    """

    value: float | None
    verdict: Verdict | None = None
    extracted: str | None = None
    result: str | None = None


RewardFunction: TypeAlias = Callable[[Problem, Completion], Part]


def build_math() -> RewardFunction:
    """1.0 for a CORRECT answer, else 0.0; None for problems that are not of kind math or have no gold."""

    def math_reward(problem: Problem, completion: Completion) -> Part:
        if problem.kind is not ProblemKind.MATH or not problem.answers:
            return Part(None)
        result = check(problem.answers, completion.text, marked_only=problem.marked_only)
        return Part(float(result.correct), result.verdict, result.extracted)

    return math_reward


def build_format() -> RewardFunction:
    """1.0 for one block of thinking and one answer, else 0.0; the answer to a code problem may be a block of code."""
    return lambda problem, completion: Part(format_reward(completion.text, problem.kind))


def build_language(*, language: str = "en", otherwise: str | None = None) -> RewardFunction:
    """The share of the reasoning's words that are in the language, or, with `prompt`, in that of the problem.

    That is the one most of the problem's words are in; `otherwise` (en unless given) where no language leads.
    """
    follows = language == _PROMPT
    names = " or ".join(LANGUAGES)
    _require(follows or language in LANGUAGES, "language", "language", language, f"{names}, or {_PROMPT}")
    if otherwise is not None:
        is_of_use = follows and otherwise in LANGUAGES
        _require(is_of_use, "language", "otherwise", otherwise, f"{names}, and language must be {_PROMPT}")

    def consistency(problem: Problem, completion: Completion) -> Part:
        wanted = main_language(problem.problem) or otherwise or LANGUAGES[0] if follows else language
        return Part(language_reward(parse_reasoning(completion.text).think, wanted))

    return consistency


def build_length(*, max_tokens: int, buffer: int | None = None) -> RewardFunction:
    """The soft overlong punishment; the buffer is a fifth of `max_tokens` unless given, as in DAPO."""
    _require(_is_natural(max_tokens), "length", "max_tokens", max_tokens, "a whole number of at least 1")
    size = max(max_tokens // 5, 1) if buffer is None else buffer
    _require(
        _is_natural(size) and size <= max_tokens,
        "length",
        "buffer",
        buffer,
        f"a whole number in 1..{max_tokens}",
    )
    return lambda _, completion: Part(
        overlong_penalty(completion.num_tokens, max_tokens=max_tokens, buffer=size)
    )


def build_repetition(*, ngram: int = DEFAULT_NGRAM) -> RewardFunction:
    """Minus the share of the completion's runs of `ngram` words that it has written before."""
    _require(_is_natural(ngram), "repetition", "ngram", ngram, "a whole number of at least 1")
    return lambda _, completion: Part(repetition_penalty(completion.text, ngram=ngram))


BUILDERS: Final[Mapping[str, Callable[..., RewardFunction]]] = {
    "math": build_math,
    "format": build_format,
    "language": build_language,
    "length": build_length,
    "repetition": build_repetition,
}
"""Name in a configuration -> builder; the builder's keyword arguments are the reward's options."""


def _require(condition: bool, reward: str, option: str, value: Any, wanted: str) -> None:
    if not condition:
        raise ConfigError(f"reward {reward}: option {option} is {value!r}; it must be {wanted}")


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
