"""Value networks: where they start, what their numbers are of, and what is written of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import write_tiny_model

from r1kit.config.model import ModelConfig
from r1kit.models.hidden import hidden_states
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.scalar_head import ScalarHead
from r1kit.models.value_network import NETWORK_FOLDER, SeparateValueNetwork, SharedValueHead, ValueNetwork
from r1kit.ops.trees import Tree, pack_trees

TREES = [
    Tree((5, 6, 7, 8, 9), ((10, 11, 12), (13, 14), (15,))),
    Tree((20, 21), ((22, 23, 24, 25),)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("value") / "model", "qwen2")


def config_of(folder: Path, **changes) -> ModelConfig:
    return ModelConfig(path=str(folder), lora={"rank": 4, "alpha": 8}, **changes)


def networks(policy: Policy) -> list[ValueNetwork]:
    return [
        SeparateValueNetwork.load(policy.config, seed=3),
        SharedValueHead.on(policy, into_backbone=True),
    ]


def say_something(head: ScalarHead) -> None:
    with torch.no_grad():
        head.weight.copy_(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(0)))
        head.bias.fill_(0.5)


@pytest.fixture
def policy(folder: Path) -> Policy:
    return load_policy(config_of(folder), train=True, seed=3)


def test_every_state_is_worth_0_at_the_start(policy):
    for network in networks(policy):
        assert torch.equal(network.values(pack_trees(TREES)), torch.zeros(10))


def test_a_separate_network_starts_as_the_policy_and_has_its_own_weights(policy):
    network = SeparateValueNetwork.load(policy.config, seed=3)
    packed = pack_trees(TREES)
    assert torch.equal(hidden_states(network.network, packed), hidden_states(policy, packed))
    ours = {id(parameter) for parameter in policy.model.parameters()}
    assert not ours & {id(parameter) for parameter in network.network.model.parameters()}
    for one, other in zip(network.own_parameters, policy.trainable_parameters(), strict=False):
        assert torch.equal(one, other)
    assert len(network.own_parameters) == len(policy.trainable_parameters()) + 2


def test_a_value_is_that_of_the_state_before_its_token_whatever_stands_beside_it(policy):
    for network in networks(policy):
        say_something(network.head)
        found = network.values(pack_trees(TREES, share=True)).split([3, 2, 1, 4])
        model = policy.model if isinstance(network, SharedValueHead) else network.network.model
        texts = [(tree.prompt_ids, ids) for tree in TREES for ids in tree.completions]
        for values, (prompt, completion) in zip(found, texts, strict=True):
            ids = torch.tensor([[*prompt, *completion]])
            hidden = model(ids, output_hidden_states=True).hidden_states[-1][0]
            # The last token of a completion has no state behind it that is asked for.
            expected = hidden[len(prompt) - 1 : -1] @ network.head.weight + network.head.bias
            torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-5)


def test_measured_values_are_those_of_training_without_a_gradient(policy):
    for network in networks(policy):
        say_something(network.head)
        expected = network.values(pack_trees(TREES))
        with network.measuring():
            found = network.values(pack_trees(TREES))
        assert not found.requires_grad
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        assert expected.requires_grad


def test_the_gradient_reaches_the_shared_layers_unless_it_is_stopped(policy):
    for into_backbone in (True, False):
        network = SharedValueHead.on(policy, into_backbone=into_backbone)
        say_something(network.head)
        network.values(pack_trees(TREES)).sum().backward()
        reached = [p.grad is not None and bool(p.grad.any()) for p in policy.trainable_parameters()]
        assert any(reached) is into_backbone
        assert bool(network.head.weight.grad.any())
        for parameter in policy.trainable_parameters():
            parameter.grad = None


def test_an_output_head_that_no_token_goes_through_is_not_trained(folder):
    network = SeparateValueNetwork.load(config_of(folder, tuning="full"), seed=0)
    trained = {id(parameter) for parameter in network.own_parameters}
    head, embeddings = (
        network.network.model.get_output_embeddings().weight,
        network.network.model.get_input_embeddings().weight,
    )
    assert id(embeddings) in trained
    assert id(head) not in trained


def test_what_is_saved_can_be_loaded_again(policy, folder, tmp_path):
    separate, shared = networks(policy)
    with torch.no_grad():
        for parameter in separate.own_parameters:
            parameter.add_(0.1)
    separate.save(tmp_path / "separate", stage="ppo", seed=0)
    again = load_policy(config_of(folder, adapter=tmp_path / "separate" / NETWORK_FOLDER), train=False)
    head = ScalarHead.load(tmp_path / "separate")
    with torch.no_grad():
        packed = pack_trees(TREES)
        expected = separate.values(packed)
        torch.testing.assert_close(head(hidden_states(again, packed)[packed.sources]), expected)
    assert [stage.stage for stage in again.lineage.stages] == ["ppo"]
    say_something(shared.head)
    for _ in range(2):  # a folder of ours is replaced
        shared.save(tmp_path / "shared", stage="ppo", seed=0)
    assert torch.equal(ScalarHead.load(tmp_path / "shared").weight, shared.head.weight)
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == [
        "lineage.json",
        "scalar_head.safetensors",
    ]
