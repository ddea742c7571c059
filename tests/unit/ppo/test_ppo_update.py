"""One PPO update against the formula, written as loops over minibatches, completions and tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import write_tiny_model
from torch import Tensor, nn

from r1kit.config.load import validate
from r1kit.config.ppo import PpoConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score
from r1kit.core.seeds import derive_seed
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead
from r1kit.models.value_network import SeparateValueNetwork, SharedValueHead, ValueNetwork
from r1kit.ppo.batch import PpoBatch, build_batch, minibatches, trained_rows
from r1kit.ppo.learners import Learners
from r1kit.ppo.loop import value_network
from r1kit.ppo.losses import Losses
from r1kit.ppo.passes import measured_values
from r1kit.ppo.update import accumulate_gradients, update_learners
from r1kit.rl.passes import reference_logprobs
from r1kit.training.optimizer import StepStats
from r1kit.training.recovery import MicroBatchSize

# Rewards and log-probabilities are such that float32 holds them exactly.
REWARDS: list[list[float | None]] = [[1.0, 0.0], [0.25, 1.25], [None, 0.75]]
NETWORKS = ("separate", "shared")


class GradientRecorder:
    """Takes an optimizer's place: keeps each update's gradient and moves the weights a little."""

    num_oom = 0

    def __init__(self, parameters: list[nn.Parameter], rate: float) -> None:
        self.parameters, self.rate = parameters, rate
        self.gradients: list[list[Tensor]] = []
        self.num_skipped = 0

    def step(self) -> StepStats:
        self.gradients.append([gradient_of(p) for p in self.parameters])
        with torch.no_grad():
            for parameter, gradient in zip(self.parameters, self.gradients[-1], strict=True):
                parameter.sub_(self.rate * gradient)
        self.clear_gradient()
        return StepStats(grad_norm=0.0, learning_rate=self.rate)

    def skip(self) -> None:
        self.num_skipped += 1

    def clear_gradient(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None


def gradient_of(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def make_groups(rewards: list[list[float | None]] = REWARDS) -> list[Group]:
    """Completions of 3, 5, ... tokens; the engine's log-probabilities are not the trainer's, so ratios are not 1."""
    groups = []
    for number, row in enumerate(rewards):
        rollouts = []
        for index, reward in enumerate(row):
            start = 60 + 31 * number + 7 * index
            token_ids = tuple(range(start, start + 3 + 2 * index))
            logprobs = tuple(-5.5 - 0.125 * ((place + number) % 5) for place in range(len(token_ids)))
            reason = FinishReason.LENGTH if (number, index) == (0, 1) else FinishReason.STOP
            rollouts.append(
                Rollout(Completion("", token_ids, logprobs, reason), Score(reward, {"math": reward}))
            )
        prompt_ids = tuple(range(20 + number, 26 + 3 * number))
        groups.append(Group(Problem(str(number), "?", ("1",)), "?", prompt_ids, tuple(rollouts)))
    return groups


def make_config(
    folder: Path, network: str, algorithm: dict[str, Any] | None = None, **changes: Any
) -> PpoConfig:
    values = {
        "model": {"path": str(folder), "lora": {"rank": 4, "alpha": 8}},
        "output": "unused",
        "data": "unused.jsonl",
        "sampling": {"temperature": 0.8, "max_new_tokens": 16},
        "algorithm": {
            "value_network": network,
            "group_size": 2,
            "problems_per_step": 3,
            "beta": 0.3,
            "gamma": 0.9,
            "lam": 0.7,
            "value_clip": 0.05,
            "epochs": 1,
            "minibatches": 1,
        }
        | (algorithm or {}),
    }
    return validate(PpoConfig, values | changes, source="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("ppo") / "model", "qwen2")


@dataclass
class Bench:
    """A policy and a value network away from their start, with recorders in place of optimizers."""

    config: PpoConfig
    policy: Policy
    network: ValueNetwork
    learners: Learners
    recorders: list[GradientRecorder]

    def batch(self) -> PpoBatch:
        rows = trained_rows(make_groups(), self.config.algorithm)
        size = self.learners.size
        values = measured_values(self.policy, self.network, rows, size)
        references = reference_logprobs(self.policy, rows, self.config.sampling.temperature, size)
        return build_batch(make_groups(), rows, values, references, self.config.algorithm)[0]


class WideHead(ScalarHead):
    """A head in float64."""

    def forward(self, hidden: Tensor) -> Tensor:
        return (hidden * self.weight).sum(dim=-1) + self.bias


def make_bench(
    config: PpoConfig, rate: float = 0.0, micro_batch_tokens: int = 10_000, *, wide: bool = False
) -> Bench:
    policy = load_policy(config.model, train=True, with_reference=True)
    network = value_network(config, policy)
    if wide:
        policy.model.double()
        network = replace(network, head=WideHead(64).double())  # type: ignore[type-var]
        if isinstance(network, SeparateValueNetwork):
            network.network.model.double()
    generator = torch.Generator().manual_seed(5)
    shared = isinstance(network, SharedValueHead)
    ours, its = policy.trainable_parameters(), network.own_parameters
    with torch.no_grad():
        for parameter in (*ours, *its):
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator).to(parameter))
    recorders = [GradientRecorder([*ours, *its], rate)]
    if not shared:
        recorders = [GradientRecorder(ours, rate), GradientRecorder(its, rate)]
    size = MicroBatchSize(micro_batch_tokens, lambda _: None)
    learners = Learners(policy, network, recorders[0], None if shared else recorders[1], size)  # type: ignore[arg-type]
    return Bench(config, policy, network, learners, recorders)


def plain_pass(model: Any, prompt: tuple[int, ...], completion: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Logits and last hidden states before each completion token, from transformers' own forward pass of one text."""
    ids = torch.tensor([[*prompt, *completion]])
    output = model(input_ids=ids, output_hidden_states=True)
    start = len(prompt) - 1
    return output.logits[0, start:-1], output.hidden_states[-1][0, start:-1]


