"""One GRPO update against the article's formula, written as loops over outputs and tokens."""

from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.stages import GrpoConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score
from r1kit.grpo.batch import build_batch, slice_batch
from r1kit.grpo.update import update_policy
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.training.optimizer import StepStats

REWARDS = [[1.0, 0.0, 0.0, 1.2], [0.0, 0.2, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]


class GradientRecorder:
    """Takes the optimizer's place: keeps each update's gradient and moves the weights a little."""

    def __init__(self, policy: Policy, rate: float) -> None:
        self.policy, self.rate = policy, rate
        self.gradients: list[list[torch.Tensor]] = []
        self.num_skipped = 0

    def step(self) -> StepStats:
        parameters = self.policy.trainable_parameters()
        self.gradients.append([p.grad.clone() for p in parameters])
        with torch.no_grad():
            for parameter in parameters:
                parameter.sub_(self.rate * parameter.grad)
                parameter.grad = None
        return StepStats(grad_norm=0.0, learning_rate=self.rate)

    def skip(self) -> None:
        self.num_skipped += 1


def make_group(number: int, rewards: list[float | None]) -> Group:
    prompt_ids = tuple(range(20 + number, 26 + 3 * number))
    rollouts = []
    for index, reward in enumerate(rewards):
        start = 60 + 31 * number + 7 * index
        token_ids = tuple(range(start, start + 3 + 2 * index))
        completion = Completion("", token_ids, (-1.0,) * len(token_ids), FinishReason.STOP)
        rollouts.append(Rollout(completion, Score(reward, {"math": reward})))
    return Group(Problem(str(number), "?", ("1",)), "?", prompt_ids, tuple(rollouts))


def groups(rewards=REWARDS) -> list[Group]:
    return [make_group(number, row) for number, row in enumerate(rewards)]


def make_config(folder: Path, **changes) -> GrpoConfig:
    algorithm = {"group_size": 4, "beta": 0.3} | changes.pop("algorithm", {})
    model = ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8))
    return GrpoConfig(model=model, output="unused", data="unused.jsonl", algorithm=algorithm, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("grpo") / "model", "qwen2")


def load(config: GrpoConfig) -> Policy:
    """A policy whose adapter has moved away from its start, so that the KL term is not 0."""
    policy = load_policy(config.model, train=True, with_reference=True)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return policy


def logprobs_of(policy: Policy, group: Group, rollout: Rollout, temperature: float) -> torch.Tensor:
    ids = torch.tensor([[*group.prompt_ids, *rollout.completion.token_ids]])
    logprobs = torch.log_softmax(policy.model(input_ids=ids).logits[0] / temperature, -1)
    start = len(group.prompt_ids)
    return torch.stack([logprobs[t - 1, ids[0, t]] for t in range(start, ids.shape[1])])


def article_loss(policy: Policy, config: GrpoConfig, old: list[torch.Tensor] | None = None) -> torch.Tensor:
    """-J of DeepSeekMath eq. 3: mean over outputs of the mean over tokens of min(...) - beta * k3."""
    beta, temperature = config.algorithm.beta, config.sampling.temperature
    terms, number = [], 0
    for group in groups():
        rewards = torch.tensor([r.score.reward for r in group.rollouts])
        advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
        for rollout, advantage in zip(group.rollouts, advantages, strict=True):
            new = logprobs_of(policy, group, rollout, temperature)
            with policy.reference():
                reference = logprobs_of(policy, group, rollout, temperature)
            before = new.detach() if old is None else old[number]
            total = 0.0
            for token in range(len(new)):
                ratio = torch.exp(new[token] - before[token])
                clipped = torch.clamp(
                    ratio, 1 - config.algorithm.clip_eps_low, 1 + config.algorithm.clip_eps_high
                )
                log_ratio = reference[token] - new[token]
                kl = torch.exp(log_ratio) - log_ratio - 1
                total = total + torch.minimum(ratio * advantage, clipped * advantage) - beta * kl
            terms.append(total / len(new))
            number += 1
    return -torch.stack(terms).mean()


def assert_same(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=2e-4)


