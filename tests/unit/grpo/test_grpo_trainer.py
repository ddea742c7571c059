"""Parts of a step beside the update: the self-check, the KL in the reward, the trial of a micro-batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_grpo_update import groups, load, logprobs_of, make_config
from tiny_models import write_tiny_model

from r1kit.config.sampling import SamplingConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, Score
from r1kit.generation.engine import GenerationRequest, OnGroup, OnProgress
from r1kit.generation.transformers_engine import TransformersEngine
from r1kit.grpo.batch import build_batch
from r1kit.grpo.trainer import GrpoTrainer
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree
from r1kit.rl.loop import Workshop
from r1kit.rl.passes import measured_logprobs, reference_logprobs, summed_kl
from r1kit.rl.reward_watch import RewardWatch
from r1kit.rl.rows import RlRow, scored_rows
from r1kit.rl.self_check import STEPS_BETWEEN_WORDS, SamplingGapAlarm, gap_metrics
from r1kit.rl.stream import ProblemStream
from r1kit.rl.worst_case import worst_case_rows
from r1kit.rollout.prompts import PromptedProblem
from r1kit.rollout.rewarding import Rewarder
from r1kit.tracking.tracker import Tracker
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


class ShiftedEngine(TransformersEngine):
    """Samples from the policy, and reports log-probabilities that are off by `shift`."""

    shift = 0.0
    num_oom = 0

    def generate(
        self,
        requests: Sequence[GenerationRequest],
        sampling: SamplingConfig,
        on_progress: OnProgress | None = None,
        on_group: OnGroup | None = None,
    ) -> list[tuple[Completion, ...]]:
        real = super().generate(requests, sampling, on_progress)
        shifted = [tuple(self._shifted(completion) for completion in group) for group in real]
        for number, group in enumerate(shifted):
            if on_group is not None:
                on_group(number, group)
        return shifted

    def _shifted(self, completion: Completion) -> Completion:
        return replace(completion, logprobs=tuple(value - self.shift for value in completion.logprobs))


class FixedScorer:
    """Rewards by what is handed to it, and nothing of the answer."""

    code_in_rewards, waits_for_round = None, False

    def __init__(self, equal: bool) -> None:
        self.equal, self.calls = equal, 0

    def score(self, problem: Problem, completion: Completion) -> Score:
        self.calls += 1
        reward = 1.0 if self.equal else float(self.calls % 2)
        return Score(reward, {"fixed": reward})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("trainer") / "model", "qwen2")


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load(make_config(folder))


def prompted() -> list[PromptedProblem]:
    return [PromptedProblem(Problem(str(i), "?", ("1",)), "?", (20 + i, 30, 40)) for i in range(4)]


Make = Callable[..., tuple[GrpoTrainer, list[str]]]


@pytest.fixture
def make(policy: Policy, folder: Path, tmp_path: Path) -> Iterator[Make]:
    """Makes a trainer whose run is in `tmp_path / "run"`, and the list of what it says."""
    with ExitStack() as stack:

        def trainer_of(
            *, shift: float = 0.0, equal: bool = False, **changes: Any
        ) -> tuple[GrpoTrainer, list[str]]:
            config = make_config(folder, **({"sampling": {"max_new_tokens": 6}} | changes))
            engine = ShiftedEngine(policy, batch_size=64)
            engine.shift = shift
            tracker = stack.enter_context(
                Tracker(tmp_path / "run", stage="grpo", config={}, seed=0, quiet=True)
            )
            said: list[str] = []
            scorer: Any = FixedScorer(equal)
            workshop = Workshop(
                policy,
                engine,
                Rewarder(scorer),
                tracker,
                MicroBatchSize(1000, said.append),
                SamplingGapAlarm(config.max_sampling_gap, said.append),
                RewardWatch({}, said.append),
            )
            optimizer = Optimizer(
                policy.trainable_parameters(), config.optim, learning_rate=1e-6, num_steps=50
            )
            return GrpoTrainer(config, workshop, optimizer), said

        yield trainer_of


def steps(trainer: GrpoTrainer, count: int) -> list[dict[str, float]]:
    stream = ProblemStream(prompted(), 2, seed=0)
    return [trainer.step(step, stream) for step in range(1, count + 1)]


ONLINE = {"algorithm": {"problems_per_step": 2, "beta": 0.0}}


def test_engine_and_trainer_agree_and_nothing_is_said(make):
    trainer, said = make(shift=0.0, equal=False, **ONLINE)
    for metrics in steps(trainer, 2):
        assert metrics["policy/sampling_gap_max"] < 1e-4
        assert metrics["policy/sampling_gap_alarms"] == 0
        assert metrics["memory/micro_batch_tokens"] == 1000
    assert said == []


def test_an_engine_that_is_off_is_an_alarm_at_each_step_and_is_said_once_in_a_while(make):
    trainer, said = make(shift=0.5, equal=False, **ONLINE)
    for metrics in steps(trainer, 3):
        assert metrics["policy/sampling_gap_mean"] == pytest.approx(0.5, abs=1e-3)
        assert metrics["policy/sampling_gap_alarms"] == 1
    [line] = said
    assert line.startswith("step 1: engine and trainer differ by 0.5 nats a token on the mean")
    assert "--engine.kind transformers" in line


def test_the_gap_is_measured_at_the_first_step_even_when_nothing_is_trained(make):
    trainer, said = make(shift=0.5, equal=True, **ONLINE)
    first, second = steps(trainer, 2)
    assert first["policy/sampling_gap_mean"] == pytest.approx(0.5, abs=1e-3)
    assert "optim/grad_norm" not in first
    assert not {"policy/sampling_gap_mean", "policy/sampling_gap_alarms"} & set(second)
    assert len(said) == 1


def test_an_alarm_that_goes_on_is_said_again_and_a_gap_that_is_no_number_is_one():
    said: list[str] = []
    alarm = SamplingGapAlarm(0.1, said.append)
    for step in range(1, 2 * STEPS_BETWEEN_WORDS + 1):
        assert alarm.check(step, {"policy/sampling_gap_mean": 0.2}) == {"policy/sampling_gap_alarms": 1.0}
    assert len(said) == 2
    assert alarm.check(100, {"policy/sampling_gap_mean": 0.1}) == {"policy/sampling_gap_alarms": 0.0}
    assert alarm.check(101, {"policy/sampling_gap_mean": float("nan")})["policy/sampling_gap_alarms"] == 1.0
    assert alarm.check(102, {}) == {}


def test_the_gap_is_the_absolute_difference_over_all_tokens():
    rows = [RlRow(0, 0, (1,), (2, 3), (-1.0, -2.0)), RlRow(1, 0, (1,), (4,), (-3.0,))]
    metrics = gap_metrics(rows, [torch.tensor([-1.5, -2.0]), torch.tensor([-2.75])])
    assert metrics == {"policy/sampling_gap_mean": 0.25, "policy/sampling_gap_max": 0.5}


def test_out_of_memory_of_engine_optimizer_and_update_is_one_count(make):
    trainer, _ = make(shift=0.0, equal=False, **ONLINE)
    trainer.workshop.engine.num_oom, trainer.workshop.size.num_oom, trainer.optimizer.num_oom = 1, 2, 3  # type: ignore[attr-defined]
    [metrics] = steps(trainer, 1)
    assert metrics["memory/num_oom"] == 6


def test_discarded_groups_are_on_disk_under_their_own_phase(make, tmp_path):
    algorithm = {"problems_per_step": 1, "beta": 0.0, "resample_groups": True, "max_resample_rounds": 1}
    trainer, _ = make(shift=0.0, equal=True, algorithm=algorithm)
    [metrics] = steps(trainer, 1)
    assert (metrics["group/num_discarded"], metrics["group/num_missing"]) == (2, 1)
    lines = (tmp_path / "run/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["phase"] for line in lines] == ["discarded"] * 8


@pytest.fixture
def calm(policy: Policy) -> Iterator[Policy]:
    """The policy, whose weights must be the same afterwards."""
    before = [p.detach().clone() for p in policy.trainable_parameters()]
    yield policy
    assert all(torch.equal(a, b) for a, b in zip(before, policy.trainable_parameters(), strict=True))


def test_measured_log_probs_are_those_of_each_text_alone(calm, folder):
    rows = scored_rows(groups())
    found = measured_logprobs(calm, rows, 0.7, MicroBatchSize(50))
    references = reference_logprobs(calm, rows, 0.7, MicroBatchSize(50))
    pairs = [(group, rollout) for group in groups() for rollout in group.rollouts]
    with torch.no_grad():
        for (group, rollout), ours, reference in zip(pairs, found, references, strict=True):
            torch.testing.assert_close(ours, logprobs_of(calm, group, rollout, 0.7), atol=1e-5, rtol=1e-4)
            with calm.reference():
                expected = logprobs_of(calm, group, rollout, 0.7)
            torch.testing.assert_close(reference, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_the_kl_in_the_reward_is_the_sum_over_the_completion_and_lowers_its_reward(estimator, calm, folder):
    algorithm = {"kl_in": "reward", "beta": 0.2, "kl_estimator": estimator, "advantage_scale": "none"}
    config = make_config(folder, algorithm=algorithm)
    rewards = [[1.0, None, 0.0, 1.2], [0.0, 0.2, 0.0, 0.0]]
    rows = scored_rows(groups(rewards))
    references = reference_logprobs(calm, rows, 1.0, MicroBatchSize(1000))
    kl = summed_kl(rows, references, estimator)
    for row, reference, total in zip(rows, references, kl, strict=True):
        logs = [(-1.0, ref) for ref in reference.tolist()]  # sampled with -1 each
        per_token = {
            "k1": [p - q for p, q in logs],
            "k2": [(p - q) ** 2 / 2 for p, q in logs],
            "k3": [torch.tensor(q - p).exp().item() - (q - p) - 1 for p, q in logs],
        }[estimator]
        assert len(per_token) == len(row.completion_ids)
        assert total == pytest.approx(sum(per_token), rel=1e-4)
    batch = build_batch(groups(rewards), config.algorithm, 64, kl)
    lowered = [1.0 - 0.2 * kl[0], 0.0 - 0.2 * kl[1], 1.2 - 0.2 * kl[2]]
    mean = sum(lowered) / 3
    assert [row.advantage for row in batch.rows[:3]] == pytest.approx([r - mean for r in lowered], rel=1e-4)
    assert [row.index for row in batch.rows] == [0, 2, 3, 4, 5, 6, 7]


def test_a_step_with_the_kl_in_the_reward_reports_it_and_keeps_it_out_of_the_loss(make, policy):
    algorithm = {"name": "rloo", "problems_per_step": 2, "beta": 0.5}
    trainer, _ = make(shift=0.0, equal=False, algorithm=algorithm)
    rows = []
    original = trainer.workshop.tracker.rollouts
    object.__setattr__(
        trainer.workshop.tracker, "rollouts", lambda step, g, **kw: (rows.extend(g), original(step, g, **kw))
    )
    [metrics] = steps(trainer, 1)
    assert metrics["policy/kl"] != 0
    assert metrics["optim/grad_norm"] > 0
    sampled = scored_rows(rows)
    references = reference_logprobs(policy, sampled, 1.0, MicroBatchSize(1000))
    total = sum(summed_kl(sampled, references, "k1"))
    # one optimizer step of rate 1e-6 lies between; the reference is frozen
    assert metrics["policy/kl"] == pytest.approx(
        total / sum(len(r.completion_ids) for r in sampled), rel=1e-4
    )


@pytest.mark.parametrize(("tokens", "beta"), [(200, 0.1), (37, 0.0), (5, 0.1)])
def test_a_trial_fills_the_micro_batch_and_changes_nothing(tokens, beta, make, calm):
    changes = {"algorithm": {"problems_per_step": 3, "beta": beta}, "sampling": {"max_new_tokens": 12}}
    trainer, _ = make(shift=0.0, equal=False, **changes)
    found = worst_case_rows(calm, trainer.config, tokens, longest_prompt=8)
    trees = [
        Tree(rows[0].prompt_ids, tuple(row.completion_ids for row in rows))
        for number in range(3)
        if (rows := [row for row in found if row.group == number])
    ]
    packed = sum(tree.num_packed_tokens for tree in trees)
    # three groups of 4 are 3 * (8 + 48) tokens, and a single text has 20
    assert packed == {200: 168, 37: 37, 5: 20}[tokens]
    seen: list[int] = []
    with ExitStack() as stack:
        for parameter in calm.trainable_parameters():
            handle = parameter.register_post_accumulate_grad_hook(lambda p: seen.append(p.numel()))
            stack.callback(handle.remove)
        trainer.prove(tokens, longest_prompt=8)
    assert len(seen) == len(calm.trainable_parameters())
    assert all(parameter.grad is None for parameter in calm.trainable_parameters())
    for state in (state for adamw in trainer.optimizer._adamws for state in adamw.state.values()):
        assert state["step"].item() == 0
        assert not state["exp_avg"].any()