def plain_logprobs(bench: Bench, prompt: tuple[int, ...], completion: tuple[int, ...]) -> Tensor:
    logits = plain_pass(bench.policy.model, prompt, completion)[0] / bench.config.sampling.temperature
    logprobs = torch.log_softmax(logits, -1)
    return torch.stack([logprobs[place, token] for place, token in enumerate(completion)])


def plain_values(bench: Bench, prompt: tuple[int, ...], completion: tuple[int, ...]) -> Tensor:
    network = bench.network
    model = network.policy.model if isinstance(network, SharedValueHead) else network.network.model
    hidden = plain_pass(model, prompt, completion)[1]
    if isinstance(network, SharedValueHead) and not network.into_backbone:
        hidden = hidden.detach()
    return torch.stack([(state * network.head.weight).sum() + network.head.bias for state in hidden])


Fixed = list[dict[str, list[float]]]


@torch.no_grad()
def naive_targets(bench: Bench) -> Fixed:
    """Old values, returns and whitened advantages of each rewarded completion, in float64 loops."""
    algorithm, found = bench.config.algorithm, []
    for group, rollout in rewarded():
        prompt, completion = group.prompt_ids, rollout.completion.token_ids
        values = plain_values(bench, prompt, completion).double().tolist()
        with bench.policy.reference():
            reference = plain_logprobs(bench, prompt, completion).double().tolist()
        sampled = rollout.completion.logprobs
        rewards = [-algorithm.beta * (p - q) for p, q in zip(sampled, reference, strict=True)]
        rewards[-1] += rollout.score.reward
        advantages, ahead = [0.0] * len(values), 0.0
        for token in reversed(range(len(values))):
            following = values[token + 1] if token + 1 < len(values) else 0.0
            ahead = (
                rewards[token]
                + algorithm.gamma * following
                - values[token]
                + algorithm.gamma * algorithm.lam * ahead
            )
            advantages[token] = ahead
        returns = [a + v for a, v in zip(advantages, values, strict=True)]
        found.append({"advantages": advantages, "returns": returns, "values": values})
    every = [a for row in found for a in row["advantages"]]
    mean = sum(every) / len(every)
    deviation = (sum((a - mean) ** 2 for a in every) / (len(every) - 1)) ** 0.5
    for row in found:
        row["advantages"] = [(a - mean) / deviation for a in row["advantages"]]
    return found


