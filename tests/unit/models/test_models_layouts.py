"""Packed trees through every family, against each text alone in the family's own attention."""

import pytest
import torch
from tiny_models import FAMILIES, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.models.hidden import hidden_states
from r1kit.models.layouts import layouts_work
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree, pack_trees

# Longer than twice the tiny models' sliding windows; one prompt shared by three, one alone, one of a single token.
TREES = [
    Tree(tuple(range(20, 45)), (tuple(range(60, 69)), tuple(range(50, 90)), (7,))),
    Tree((5, 6, 7), (tuple(range(100, 130)),)),
    Tree((9,), ((100, 101),)),
]


def load(folder, **changes) -> Policy:
    config = ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8), **changes)
    policy = load_policy(config, train=True)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    return policy


def predicted(policy: Policy, share: bool | None) -> torch.Tensor:
    packed = pack_trees(TREES, share=share)
    return hidden_states(policy, packed)[packed.sources]


def alone(policy: Policy) -> torch.Tensor:
    """The hidden states that predict each completion token, every text by itself and without a layout."""
    rows = []
    for tree in TREES:
        for completion in tree.completions:
            ids = torch.tensor([[*tree.prompt_ids, *completion]])
            hidden = (
                policy.model.get_base_model().base_model(input_ids=ids, use_cache=False).last_hidden_state
            )
            rows.append(hidden[0, len(tree.prompt_ids) - 1 : -1])
    return torch.cat(rows)


def gradients(policy: Policy, values: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(-1, 1, values.numel()).view_as(values)
    return torch.cat(
        [g.flatten() for g in torch.autograd.grad((values * weights).sum(), policy.trainable_parameters())]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_trees_equal_each_text_alone(family, tmp_path):
    policy = load(write_tiny_model(tmp_path / "model", family))
    assert policy.follows_layouts
    expected = alone(policy)
    expected_gradients = gradients(policy, expected)
    for share in (None, False):
        actual = predicted(policy, share)
        torch.testing.assert_close(actual, expected, atol=2e-5, rtol=1e-4)
        error = gradients(policy, actual) - expected_gradients
        assert error.norm() < 2e-6 * expected_gradients.norm()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_gradient_checkpointing_remembers_the_layout(attention, tmp_path):
    folder = write_tiny_model(tmp_path / "model", "qwen3")
    plain = load(folder, attention=attention)
    recomputing = load(folder, attention=attention, gradient_checkpointing=True)
    assert recomputing.model.get_base_model().base_model.gradient_checkpointing
    error = gradients(recomputing, predicted(recomputing, None)) - gradients(plain, predicted(plain, None))
    assert error.norm() < 2e-6 * gradients(plain, predicted(plain, None)).norm()


def test_4bit_weights_follow_layouts_too(tmp_path):
    policy = load(write_tiny_model(tmp_path / "model"), quantization="nf4")
    torch.testing.assert_close(predicted(policy, None), alone(policy), atol=2e-5, rtol=1e-4)


def test_a_model_that_ignores_layouts_is_found_out_and_trains_row_by_row(tmp_path, monkeypatch):
    folder = write_tiny_model(tmp_path / "model", "llama")
    expected = alone(load(folder))
    # As with attention that is written into the model: the registered function is never asked.
    monkeypatch.setattr("r1kit.models.load.install_layouts", lambda model: None)
    policy = load(folder)
    assert not policy.follows_layouts
    torch.testing.assert_close(predicted(policy, False), expected, atol=2e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="share=False"):
        predicted(policy, True)


def test_a_model_whose_attention_does_more_than_it_is_told_is_found_out(tmp_path):
    policy = load(write_tiny_model(tmp_path / "model", "llama"))
    base = policy.model.get_base_model()
    attention = base.base_model.layers[0].self_attn
    assert layouts_work(base)
    plain = attention.forward
    # A layer that looks at its whole row, as a recurrent one would.
    attention.forward = lambda hidden_states, *a, **k: (
        plain(hidden_states, *a, **k)[0] + hidden_states.mean(dim=1, keepdim=True),
        None,
    )
    assert not layouts_work(base)


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({}, True),
        ({"sliding_window": 8}, False),
        ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 8}, False),
        ({"layer_types": ["full_attention"] * 2, "sliding_window": 8}, True),
        ({"layer_types": ["chunked_attention"] * 2}, False),
        ({"attention_chunk_size": 8}, False),
    ],
)
def test_a_window_that_the_layers_do_not_speak_of_is_found_out(changes, works, tmp_path):
    # Llama's layers pass no window, as those of families that leave it to transformers' mask.
    base = load(write_tiny_model(tmp_path / "model", "llama")).model.get_base_model()
    for name, value in changes.items():
        setattr(base.config, name, value)
    assert layouts_work(base) is works


def test_the_saved_configuration_does_not_know_of_layouts(tmp_path):
    policy = load(write_tiny_model(tmp_path / "model"))
    assert policy.model.config._attn_implementation == "r1kit_sdpa"
    assert "r1kit" not in str(policy.model.get_base_model().config.to_dict())
