"""What the policy wrote, and how it was judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from r1kit.core.problem import Message, Problem


class FinishReason(StrEnum):
    """Why a completion ended: the model stopped (EOS or a stop string), or it ran into the token limit."""

    STOP = "stop"
    LENGTH = "length"


class Verdict(StrEnum):
    """What a checker says of one completion."""

    CORRECT = "correct"
    WRONG = "wrong"
    NO_ANSWER = "no_answer"
    UNPARSABLE = "unparsable"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Completion:
    """One sampled continuation of a prompt.

    `token_ids` includes the EOS token when the model ended with one; `text` does not. Where the chat template
    opens the reasoning at the end of the prompt, `text` begins with that <think> all the same. `logprobs` are natural
    logs, one a token, of the distribution the token was really drawn from (temperature and truncation
    applied); under greedy decoding they are 0 by that definition.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason

    @property
    def num_tokens(self) -> int:
        """Number of generated tokens, EOS included."""
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Score:
    """A reward with everything it was made of.

    `reward` is None when it could not be determined (an infrastructure failure): such a rollout is left out
    of its group and counted, never scored 0. `parts` holds the value of each reward that judges this kind of problem, by
    label: as the reward gave it, before whitening, clip and weight. `shaped` holds those parts that whitening or the
    clip changed, as they entered the sum.
    `verdict` and `extracted` are those of the reward that judges the answer, None when no such reward ran. `result`
    says how the code of a completion ended, such as "failed" or "out_of_memory"; None where no code was run.
    """

    reward: float | None
    parts: Mapping[str, float | None] = field(default_factory=dict)
    verdict: Verdict | None = None
    extracted: str | None = None
    result: str | None = None
    shaped: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JudgedText:
    """What a reward model reads: the conversation so far, and the part of a completion that it judges."""

    messages: tuple[Message, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """A completion of one problem with its score."""

    completion: Completion
    score: Score


@dataclass(frozen=True, slots=True)
class Group:
    """All rollouts of one problem from one prompt (G of them, in the order they were asked for).

    `messages` is the conversation that was rendered to the prompt; empty where only token ids are known.
    """

    problem: Problem
    prompt: str
    prompt_ids: tuple[int, ...]
    rollouts: tuple[Rollout, ...]
    messages: tuple[Message, ...] = ()
