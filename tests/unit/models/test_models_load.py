"""Loading: adapter shapes, seeds, silence, and one clear line for every wrong input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_models import random_ids, tiny_tokenizer, write_tiny_model
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    PhimoeConfig,
    PhimoeForCausalLM,
    PreTrainedModel,
)

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ConfigError, EnvironmentError_, ModelError, R1KitError
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy

IDS = random_ids(1, 20)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "adapter"
    load(base, lora=LoraConfig(rank=4, alpha=8, targets=("q_proj", "v_proj"))).save(folder)
    return folder


def load(base: Path, *, train: bool = True, seed: int = 0, **fields: object) -> Policy:
    return load_policy(ModelConfig(path=str(base), device="cpu", **fields), train=train, seed=seed)


def changed(folder: Path, target: Path, name: str, **fields: object) -> Path:
    """A copy of `folder` in which some fields of a JSON file are others; None removes a field."""
    shutil.copytree(folder, target)
    path = target / name
    values = json.loads(path.read_text(encoding="utf-8")) | fields
    values = {key: value for key, value in values.items() if value is not None}
    path.write_text(json.dumps(values), encoding="utf-8")
    return target


def refused(kind: type[R1KitError], base: Path | str, **fields: object) -> str:
    with pytest.raises(kind) as caught:
        load_policy(ModelConfig(**{"path": str(base), "device": "cpu", **fields}), train=True)
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.exit_code == kind.exit_code
    return line


# Adapters


def adapted(policy: Policy) -> set[str]:
    trained = (name for name, p in policy.model.named_parameters() if p.requires_grad)
    return {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in trained}


def test_targets_choose_layers(base: Path) -> None:
    assert adapted(load(base, lora=LoraConfig(targets="attention"))) == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
    }
    assert adapted(load(base, lora=LoraConfig(targets=("up_proj",)))) == {"up_proj"}


def test_unknown_target_names_the_nearest_layer(base: Path) -> None:
    line = refused(ModelError, base, lora=LoraConfig(targets=("q_porj",)))
    assert "no linear layer 'q_porj'; did you mean q_proj?" in line


@pytest.mark.parametrize(("rslora", "scale"), [(False, 64 / 16), (True, 64 / 4)])
def test_update_is_scaled_by_alpha_over_rank_or_its_root(base: Path, rslora: bool, scale: float) -> None:
    policy = load(base, lora=LoraConfig(rank=16, alpha=64, use_rslora=rslora))
    layers = [m for m in policy.model.modules() if isinstance(getattr(m, "scaling", None), dict)]
    scales = {layer.scaling["default"] for layer in layers}
    assert scales == {scale}


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("kind", ["use_dora", "use_rslora"])
def test_dora_and_rslora_adapters_come_back_as_they_were(
    base: Path, tmp_path: Path, kind: str, quantization: str
) -> None:
    policy = load(base, lora=LoraConfig(rank=4, **{kind: True}), quantization=quantization)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(0.02)
    policy.save(tmp_path / "adapter")
    again = load(base, adapter=tmp_path / "adapter", quantization=quantization)
    with policy.sampling(), again.sampling():
        assert torch.equal(policy.model(IDS).logits, again.model(IDS).logits)
    assert again.num_trainable == policy.num_trainable


def test_fresh_adapter_depends_on_the_seed_alone_and_leaves_the_global_generator(base: Path) -> None:
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first, second, other = load(base, seed=1), load(base, seed=1), load(base, seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    one, two, three = ([p.detach() for p in x.trainable_parameters()] for x in (first, second, other))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, three, strict=True))


def test_shape_of_the_starting_adapter_wins_over_the_defaults(base: Path, adapter: Path) -> None:
    policy = load(base, adapter=adapter)
    assert adapted(policy) == {"q_proj", "v_proj"}
    assert {p.shape[0] for n, p in policy.model.named_parameters() if "lora_A" in n} == {4}


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        ({"rank": 8}, "model.lora.rank is 8, but the adapter"),
        ({"alpha": 9}, "model.lora.alpha is 9.0"),
        ({"targets": "all-linear"}, "has ['q_proj', 'v_proj'] and is continued"),
        ({"use_dora": True}, "model.lora.use_dora is True"),
    ],
)
def test_setting_that_contradicts_the_starting_adapter_is_refused(
    base: Path, adapter: Path, lora: dict[str, object], words: str
) -> None:
    assert words in refused(ModelError, base, adapter=adapter, lora=LoraConfig(**lora))


def test_settings_that_agree_with_the_starting_adapter_are_accepted(base: Path, adapter: Path) -> None:
    lora = LoraConfig(rank=4, alpha=8, targets=("v_proj", "q_proj"), dropout=0.1)
    policy = load(base, adapter=adapter, lora=lora)
    dropouts = {m.p for n, m in policy.model.named_modules() if "lora_dropout.default" in n}
    assert dropouts == {0.1}


# Modes of loading


def test_policy_loaded_for_use_has_nothing_to_train(base: Path, adapter: Path) -> None:
    for policy in (load(base, train=False), load(base, train=False, adapter=adapter)):
        assert policy.trainable_parameters() == []
        assert not policy.model.training


def test_full_tuning_trains_every_weight(base: Path) -> None:
    policy = load(base, tuning="full")
    assert policy.num_trainable == policy.num_parameters
    assert policy.model.training


def test_loading_and_saving_print_nothing(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    load(base, quantization="nf4").save(tmp_path / "adapter")
    load(base, adapter=tmp_path / "adapter")
    load(base, tuning="full").save(tmp_path / "model")
    assert capfd.readouterr() == ("", "")


def test_importing_the_loading_layer_prints_nothing() -> None:
    command = [sys.executable, "-c", "import r1kit.models.load"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "")


def test_model_in_words_names_the_trained_share(base: Path) -> None:
    said: list[str] = []
    config = ModelConfig(path=str(base), quantization="nf4", device="cpu", lora=LoraConfig(rank=4))
    policy = load_policy(config, train=True, say=said.append)
    share = policy.num_trainable / policy.num_parameters
    assert f"{policy.num_trainable:,} trained ({share:.2%}); nf4 weights, float32 on cpu" in said[0]


# Wrong input


def test_missing_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder" in refused(ModelError, tmp_path / "nowhere")
    assert "no such folder" in refused(ModelError, "./nowhere")


def test_hub_model_that_cannot_be_looked_up_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    line = refused(EnvironmentError_, "nobody/nothing-of-this-name")
    assert "not in the hub cache, and the hub cannot be reached" in line


def test_hub_id_with_impossible_characters_is_refused() -> None:
    assert "not a hub id" in refused(ModelError, "no body/no thing")


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "config.json is missing" in refused(ModelError, tmp_path)


def test_adapter_given_as_base_is_refused(adapter: Path) -> None:
    assert "give it as model.adapter" in refused(ModelError, adapter)


def test_model_without_weights_is_refused(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    assert "no model*.safetensors" in refused(ModelError, copy)


def test_damaged_weights_are_refused(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"not weights at all")
    assert "cannot be loaded" in refused(ModelError, copy)


def test_weights_that_would_be_random_are_refused(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert "no weights for model.layers.1.mlp.up_proj.weight" in refused(ModelError, copy)


def test_weights_of_another_shape_are_refused(base: Path, tmp_path: Path) -> None:
    copy = changed(base, tmp_path / "copy", "config.json", intermediate_size=96)
    assert "cannot be loaded" in refused(ModelError, copy)


def test_model_that_needs_its_own_code_is_refused(base: Path, tmp_path: Path) -> None:
    auto_map = {"AutoModelForCausalLM": "modeling_odd.Odd"}
    copy = changed(base, tmp_path / "copy", "config.json", model_type="odd", auto_map=auto_map)
    (copy / "modeling_odd.py").write_text("raise SystemExit('must never run')", encoding="utf-8")
    assert "needs Python code from its repository" in refused(ModelError, copy)


def test_unknown_architecture_is_refused(base: Path, tmp_path: Path) -> None:
    copy = changed(base, tmp_path / "copy", "config.json", model_type="odd")
    assert "does not know model_type 'odd'" in refused(ModelError, copy)


def test_model_that_generates_no_text_is_refused(base: Path, tmp_path: Path) -> None:
    copy = changed(base, tmp_path / "copy", "config.json", model_type="vit")
    assert "cannot be loaded" in refused(ModelError, copy)


def test_quantized_checkpoint_is_refused(base: Path, tmp_path: Path) -> None:
    quantized = {"quant_method": "gptq", "bits": 4}
    copy = changed(base, tmp_path / "copy", "config.json", quantization_config=quantized)
    assert "already quantized (gptq)" in refused(ModelError, copy)


def test_tokenizer_larger_than_the_model_is_refused(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy")
    tiny_tokenizer(special=("<|endoftext|>", *(f"<|extra{i}|>" for i in range(80)))).save_pretrained(copy)
    assert "they do not belong together" in refused(ModelError, copy)


def test_folder_without_tokenizer_is_refused(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "copy", ignore=shutil.ignore_patterns("token*", "*.jinja"))
    assert "holds no tokenizer" in refused(ModelError, copy)


def test_missing_adapter_is_named(base: Path, tmp_path: Path) -> None:
    assert "no such folder" in refused(ModelError, base, adapter=tmp_path / "nowhere")
    assert "adapter_config.json is missing" in refused(ModelError, base, adapter=tmp_path)


def test_adapter_of_another_base_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    other = write_tiny_model(tmp_path / "base", seed=1)
    line = refused(ModelError, other, adapter=adapter)
    assert f"was trained on {base}" in line
    assert "set model.path to its base" in line


def test_moved_base_is_still_the_adapters_base(base: Path, adapter: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(base, tmp_path / "moved")
    assert load(moved, adapter=adapter).num_trainable > 0


def test_adapter_without_lineage_is_held_to_the_name_of_its_base(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    bare = shutil.copytree(adapter, tmp_path / "bare", ignore=shutil.ignore_patterns("lineage.json"))
    assert load(base, adapter=bare).num_trainable > 0
    other = shutil.copytree(base, tmp_path / "other")
    assert "its adapter_config.json says so" in refused(ModelError, other, adapter=bare)


def test_adapter_whose_weights_are_of_another_shape_is_refused(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    wrong = changed(adapter, tmp_path / "wrong", "adapter_config.json", r=8)
    assert "size mismatch" in refused(ModelError, base, adapter=wrong)


def test_adapter_with_missing_weights_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    wrong = shutil.copytree(adapter, tmp_path / "wrong")
    weights = load_file(wrong / "adapter_model.safetensors")
    weights.popitem()
    save_file(weights, wrong / "adapter_model.safetensors")
    assert "is only in one of them" in refused(ModelError, base, adapter=wrong)


def test_adapter_that_is_no_lora_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    wrong = changed(adapter, tmp_path / "wrong", "adapter_config.json", peft_type="IA3", r=None)
    assert "peft_type is IA3, only LORA can be used" in refused(ModelError, base, adapter=wrong)


def test_adapter_with_a_damaged_config_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    wrong = shutil.copytree(adapter, tmp_path / "wrong")
    (wrong / "adapter_config.json").write_text("[", encoding="utf-8")
    assert "adapter_config.json cannot be read" in refused(ModelError, base, adapter=wrong)


def test_damaged_lineage_is_refused(base: Path, adapter: Path, tmp_path: Path) -> None:
    wrong = shutil.copytree(adapter, tmp_path / "wrong")
    (wrong / "lineage.json").write_text("{", encoding="utf-8")
    assert "lineage.json is damaged" in refused(ModelError, base, adapter=wrong)


def test_device_that_is_no_device_is_refused(base: Path) -> None:
    assert "'tpu-ish' is not a device" in refused(ConfigError, base, device="tpu-ish")


def test_device_that_is_not_there_is_refused(base: Path) -> None:
    assert "CUDA devices" in refused(EnvironmentError_, base, device="cuda:99")


def test_folder_with_other_files_is_not_overwritten(base: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ModelError, match="holds other files"):
        load(base).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_saving_again_replaces_the_adapter_whole(base: Path, tmp_path: Path) -> None:
    load(base).save(tmp_path / "adapter")
    (tmp_path / "adapter" / "stale").touch()
    load(base).save(tmp_path / "adapter")
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert not (tmp_path / "adapter" / "stale").exists()


def test_a_misspelt_local_folder_is_not_taken_for_a_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_model(tmp_path / "data" / "tiny_base")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"'data/tiny_bas': no such folder; did you mean data/tiny_base\?"):
        load_policy(ModelConfig(path="data/tiny_bas"), train=False)


def written(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        config = GPT2Config(
            n_embd=64, n_layer=1, n_head=2, vocab_size=320, bos_token_id=None, eos_token_id=None
        )
        return written(GPT2LMHeadModel(config), tmp_path / "gpt2")


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_layers_whose_weight_lies_the_other_way_round_are_adapted_too(
    gpt2: Path, tmp_path: Path, quantization: str
) -> None:
    policy = load(gpt2, lora=LoraConfig(rank=4), quantization=quantization)
    assert adapted(policy) == {"c_attn", "c_proj", "c_fc"}
    # 4 * (64 + 192), 4 * (64 + 64) and twice 4 * (64 + 256).
    assert policy.num_trainable == 4 * (256 + 128 + 2 * 320)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(0.02)
    policy.save(tmp_path / "adapter")
    again = load(gpt2, adapter=tmp_path / "adapter", quantization=quantization)
    with policy.sampling(), again.sampling():
        adapted_logits = policy.model(IDS).logits
        assert torch.equal(adapted_logits, again.model(IDS).logits)
        with policy.model.disable_adapter():
            assert not torch.allclose(adapted_logits, policy.model(IDS).logits, atol=1e-3)


def test_targets_that_a_model_cannot_have_are_refused_in_one_line(tmp_path: Path) -> None:
    # Mamba has no attention, and computes with some of its weights without calling their layers.
    config = MambaConfig(hidden_size=32, num_hidden_layers=1, vocab_size=320, state_size=4)
    mamba = written(MambaForCausalLM(config), tmp_path / "mamba")
    line = refused(ModelError, mamba, lora=LoraConfig(targets="attention"))
    assert "no linear layer that model.lora.targets attention could mean" in line
    line = refused(ModelError, mamba, lora=LoraConfig(targets="all-linear"))
    assert "cannot have adapters on model.lora.targets all-linear: " in line
    assert "out_proj" in line


def test_a_router_of_experts_gets_no_adapter(tmp_path: Path) -> None:
    # It is a linear layer that returns a choice of experts beside its product.
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = PhimoeConfig(
        **shape,
        **ends,
        num_key_value_heads=2,
        num_local_experts=2,
        vocab_size=320,
        max_position_embeddings=64,
    )
    policy = load(written(PhimoeForCausalLM(config), tmp_path / "experts"))
    assert adapted(policy) == {"q_proj", "k_proj", "v_proj", "o_proj"}
    policy.model(IDS).logits.sum().backward()
    line = refused(ModelError, tmp_path / "experts", lora=LoraConfig(targets=("router",)))
    assert "the model has no linear layer 'router'" in line
