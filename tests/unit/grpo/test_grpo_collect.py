"""Which problems a step samples, and which of their groups it trains on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import pytest

from r1kit.config.rl import GrpoAlgorithm
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score
from r1kit.grpo.batch import build_batch, has_signal
from r1kit.grpo.collect import Collected, collect_step
from r1kit.grpo.metrics import batch_metrics
from r1kit.rl.stream import ProblemStream
from r1kit.rollout.prompts import PromptedProblem
from r1kit.training.sampler import shuffled_batches


def prompted(count: int) -> list[PromptedProblem]:
    return [PromptedProblem(Problem(str(i), "?", ("1",)), "?", (1, 2, i + 3)) for i in range(count)]


def group_of(
    problem: PromptedProblem, rewards: Sequence[float | None], cut: Sequence[bool] | None = None
) -> Group:
    rollouts = []
    for reward, is_cut in zip(rewards, cut or [False] * len(rewards), strict=True):
        reason = FinishReason.LENGTH if is_cut else FinishReason.STOP
        rollouts.append(
            Rollout(Completion("", (5, 6), (-1.0, -1.0), reason), Score(reward, {"math": reward}))
        )
    return Group(problem.problem, problem.prompt, problem.prompt_ids, tuple(rollouts))


class Sampler:
    """Groups of problems whose number is in `solvable` carry signal; remembers what was asked."""

    def __init__(self, solvable: set[int]) -> None:
        self.solvable = solvable
        self.rounds: list[list[int]] = []

    def __call__(self, problems: Sequence[PromptedProblem]) -> list[Group]:
        numbers = [int(p.problem.id) for p in problems]
        self.rounds.append(numbers)
        return [
            group_of(p, [1.0, 0.0] if number in self.solvable else [0.0, 0.0])
            for p, number in zip(problems, numbers, strict=True)
        ]


def algorithm(**changes) -> GrpoAlgorithm:
    return GrpoAlgorithm(**({"group_size": 2, "problems_per_step": 3, "beta": 0.0} | changes))


def collect(sampler: Sampler, stream: ProblemStream, **changes) -> Collected:
    return collect_step(sampler, stream, algorithm(**changes))


def test_steps_visit_the_problems_in_the_order_of_the_seed():
    stream, sampler = ProblemStream(prompted(7), 3, seed=4), Sampler(set(range(7)))
    for _ in range(5):
        collect(sampler, stream)
    assert sampler.rounds == list(islice(shuffled_batches(7, 3, 4), 5))


def test_without_resampling_groups_without_signal_stay():
    collected = collect(Sampler(set()), ProblemStream(prompted(7), 3, seed=0))
    assert (len(collected.groups), collected.discarded, collected.num_missing) == (3, [], 0)


def test_groups_without_signal_are_replaced_by_groups_of_new_problems():
    stream = ProblemStream(prompted(20), 3, seed=0)
    first = next(shuffled_batches(20, 3, 0))
    sampler = Sampler(set(range(20)) - set(first[1:]))
    collected = collect(sampler, stream, resample_groups=True)
    assert [len(numbers) for numbers in sampler.rounds] == [3, 2]
    asked = [number for numbers in sampler.rounds for number in numbers]
    assert len(set(asked)) == 5
    assert [int(g.problem.id) for g in collected.groups] == [first[0], *sampler.rounds[1]]
    assert [int(g.problem.id) for g in collected.discarded] == first[1:]
    assert collected.num_missing == 0


def test_rounds_are_capped_and_what_is_missing_is_counted():
    sampler = Sampler(set())
    collected = collect(
        sampler, ProblemStream(prompted(50), 3, seed=0), resample_groups=True, max_resample_rounds=2
    )
    assert [len(numbers) for numbers in sampler.rounds] == [3, 3, 3]
    assert (collected.groups, len(collected.discarded), collected.num_missing) == ([], 9, 3)


def test_a_step_never_asks_a_problem_twice_and_ends_when_there_are_no_more():
    sampler = Sampler(set())
    stream = ProblemStream(prompted(7), 3, seed=0)
    for _ in range(3):
        collect(sampler, stream, resample_groups=True, max_resample_rounds=9)
        asked = [number for numbers in sampler.rounds for number in numbers]
        assert sorted(asked) == list(range(7))
        sampler.rounds.clear()


def test_replaced_groups_stay_in_the_figures_and_are_counted():
    stream = ProblemStream(prompted(20), 3, seed=0)
    first = next(shuffled_batches(20, 3, 0))
    settings = algorithm(resample_groups=True)
    collected = collect_step(Sampler(set(range(20)) - set(first[1:])), stream, settings)
    batch = build_batch(collected.groups, settings, 8)
    metrics = batch_metrics(collected, batch, settings)
    assert metrics["group/num_discarded"] == 2
    assert metrics["group/num_missing"] == 0
    assert metrics["group/no_signal_rate"] == pytest.approx(2 / 5)
    # three groups of 1 and 0, two of 0 and 0
    assert metrics["reward/mean"] == pytest.approx(0.3)
    assert "group/num_discarded" not in batch_metrics(Collected(collected.groups), batch, algorithm())


@pytest.mark.parametrize(
    ("rewards", "cut", "expected"),
    [
        ([1.0, 0.0], [False, False], True),
        ([1.0, 1.0], [False, False], False),
        ([1.0, None], [False, False], False),
        ([1.0, 0.0], [True, False], True),
        ([1.0, 0.0], [True, True], False),
    ],
)
def test_signal_is_a_difference_of_rewards_that_a_counted_completion_can_learn_from(rewards, cut, expected):
    group = group_of(prompted(1)[0], rewards, cut)
    assert has_signal(group, algorithm(mask_truncated=True)) is expected


def test_truncated_completions_count_in_the_baseline_and_not_in_the_loss():
    group = group_of(prompted(1)[0], [1.0, 0.0, 0.0, 0.4], [False, True, False, False])
    settings = algorithm(group_size=4, mask_truncated=True, advantage_scale="none")
    batch = build_batch([group], settings, 8)
    assert [row.index for row in batch.rows] == [0, 2, 3]
    assert [row.advantage for row in batch.rows] == pytest.approx([0.65, -0.35, 0.05])
    assert (batch.normalizer.num_sequences, batch.normalizer.num_tokens, batch.num_masked) == (3, 6, 1)
    metrics = batch_metrics(Collected([group]), batch, settings)
    assert metrics["rollout/num_masked"] == 1
    unmasked = build_batch([group], algorithm(group_size=4), 8)
    assert (len(unmasked.rows), unmasked.num_masked, unmasked.normalizer.num_sequences) == (4, 0, 4)
