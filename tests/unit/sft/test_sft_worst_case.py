"""The rehearsal of the worst case, which changes nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.optim import OptimConfig
from r1kit.config.stages import SftConfig
from r1kit.models.load import load_policy
from r1kit.sft.loop import SftTrainer
from r1kit.sft.worst_case import worst_case_examples
from r1kit.training.optimizer import Optimizer
from r1kit.training.recovery import MicroBatchSize


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    folder = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    return load_policy(ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8)), train=True)


@pytest.mark.parametrize(
    ("max_tokens", "longest", "lengths"),
    [(100, 40, [40, 40, 20]), (80, 40, [40, 40]), (81, 40, [40, 40]), (10, 40, [40])],
)
def test_texts_of_full_length_fill_the_micro_batch(policy, max_tokens, longest, lengths):
    examples = worst_case_examples(policy, max_tokens, longest)
    assert [len(example) for example in examples] == lengths


def test_a_rehearsal_runs_one_micro_batch_and_leaves_no_gradient_and_no_change(policy, monkeypatch):
    config = SftConfig(model=policy.config, output="o", data="d")
    optimizer = Optimizer(policy.trainable_parameters(), OptimConfig(), learning_rate=1.0, num_steps=1)
    trainer = SftTrainer(config, policy, optimizer, SimpleNamespace(), [], MicroBatchSize(100))
    before = [parameter.clone() for parameter in policy.trainable_parameters()]
    seen = []
    real = SftTrainer._loss

    def noted(self, batch, normalizer):
        seen.append((len(batch.lengths), len(batch.packed.input_ids)))
        return real(self, batch, normalizer)

    monkeypatch.setattr(SftTrainer, "_loss", noted)
    trainer.rehearse(100, 40)
    assert seen == [(3, 100)]
    assert all(parameter.grad is None for parameter in policy.trainable_parameters())
    assert all(map(torch.equal, policy.trainable_parameters(), before))