@pytest.mark.parametrize("micro_batch_tokens", [10_000, 40, 1])
def test_the_gradient_is_the_articles_whatever_the_micro_batches(folder, micro_batch_tokens):
    config = make_config(
        folder, batching={"micro_batch_tokens": micro_batch_tokens}, sampling={"temperature": 0.8}
    )
    policy = load(config)
    expected = torch.autograd.grad(article_loss(policy, config), policy.trainable_parameters())
    recorder = GradientRecorder(policy, rate=0.0)
    metrics = update_policy(policy, recorder, build_batch(groups(), config.algorithm, 64), config)
    assert_same(recorder.gradients[0], list(expected))
    assert max(g.abs().max() for g in expected) > 1e-3
    assert metrics["policy/kl"] > 0
    assert metrics["policy/ratio_mean"] == pytest.approx(1)


def test_the_second_update_on_a_batch_uses_the_ratio_to_the_first(folder):
    config = make_config(folder, algorithm={"updates_per_batch": 2})
    policy, twin = load(config), load(config)
    with torch.no_grad():
        old = [logprobs_of(twin, g, r, 1.0) for g in groups() for r in g.rollouts]
    first = torch.autograd.grad(article_loss(twin, config), twin.trainable_parameters())
    with torch.no_grad():
        for parameter, gradient in zip(twin.trainable_parameters(), first, strict=True):
            parameter.sub_(0.5 * gradient)
    expected = torch.autograd.grad(article_loss(twin, config, old), twin.trainable_parameters())
    recorder = GradientRecorder(policy, rate=0.5)
    metrics = update_policy(policy, recorder, build_batch(groups(), config.algorithm, 64), config)
    assert len(recorder.gradients) == 2
    assert_same(recorder.gradients[1], list(expected))
    assert metrics["policy/clip_fraction"] > 0


def test_without_a_kl_term_groups_without_signal_are_skipped_and_the_gradient_stays(folder):
    config = make_config(folder, algorithm={"beta": 0.0})
    batch = build_batch(groups(), config.algorithm, 64)
    assert len(batch.rows) == 8
    assert batch.num_uniform_groups == 1
    assert batch.normalizer.num_sequences == 12
    policy = load(config)
    expected = torch.autograd.grad(article_loss(policy, config), policy.trainable_parameters())
    recorder = GradientRecorder(policy, rate=0.0)
    update_policy(policy, recorder, batch, config)
    assert_same(recorder.gradients[0], list(expected))


def test_a_batch_without_any_signal_takes_no_step(folder):
    config = make_config(folder, algorithm={"beta": 0.0})
    policy = load(config)
    recorder = GradientRecorder(policy, rate=1.0)
    batch = build_batch(groups([[1.0] * 4, [0.0] * 4]), config.algorithm, 64)
    assert update_policy(policy, recorder, batch, config) == {}
    assert (recorder.gradients, recorder.num_skipped) == ([], 1)


def test_a_rollout_without_a_reward_is_left_out_of_its_group(folder):
    config = make_config(folder)
    batch = build_batch(groups([[1.0, None, 0.0, 1.0], [None] * 4]), config.algorithm, 64)
    assert batch.num_unscored == 5
    assert batch.normalizer.num_sequences == 3
    # 1, 0, 1: mean 2/3, sample deviation 0.57735.
    assert [row.advantage for row in batch.rows] == pytest.approx([0.57725, -1.1545, 0.57725], abs=1e-4)


def test_micro_batches_keep_every_row_with_its_advantage_and_logprobs(folder):
    config = make_config(folder)
    batch = build_batch(groups(), config.algorithm, 64)
    slices = slice_batch(batch, 40, pad_id=0)
    assert sum(len(piece.lengths) for piece in slices) == 12
    assert sorted(a for piece in slices for a in piece.advantages.tolist()) == pytest.approx(
        sorted(row.advantage for row in batch.rows)
    )
    for piece in slices:
        assert piece.tokens.trained.sum(1).tolist() == piece.lengths
        assert (piece.sampled_logprobs != 0).sum(1).tolist() == piece.lengths
