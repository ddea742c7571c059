"""Pairs in micro-batches: all there, together, within the budget, and with the same gradient."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.reward_model import RewardModelConfig
from r1kit.models.load import load_policy
from r1kit.models.scalar_head import ScalarHead
from r1kit.reward_model.batches import slice_pairs
from r1kit.reward_model.examples import PairIds
from r1kit.reward_model.trainer import RewardTrainer, worst_case_pairs
from r1kit.tracking.tracker import Tracker
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


def some_pairs(seed: int = 0) -> list[PairIds]:
    """Ten pairs about three prompts."""
    draw = random.Random(seed)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(draw.randrange(3, 270) for _ in range(length))

    prompts = [ids(length) for length in (12, 3, 20)]
    return [
        PairIds(str(i), prompts[i % 3], ids(draw.randint(1, 15)), ids(draw.randint(1, 15)), 0.25 * i)
        for i in range(10)
    ]


@pytest.mark.parametrize("max_tokens", [1, 40, 60, 100, 1000])
def test_every_pair_is_in_one_slice_with_both_of_its_texts(max_tokens: int) -> None:
    pairs = some_pairs()
    slices = slice_pairs(pairs, max_tokens)
    assert sorted(place for batch in slices for place in batch.places) == list(range(10))
    for batch in slices:
        replies = [reply for tree in batch.trees for reply in tree.completions]
        assert replies[0::2] == [pairs[place].chosen_ids for place in batch.places]
        assert replies[1::2] == [pairs[place].rejected_ids for place in batch.places]
        prompts = [tree.prompt_ids for tree in batch.trees for _ in range(len(tree.completions) // 2)]
        assert prompts == [pairs[place].prompt_ids for place in batch.places]
        assert batch.num_tokens <= max_tokens or len(batch.places) == 1


def test_pairs_about_one_prompt_share_it() -> None:
    pairs = [PairIds(str(i), tuple(range(3, 53)), (60 + i,), (70 + i,)) for i in range(4)]
    (batch,) = slice_pairs(pairs, 1000)
    assert batch.num_tokens == 50 + 8


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"))


MakeTrainer = Callable[..., RewardTrainer]


@pytest.fixture
def make_trainer(base: Path, tmp_path: Path) -> Iterator[MakeTrainer]:
    """Makes trainers that begin alike; their run folders are closed in the end."""
    trackers: list[Tracker] = []

    def make(max_tokens: int, **fields: float) -> RewardTrainer:
        output = tmp_path / str(len(trackers))
        trackers.append(Tracker(output, stage="reward-model", config={}, seed=0, quiet=True))
        return new_trainer(base, trackers[-1], max_tokens, **fields)

    yield make
    for tracker in trackers:
        tracker.finish({})


def new_trainer(base: Path, tracker: Tracker, max_tokens: int, **fields: float) -> RewardTrainer:
    config = RewardModelConfig(
        model=ModelConfig(path=str(base), lora=LoraConfig(rank=4), device="cpu"),
        output=tracker.output,
        data="unread.jsonl",
        **fields,
    )
    policy = load_policy(config.model, train=True)
    head = ScalarHead(64)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        head.weight.copy_(torch.randn(64, generator=generator))
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    optimizer = Optimizer(
        [*policy.trainable_parameters(), *head.parameters()], config.optim, learning_rate=1e-3, num_steps=10
    )
    return RewardTrainer(config, policy, head, optimizer, tracker, MicroBatchSize(max_tokens, tracker.say))


def gradient(trainer: RewardTrainer, pairs: list[PairIds]) -> tuple[float, torch.Tensor]:
    loss, _ = trainer._accumulate(pairs)
    parameters = [*trainer.policy.trainable_parameters(), *trainer.head.parameters()]
    return loss, torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])


@pytest.mark.parametrize("max_tokens", [1, 60])
def test_the_gradient_does_not_depend_on_how_pairs_are_cut(
    make_trainer: MakeTrainer, max_tokens: int
) -> None:
    pairs = some_pairs()
    loss, whole = gradient(make_trainer(10_000, margin_weight=1.0), pairs)
    cut_loss, cut = gradient(make_trainer(max_tokens, margin_weight=1.0), pairs)
    assert cut_loss == pytest.approx(loss, rel=1e-5)
    assert (cut - whole).norm() < 1e-5 * whole.norm()


def test_loss_and_gradient_are_those_of_each_pair_alone_in_float64(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(10_000, margin_weight=2.0, center_weight=0.1)
    pairs = some_pairs()
    loss, got = gradient(trainer, pairs)
    trainer.optimizer.clear_gradient()
    trainer.policy.model.double()
    trainer.head.double()

    def score(prompt: tuple[int, ...], reply: tuple[int, ...]) -> torch.Tensor:
        output = trainer.policy.model(
            input_ids=torch.tensor([[*prompt, *reply]]), output_hidden_states=True, use_cache=False
        )
        last: torch.Tensor = output.hidden_states[-1][0, -1]
        return last @ trainer.head.weight + trainer.head.bias

    total = torch.zeros((), dtype=torch.float64)
    for pair in pairs:
        chosen, rejected = score(pair.prompt_ids, pair.chosen_ids), score(pair.prompt_ids, pair.rejected_ids)
        total = total - torch.log(torch.sigmoid(chosen - rejected - 2.0 * pair.margin)) / len(pairs)
        total = total + 0.1 * (chosen + rejected) ** 2 / len(pairs)
    total.backward()
    parameters = [*trainer.policy.trainable_parameters(), *trainer.head.parameters()]
    expected = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    assert loss == pytest.approx(total.item(), rel=1e-5)
    assert (got.double() - expected).norm() < 1e-5 * expected.norm()


def test_a_step_that_ran_out_of_memory_is_done_again_with_the_same_gradient(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = some_pairs()
    trainer, other = (make_trainer(10_000) for _ in range(2))
    plain = other.step(1, pairs)
    scores = RewardTrainer._scores
    calls = []

    def too_large(self: RewardTrainer, batch: object) -> object:
        calls.append(len(batch.places))  # type: ignore[attr-defined]
        if len(calls) == 2:
            raise torch.OutOfMemoryError("out of memory")
        return scores(self, batch)  # type: ignore[arg-type]

    trainer.size.tokens = 150
    monkeypatch.setattr(RewardTrainer, "_scores", too_large)
    metrics = trainer.step(1, pairs)
    assert metrics["memory/num_oom"] == 1
    assert metrics["memory/micro_batch_tokens"] < 150
    assert metrics["reward_model/loss"] == pytest.approx(plain["reward_model/loss"], rel=1e-5)
    assert metrics["optim/grad_norm"] == pytest.approx(plain["optim/grad_norm"], rel=1e-4)


def test_the_worst_micro_batch_fills_its_tokens_and_leaves_nothing_behind(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(100)
    pairs = worst_case_pairs(trainer.policy, 100, 16)
    assert [pair.num_tokens for pair in pairs] == [16] * 3
    assert len(worst_case_pairs(trainer.policy, 10, 16)) == 1
    trainer.prove(100, 16)
    parameters = [*trainer.policy.trainable_parameters(), *trainer.head.parameters()]
    assert all(parameter.grad is None for parameter in parameters)
