from dataclasses import replace

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.load import load_policy
from r1kit.ops.trees import Tree
from r1kit.training.forward import trained_logprobs, tree_batch, unflatten

TREES = [
    Tree(tuple(range(20, 45)), (tuple(range(60, 69)), tuple(range(100, 133)), ())),
    Tree((5, 6, 7), ((8, 9),)),
]


def alone(policy, temperature: float) -> torch.Tensor:
    """Each completion behind its prompt through the whole model by itself, log-softmax of all logits."""
    rows = []
    for tree in TREES:
        for completion in tree.completions:
            logits = policy.model(input_ids=torch.tensor([[*tree.prompt_ids, *completion]])).logits[0]
            logprobs = torch.log_softmax(logits.float() / temperature, -1)[len(tree.prompt_ids) - 1 : -1]
            rows.append(logprobs.gather(-1, torch.tensor(completion, dtype=torch.int64)[:, None])[:, 0])
    return torch.cat(rows)


@pytest.mark.parametrize("family", ["qwen2", "gemma2"])
def test_logprobs_and_gradients_are_those_of_each_text_alone(family, tmp_path):
    folder = write_tiny_model(tmp_path / "model", family)
    policy = load_policy(ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8)), train=True)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    expected = alone(policy, 0.8)
    weights = torch.linspace(-1, 1, len(expected))
    scores = trained_logprobs(policy, tree_batch(policy, TREES), temperature=0.8, with_entropy=True)
    torch.testing.assert_close(scores.logprobs, expected, atol=2e-5, rtol=1e-4)
    assert (scores.entropy > 0).all()
    actual, wanted = (
        torch.autograd.grad((values * weights).sum(), policy.trainable_parameters())
        for values in (scores.logprobs, expected)
    )
    for gradient, other in zip(actual, wanted, strict=True):
        torch.testing.assert_close(gradient, other, atol=2e-4, rtol=1e-3)


def test_a_batch_knows_its_lengths(tmp_path):
    policy = load_policy(ModelConfig(path=str(write_tiny_model(tmp_path / "model"))), train=False)
    batch = tree_batch(policy, TREES)
    assert (batch.lengths, batch.num_tokens) == ((9, 33, 0, 2), 44)
    assert len(batch.packed.input_ids) == 25 + 42 + 3 + 2
    assert len(tree_batch(replace(policy, follows_layouts=False), TREES).packed.input_ids) == 3 * 25 + 42 + 5


def test_logits_that_a_family_scales_are_refused(tmp_path):
    policy = load_policy(ModelConfig(path=str(write_tiny_model(tmp_path / "model", "llama"))), train=True)
    policy.model.config.logits_scaling = 8.0
    with pytest.raises(ModelError, match="scaled"):
        trained_logprobs(policy, tree_batch(policy, TREES))


def test_unflatten_lays_out_rows_in_order_and_lets_gradients_through():
    values = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    matrix, mask = unflatten(values, [2, 0, 1])
    assert matrix.tolist() == [[1, 2], [0, 0], [3, 0]]
    assert mask.tolist() == [[True, True], [False, False], [True, False]]
    (matrix * torch.tensor([[1.0, 10.0], [5.0, 5.0], [100.0, 5.0]])).sum().backward()
    assert values.grad.tolist() == [1, 10, 100]
