"""Samples groups of completions and scores them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from r1kit.config.sampling import SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Group, Rollout, Score
from r1kit.core.seeds import derive_seed
from r1kit.generation.engine import Engine, GenerationRequest, OnProgress
from r1kit.models.texts import opened_reasoning
from r1kit.rewards.code.judge import CodeJudge
from r1kit.rollout.prompts import PromptedProblem

ScoreFunction = Callable[[Problem, Completion], Score]


@dataclass(frozen=True, slots=True)
class Scoring:
    """How completions are scored, and, where that takes running their code, what runs it ahead of time."""

    score: ScoreFunction
    code: CodeJudge | None = None


def collect_groups(
    engine: Engine,
    prompted: Sequence[PromptedProblem],
    *,
    group_size: int,
    sampling: SamplingConfig,
    scoring: Scoring,
    seed: int,
    on_progress: OnProgress | None = None,
    on_group: Callable[[Group], None] | None = None,
) -> list[Group]:
    """One group of `group_size` scored completions a problem, in the order of `prompted`.

    The seed of a completion derives from (`seed`, problem id, its index in the group), so a problem's group
    does not depend on the problems beside it. `on_group` gets each group as soon as it is whole and those
    before it are, so that what a long run has sampled is on disk before it ends, in the order of the problems.

    Code is run while other groups are still sampled; what still runs is ended when this is left by an exception.
    """
    requests = [
        GenerationRequest(p.prompt_ids, tuple(derive_seed(seed, p.problem.id, i) for i in range(group_size)))
        for p in prompted
    ]
    groups = _Groups(prompted, scoring, on_group)
    try:
        engine.generate(requests, sampling, on_progress, groups.take)
        return groups.finish()
    except BaseException:
        if scoring.code is not None:
            scoring.code.stop()
        raise


class _Groups:
    """Scores groups as they come, and hands them on in the order of the problems."""

    def __init__(
        self,
        prompted: Sequence[PromptedProblem],
        scoring: Scoring,
        on_group: Callable[[Group], None] | None,
    ) -> None:
        self._prompted = prompted
        self._score, self._code = scoring.score, scoring.code
        self._on_group = on_group
        self._waiting: dict[int, tuple[Sequence[Completion], Callable[[], bool]]] = {}
        self._groups: dict[int, Group] = {}
        self._num_handed_on = 0

    def take(self, number: int, completions: tuple[Completion, ...]) -> None:
        """The completions of a problem: scored now, or, where code is run for that, when it has ended."""
        prompted = self._prompted[number]
        whole = [_with_opened_tag(completion, prompted.prompt) for completion in completions]
        is_done = None if self._code is None else self._code.start(prompted.problem, whole)
        self._waiting[number] = (whole, is_done or (lambda: True))
        for index, (_, is_ready) in list(self._waiting.items()):
            if is_ready():
                self._finish_one(index)

    def finish(self) -> list[Group]:
        """All groups; waits for the code that still runs."""
        for number in sorted(self._waiting):
            self._finish_one(number)
        return [self._groups[number] for number in range(len(self._prompted))]

    def _finish_one(self, number: int) -> None:
        completions, _ = self._waiting.pop(number)
        prompted = self._prompted[number]
        rollouts = tuple(Rollout(one, self._score(prompted.problem, one)) for one in completions)
        self._groups[number] = Group(
            prompted.problem, prompted.prompt, prompted.prompt_ids, rollouts, prompted.messages
        )
        while self._num_handed_on in self._groups:
            if self._on_group is not None:
                self._on_group(self._groups[self._num_handed_on])
            self._num_handed_on += 1


def _with_opened_tag(completion: Completion, prompt: str) -> Completion:
    """`completion` with the <think> that a template had put at the end of the prompt, so that it reads whole."""
    return replace(completion, text=opened_reasoning(prompt) + completion.text)
