import pytest
import torch
from tiny_models import random_ids, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models import folding
from r1kit.models.folding import folded_adapters
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy


def load(folder, **changes) -> Policy:
    lora = LoraConfig(rank=4, alpha=8, **changes.pop("lora", {}))
    policy = load_policy(ModelConfig(path=str(folder), lora=lora, **changes), train=True)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    return policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("folding") / "model")


def products(policy: Policy) -> int:
    """How many matrix products a forward pass makes."""
    with torch.profiler.profile() as profile, policy.sampling():
        policy.model(random_ids(2, 9))
    return sum(event.count for event in profile.key_averages() if event.key in ("aten::mm", "aten::addmm"))


def test_folded_layers_compute_the_same_in_a_third_of_the_products(folder):
    policy = load(folder)
    weights = {name: value.clone() for name, value in policy.model.state_dict().items()}
    ids = random_ids(2, 9)
    with policy.sampling():
        expected = policy.model(ids).logits
        with folded_adapters(policy.model):
            folded, num_folded = policy.model(ids).logits, products(policy)
        again = policy.model(ids).logits
    torch.testing.assert_close(folded, expected, atol=2e-5, rtol=1e-5)
    assert not torch.equal(folded, expected)
    assert torch.equal(again, expected)
    # Seven layers with an adapter in each of two blocks, and the head.
    assert (num_folded, products(policy)) == (15, 43)
    assert all(torch.equal(value, weights[name]) for name, value in policy.model.state_dict().items())


@pytest.mark.parametrize(
    "changes",
    [{"quantization": "nf4"}, {"dtype": "bfloat16"}, {"lora": {"use_dora": True}}],
    ids=["nf4", "bfloat16", "dora"],
)
def test_what_folding_would_change_or_bloat_is_left_as_it_is(folder, changes):
    policy = load(folder, **changes)
    ids = random_ids(2, 9)
    with policy.sampling():
        expected = policy.model(ids).logits
        with folded_adapters(policy.model):
            assert torch.equal(policy.model(ids).logits, expected)


def test_large_models_are_not_copied(folder, monkeypatch):
    policy = load(folder)
    monkeypatch.setattr(folding, "FOLD_LIMIT_BYTES", 1000)
    with folded_adapters(policy.model):
        assert products(policy) == 43


def test_a_failure_inside_leaves_the_layers_as_they_were(folder):
    policy = load(folder)
    with pytest.raises(RuntimeError, match="stop"), folded_adapters(policy.model):
        raise RuntimeError("stop")
    assert products(policy) == 43


def test_inside_the_reference_the_reference_is_folded(folder):
    policy = load_policy(
        ModelConfig(path=str(folder), lora=LoraConfig(rank=4)), train=True, with_reference=True
    )
    ids = random_ids(1, 9)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    with policy.reference():
        expected = policy.model(ids).logits
        with folded_adapters(policy.model):
            assert torch.equal(policy.model(ids).logits, expected)
