"""One GRPO update against the article's formula, written as loops over outputs and tokens."""

from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.rl import GrpoAlgorithm, GrpoConfig
from r1kit.core.problem import Problem
from r1kit.core.rollout import Completion, FinishReason, Group, Rollout, Score
from r1kit.grpo.batch import RlBatch, build_batch, objective_of
from r1kit.grpo.update import update_policy
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.objectives.advantages import group_advantages
from r1kit.objectives.aggregate import Normalizer
from r1kit.objectives.grpo import grpo_loss
from r1kit.rl.rows import slice_rows
from r1kit.training.forward import unflatten
from r1kit.training.optimizer import StepStats
from r1kit.training.recovery import MicroBatchSize

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

    def clear_gradient(self) -> None:
        for parameter in self.policy.trainable_parameters():
            parameter.grad = None


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


def update(
    policy: Policy, recorder: GradientRecorder, batch: RlBatch, config: GrpoConfig
) -> dict[str, float]:
    size = MicroBatchSize(config.batching.micro_batch_tokens or 10_000)
    return update_policy(policy, recorder, batch, config, size)


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
    metrics = update(policy, recorder, build_batch(groups(), config.algorithm, 64), config)
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
    metrics = update(policy, recorder, build_batch(groups(), config.algorithm, 64), config)
    assert len(recorder.gradients) == 2
    assert_same(recorder.gradients[1], list(expected))
    assert metrics["policy/clip_fraction"] > 0


def whole_batch_gradient(policy: Policy, config: GrpoConfig, old: list[torch.Tensor]) -> list[torch.Tensor]:
    """The gradient of all rows in one rectangle, each text run alone; the loss itself is tested in objectives/."""
    pairs = [(group, rollout) for group in groups() for rollout in group.rollouts]
    rewards = torch.tensor([rollout.score.reward for _, rollout in pairs])
    algorithm = config.algorithm
    advantages = group_advantages(rewards, 4, algorithm.advantage_scale, baseline=algorithm.baseline)
    new = [logprobs_of(policy, *pair, config.sampling.temperature) for pair in pairs]
    lengths = [len(row) for row in new]
    matrix, mask = unflatten(torch.cat(new), lengths)
    loss = grpo_loss(
        matrix,
        unflatten(torch.cat(old), lengths)[0],
        None,
        advantages,
        mask,
        objective=objective_of(algorithm),
        normalizer=Normalizer.from_lengths(lengths, 64),
        sampled_logprobs=torch.full_like(matrix, -1.0),  # as make_group has it
    ).loss
    return list(torch.autograd.grad(loss, policy.trainable_parameters()))


@pytest.mark.parametrize("micro_batch_tokens", [10_000, 40])
@pytest.mark.parametrize(
    ("name", "cap", "rate"),
    [
        ("dr_grpo", None, 0.5),
        ("dapo", None, 0.3),
        ("gspo", None, 3e-4),
        ("cispo", None, 0.3),
        ("rloo", None, 0.03),
        ("grpo", 0.005, 50.0),
    ],
)
def test_both_updates_of_every_variant_are_those_of_the_whole_batch(
    folder, name, cap, rate, micro_batch_tokens
):
    algorithm = {"name": name, "beta": 0.0, "updates_per_batch": 2, "importance_cap": cap}
    config = make_config(folder, batching={"micro_batch_tokens": micro_batch_tokens}, algorithm=algorithm)
    policy, twin = load(config), load(config)
    with torch.no_grad():
        pairs = [(group, rollout) for group in groups() for rollout in group.rollouts]
        old = [logprobs_of(twin, *pair, 1.0) for pair in pairs]
    recorder = GradientRecorder(policy, rate)
    metrics = update(policy, recorder, build_batch(groups(), config.algorithm, 64), config)
    for gradient in recorder.gradients:
        size = max(part.abs().max() for part in gradient)
        expected = whole_batch_gradient(twin, config, old)
        assert size > 0
        assert_same([part / size for part in gradient], [part / size for part in expected])
        with torch.no_grad():
            for parameter, slope in zip(twin.trainable_parameters(), gradient, strict=True):
                parameter.sub_(rate * slope)
    assert len(recorder.gradients) == 2
    assert (0 < metrics["policy/clip_fraction"] < 1) is (name in ("grpo", "dapo", "gspo"))
    assert cap is None or 0 < metrics["policy/importance_capped_rate"] < 1


def test_without_a_kl_term_groups_without_signal_are_skipped_and_the_gradient_stays(folder):
    config = make_config(folder, algorithm={"beta": 0.0})
    batch = build_batch(groups(), config.algorithm, 64)
    assert len(batch.rows) == 8
    assert batch.num_uniform_groups == 1
    assert batch.normalizer.num_sequences == 12
    policy = load(config)
    expected = torch.autograd.grad(article_loss(policy, config), policy.trainable_parameters())
    recorder = GradientRecorder(policy, rate=0.0)
    update(policy, recorder, batch, config)
    assert_same(recorder.gradients[0], list(expected))


def test_a_batch_without_any_signal_takes_no_step(folder):
    config = make_config(folder, algorithm={"beta": 0.0})
    policy = load(config)
    recorder = GradientRecorder(policy, rate=1.0)
    batch = build_batch(groups([[1.0] * 4, [0.0] * 4]), config.algorithm, 64)
    assert update(policy, recorder, batch, config) == {}
    assert (recorder.gradients, recorder.num_skipped) == ([], 1)


def test_a_rollout_without_a_reward_is_left_out_of_its_group(folder):
    config = make_config(folder)
    batch = build_batch(groups([[1.0, None, 0.0, 1.0], [None] * 4]), config.algorithm, 64)
    assert batch.num_unscored == 5
    assert batch.normalizer.num_sequences == 3
    # 1, 0, 1: mean 2/3, sample deviation 0.57735.
    assert [row.advantage for row in batch.rows] == pytest.approx([0.57725, -1.1545, 0.57725], abs=1e-4)


def test_micro_batches_keep_every_row_once_beside_its_siblings():
    batch = build_batch(groups(), GrpoAlgorithm(group_size=4), 64)
    slices = slice_rows(batch.rows, 40)
    assert sorted(place for micro in slices for place in micro.places) == list(range(12))
    for micro in slices:
        rows = [batch.rows[place] for place in micro.places]
        texts = [(tree.prompt_ids, ids) for tree in micro.trees for ids in tree.completions]
        assert texts == [(row.prompt_ids, row.completion_ids) for row in rows]
        assert micro.num_tokens <= 40
    assert len(slices) > 2
