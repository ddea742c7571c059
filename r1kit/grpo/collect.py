"""The groups of one step, with groups that carry no signal replaced where the algorithm asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from r1kit.config.rl import GrpoAlgorithm
from r1kit.core.rollout import Group
from r1kit.grpo.batch import has_signal
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.prompts import PromptedProblem


@dataclass(frozen=True, slots=True)
class Collected:
    """What a step has sampled.

    Attributes:
        groups: groups to train on.
        discarded: groups without signal that others were sampled for.
        num_missing: groups with signal that are missing although all rounds were taken.
    """

    groups: list[Group] = field(default_factory=list)
    discarded: list[Group] = field(default_factory=list)
    num_missing: int = 0

    @property
    def all_groups(self) -> list[Group]:
        """Every group that was sampled."""
        return [*self.groups, *self.discarded]


def collect_step(
    sample: Callable[[Sequence[PromptedProblem]], list[Group]],
    problems: ProblemStream,
    algorithm: GrpoAlgorithm,
) -> Collected:
    """A group for each of `problems_per_step` problems; `sample` draws them.

    With `resample_groups` (dynamic sampling; DAPO, Yu et al. 2025, section 3.2) only groups with signal are
    kept, and new problems are sampled for the others, at most `max_resample_rounds` more times.
    """
    wanted = algorithm.problems_per_step
    drawn = problems.take(wanted)
    sampled = sample([problems.prompted[i] for i in drawn])
    if not algorithm.resample_groups:
        return Collected(sampled)
    seen = set(drawn)
    groups, discarded = _split(sampled, algorithm)
    for _ in range(algorithm.max_resample_rounds):
        drawn = problems.take(wanted - len(groups), without=seen)
        if not drawn:
            break
        seen |= set(drawn)
        with_signal, without = _split(sample([problems.prompted[i] for i in drawn]), algorithm)
        groups, discarded = groups + with_signal, discarded + without
    return Collected(groups, discarded, wanted - len(groups))


def _split(groups: Sequence[Group], algorithm: GrpoAlgorithm) -> tuple[list[Group], list[Group]]:
    """The groups with signal, and those without."""
    with_signal = [group for group in groups if has_signal(group, algorithm)]
    return with_signal, [group for group in groups if not has_signal(group, algorithm)]