def rewarded() -> list[tuple[Group, Rollout]]:
    return [(g, r) for g in make_groups() for r in g.rollouts if r.score.reward is not None]


def naive_losses(bench: Bench, fixed: Fixed, places: list[int]) -> tuple[Tensor, Tensor]:
    """Policy loss and value loss of the rows at `places`: means over all their tokens, formulas token by token."""
    algorithm = bench.config.algorithm
    gains, errors = [], []
    for place in places:
        group, rollout = rewarded()[place]
        prompt, completion = group.prompt_ids, rollout.completion.token_ids
        logprobs, values = plain_logprobs(bench, prompt, completion), plain_values(bench, prompt, completion)
        for token in range(len(completion)):
            advantage, wanted = fixed[place]["advantages"][token], fixed[place]["returns"][token]
            old = fixed[place]["values"][token]
            ratio = torch.exp(logprobs[token] - rollout.completion.logprobs[token])
            bounded = torch.clamp(ratio, 1 - algorithm.clip_eps_low, 1 + algorithm.clip_eps_high)
            gains.append(torch.minimum(ratio * advantage, bounded * advantage))
            error = (values[token] - wanted) ** 2
            if algorithm.value_clip is not None:
                kept = torch.clamp(values[token], old - algorithm.value_clip, old + algorithm.value_clip)
                error = torch.maximum(error, (kept - wanted) ** 2)
            errors.append(0.5 * error)
    return -torch.stack(gains).mean(), torch.stack(errors).mean()


def naive_gradients(bench: Bench, fixed: Fixed, places: list[int]) -> list[list[Tensor]]:
    """What each of the recorders is to see."""
    policy_loss, error = naive_losses(bench, fixed, places)
    if len(bench.recorders) == 1:
        losses = [policy_loss + bench.config.algorithm.value_weight * error]
    else:
        losses = [policy_loss, error]
    return [
        list(torch.autograd.grad(loss, recorder.parameters))
        for loss, recorder in zip(losses, bench.recorders, strict=True)
    ]


def assert_same(actual: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=3e-4)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("micro_batch_tokens", [10_000, 20, 1])
def test_the_gradients_are_those_of_the_loops_whatever_the_micro_batches(folder, network, micro_batch_tokens):
    bench = make_bench(make_config(folder, network), micro_batch_tokens=micro_batch_tokens)
    expected = naive_gradients(bench, naive_targets(bench), list(range(5)))
    metrics = update_learners(bench.learners, bench.batch(), bench.config, step=1)
    for recorder, wanted in zip(bench.recorders, expected, strict=True):
        assert_same(recorder.gradients[0], wanted)
        assert max(gradient.abs().max() for gradient in wanted) > 1e-2
    policy_loss, error = naive_losses(bench, naive_targets(bench), list(range(5)))
    assert metrics["policy/surrogate"] == pytest.approx(-policy_loss.item(), rel=1e-4)
    assert metrics["value/loss"] == pytest.approx(error.item(), rel=1e-4)
    assert metrics["policy/clip_fraction"] > 0


@pytest.mark.parametrize("network", NETWORKS)
def test_in_float64_they_are_those_of_the_loops_to_a_millionth(folder, network):
    bench = make_bench(make_config(folder, network), micro_batch_tokens=20, wide=True)
    expected = naive_gradients(bench, naive_targets(bench), list(range(5)))
    update_learners(bench.learners, bench.batch(), bench.config, step=1)
    for recorder, wanted in zip(bench.recorders, expected, strict=True):
        ours, theirs = (torch.cat([g.flatten() for g in some]) for some in (recorder.gradients[0], wanted))
        assert ours.dtype == torch.float64
        # The norms of the model itself compute in float32 whatever they are given.
        assert (ours - theirs).norm() <= 1e-6 * theirs.norm()


