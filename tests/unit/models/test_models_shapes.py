"""Shapes from a config alone, against the models themselves."""

from __future__ import annotations

import json

import pytest
from tiny_models import FAMILIES, tiny_config, write_tiny_model
from transformers import Gemma3nTextConfig, GPT2Config, MambaConfig, OPTConfig

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.models.load import load_policy
from r1kit.models.shapes import find_shapes, lora_of, shapes_of, targeted


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parameters_of_every_family_are_counted(family):
    from transformers import AutoModelForCausalLM

    config = tiny_config(family)
    shapes = shapes_of(config, family)
    model = AutoModelForCausalLM.from_config(config)
    assert shapes.num_parameters == sum(parameter.numel() for parameter in model.parameters())
    layer = model.model.layers[0]
    wide = [name for name, value in layer.named_parameters() if value.shape == (64,) and "norm" in name]
    assert shapes.norms == len(wide)
    assert (shapes.norm_heads > 0) == hasattr(layer.self_attn, "q_norm")
    assert shapes.has_softcap == (family == "gemma2")
    assert shapes.window == (16 if family in ("mistral", "gemma2", "gemma3") else None)


def test_a_folder_and_its_config_file_have_the_same_shapes(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(tiny_config("qwen2").to_dict()), encoding="utf-8")
    in_folder, in_file = find_shapes(str(tmp_path)), find_shapes(str(tmp_path / "config.json"))
    assert in_folder.linears == in_file.linears
    assert (in_folder.hidden, in_folder.kv_heads, in_folder.head_dim, in_folder.context) == (64, 2, 16, 256)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "must hold an object"),
        ('{"model_type": "unheard"}', "does not know model_type 'unheard'"),
        ('{"model_type": "qwen2", "hidden_size": "wide"}', "makes no model"),
        ('{"model_type": "qwen2", "num_attention_heads": 0}', "makes no model"),
    ],
)
def test_a_config_that_makes_no_model_is_told_in_one_line(content, said, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=said) as caught:
        find_shapes(str(path))
    assert "\n" not in str(caught.value)


def test_a_path_to_nothing_is_no_hub_id(tmp_path):
    for path in (str(tmp_path / "gone"), "missing/config.json"):
        with pytest.raises(ModelError, match=r"no such folder or config\.json"):
            find_shapes(path)


def test_adapters_sit_where_the_loading_layer_puts_them():
    shapes = shapes_of(tiny_config("phi3"), "phi3")
    names = {
        targets: {layer.name for layer in targeted(shapes, LoraConfig(targets=targets))}
        for targets in ("all-linear", "attention", ("down_proj",))
    }
    assert names == {
        "all-linear": {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
        "attention": {"qkv_proj", "o_proj"},
        ("down_proj",): {"down_proj"},
    }
    with pytest.raises(ModelError, match="no linear layer 'q_proj'"):
        targeted(shapes, LoraConfig(targets=("q_proj",)))


def test_an_adapter_that_is_continued_brings_its_own_shape(tmp_path):
    folder = write_tiny_model(tmp_path / "model")
    trained = ModelConfig(path=str(folder), lora=LoraConfig(rank=3, alpha=6, targets="attention"))
    load_policy(trained, train=True).save(tmp_path / "adapter")
    lora = lora_of(ModelConfig(path=str(folder), adapter=tmp_path / "adapter"))
    assert (lora.rank, lora.targets) == (3, ("k_proj", "o_proj", "q_proj", "v_proj"))
    # peft names layers by their whole path where only some of them have an adapter.
    written = json.loads((tmp_path / "adapter/adapter_config.json").read_text(encoding="utf-8"))
    written["target_modules"] = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"]
    (tmp_path / "adapter/adapter_config.json").write_text(json.dumps(written), encoding="utf-8")
    lora = lora_of(ModelConfig(path=str(folder), adapter=tmp_path / "adapter"))
    assert lora.targets == ("down_proj", "q_proj")
    with pytest.raises(ModelError, match="not an adapter folder"):
        lora_of(ModelConfig(path=str(folder), adapter=tmp_path))


def test_families_without_an_intermediate_size_are_planned_by_their_own_name_for_it():
    opt = shapes_of(OPTConfig(hidden_size=64, ffn_dim=96, num_hidden_layers=2, num_attention_heads=4), "opt")
    assert (opt.intermediate, opt.layers) == (96, 2)
    gpt2 = shapes_of(GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=320), "gpt2")
    assert gpt2.intermediate == 256
    # Four matrices a layer: 64 x 192, 64 x 64, 64 x 256 and 256 x 64.
    assert sum(layer.size for layer in gpt2.linears) == 2 * (64 * 192 + 64 * 64 + 2 * 64 * 256)


def test_of_widths_that_differ_from_layer_to_layer_the_widest_counts():
    config = Gemma3nTextConfig(
        hidden_size=64,
        intermediate_size=[128, 96],
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=16,
        vocab_size=320,
        vocab_size_per_layer_input=320,
        hidden_size_per_layer_input=16,
        num_kv_shared_layers=0,
        layer_types=["full_attention", "full_attention"],
        activation_sparsity_pattern=[0.0, 0.0],
    )
    assert shapes_of(config, "gemma3n").intermediate == 128


def test_a_model_that_is_no_stack_of_transformer_layers_is_refused_in_words():
    with pytest.raises(ModelError, match="memory of mamba models cannot be planned"):
        shapes_of(MambaConfig(hidden_size=64, num_hidden_layers=2, vocab_size=320), "mamba")