@pytest.mark.parametrize("network", NETWORKS)
def test_each_minibatch_of_each_epoch_is_an_update_of_its_own_on_the_same_targets(folder, network):
    algorithm = {"epochs": 2, "minibatches": 2, "value_clip": 1e-3}
    config = make_config(folder, network, algorithm)
    bench, twin = (make_bench(config, rate=0.02) for _ in range(2))
    fixed, rows = naive_targets(twin), trained_rows(make_groups(), config.algorithm)
    metrics = update_learners(bench.learners, bench.batch(), config, step=3)
    order = [
        places
        for epoch in range(2)
        for places in minibatches(rows, 2, derive_seed(config.seed, "ppo", "minibatches", 3, epoch))
    ]
    for number, places in enumerate(order):
        expected = naive_gradients(twin, fixed, places)
        for ours, theirs, wanted in zip(bench.recorders, twin.recorders, expected, strict=True):
            assert_same(ours.gradients[number], wanted)
            for parameter, gradient in zip(theirs.parameters, wanted, strict=True):
                parameter.grad = gradient
            theirs.step()
    assert all(len(recorder.gradients) == 4 for recorder in bench.recorders)
    assert metrics["value/clip_fraction"] > 0


def test_the_gradient_of_a_shared_head_can_stop_at_the_head(folder):
    config = make_config(folder, "shared", {"value_into_backbone": False})
    bench = make_bench(config)
    expected = naive_gradients(bench, naive_targets(bench), list(range(5)))
    update_learners(bench.learners, bench.batch(), config, step=1)
    assert_same(bench.recorders[0].gradients[0], expected[0])
    policy_loss, _ = naive_losses(bench, naive_targets(bench), list(range(5)))
    alone = torch.autograd.grad(policy_loss, bench.policy.trainable_parameters())
    assert_same(bench.recorders[0].gradients[0][: len(alone)], list(alone))


def test_an_update_without_rows_moves_the_schedules_on_alone(folder):
    for network, optimizers in (("separate", 2), ("shared", 1)):
        bench = make_bench(make_config(folder, network, {"epochs": 2, "minibatches": 6}))
        metrics = update_learners(bench.learners, bench.batch(), bench.config, step=1)
        assert len(bench.recorders) == optimizers
        for recorder in bench.recorders:
            assert (len(recorder.gradients), recorder.num_skipped) == (10, 2)
        assert all(name.count("/") == 1 for name in metrics)


def test_a_trial_leaves_no_gradient_behind(folder):
    for network in NETWORKS:
        bench = make_bench(make_config(folder, network))
        accumulate_gradients(bench.learners, bench.batch(), bench.config)
        for recorder in bench.recorders:
            assert all(parameter.grad is None for parameter in recorder.parameters)
            assert not recorder.gradients


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("number", [1, 2])
def test_an_update_that_ran_out_of_memory_is_done_again_with_the_same_gradient(
    folder, network, number, monkeypatch
):
    config = make_config(folder, network)
    calm, troubled = (make_bench(config, rate=0.02, micro_batch_tokens=30) for _ in range(2))
    expected = update_learners(calm.learners, calm.batch(), config, step=1)
    batch = troubled.batch()
    counter = itertools.count(1)
    original = Losses.of_values

    def refusing(self: Any, *arguments: Any) -> Any:
        if next(counter) == number:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, *arguments)

    monkeypatch.setattr(Losses, "of_values", refusing)
    metrics = update_learners(troubled.learners, batch, config, step=1)
    assert troubled.learners.size.num_oom == 1
    for ours, theirs in zip(troubled.recorders, calm.recorders, strict=True):
        assert len(ours.gradients) == 1
        assert_same(ours.gradients[0], theirs.gradients[0])
    for name in ("policy/surrogate", "policy/ratio_mean", "value/loss", "policy/sampling_gap_mean"):
        assert metrics[name] == pytest.approx(expected[name], rel=1e-4)
