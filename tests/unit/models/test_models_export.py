"""Exports load with plain transformers and peft, and compute what the policy computed."""

from __future__ import annotations

import json
from pathlib import Path

import peft
import pytest
import torch
from tiny_models import CHATML, random_ids, tiny_tokenizer, write_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.stages import ExportConfig
from r1kit.core.errors import ModelError
from r1kit.models.export import export
from r1kit.models.lineage import Lineage
from r1kit.models.load import load_policy
from r1kit.models.quiet import quiet_libraries

IDS = random_ids(2, 24)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    return write_tiny_model(folder, tokenizer=tiny_tokenizer(chat_template=CHATML), generation_eos=0)


def train(config: ModelConfig, folder: Path, stage: str) -> torch.Tensor:
    policy = load_policy(config, train=True)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
        policy.save(folder, stage=stage, seed=7)
        with policy.sampling():
            return policy.model(IDS).logits


def plain_logits(folder: str) -> torch.Tensor:
    with quiet_libraries(), torch.no_grad():
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(IDS).logits


def test_merged_export_computes_what_the_adapter_computed(base: Path, tmp_path: Path) -> None:
    model = ModelConfig(path=str(base), device="cpu", lora=LoraConfig(rank=4))
    expected = train(model, tmp_path / "adapter", "sft")
    trained = ModelConfig(path=str(base), device="cpu", adapter=tmp_path / "adapter")
    result = export(ExportConfig(model=trained, output=tmp_path / "out"))
    torch.testing.assert_close(plain_logits(result["folder"]), expected, atol=1e-5, rtol=1e-5)
    assert (plain_logits(str(base)) - expected).abs().max() > 0.05
    assert result["merged"]
    assert result["stages"] == ["sft"]


def test_merged_export_carries_template_stop_tokens_and_card(base: Path, tmp_path: Path) -> None:
    train(ModelConfig(path=str(base), device="cpu"), tmp_path / "adapter", "grpo")
    trained = ModelConfig(path=str(base), device="cpu", adapter=tmp_path / "adapter")
    folder = export(ExportConfig(model=trained, output=tmp_path / "out"))["folder"]
    assert GenerationConfig.from_pretrained(folder).eos_token_id == [2, 0]
    assert AutoTokenizer.from_pretrained(folder).chat_template == CHATML
    card = (Path(folder) / "README.md").read_text(encoding="utf-8")
    assert f"- Base: {base.name}\n" in card
    assert str(base.parent) not in card
    assert "| 1 | grpo | 7 |" in card
    assert "base_model:" not in card


def test_quantized_adapter_is_merged_into_the_unquantized_base_and_says_so(
    base: Path, tmp_path: Path
) -> None:
    model = ModelConfig(path=str(base), device="cpu", quantization="nf4", lora=LoraConfig(rank=4))
    on_4bit = train(model, tmp_path / "adapter", "sft")
    said: list[str] = []
    trained = ModelConfig(path=str(base), device="cpu", quantization="nf4", adapter=tmp_path / "adapter")
    folder = export(ExportConfig(model=trained, output=tmp_path / "out"), said.append)["folder"]
    dense = load_policy(trained.model_copy(update={"quantization": "none"}), train=False)
    with dense.sampling():
        expected = dense.model(IDS).logits
    merged = plain_logits(folder)
    torch.testing.assert_close(merged, expected, atol=1e-5, rtol=1e-5)
    assert torch.cosine_similarity(merged.flatten(), on_4bit.flatten(), dim=0) > 0.95
    assert any("unquantized base" in line for line in said)
    assert "quantization_config" not in json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    assert "4-bit NF4" in (Path(folder) / "README.md").read_text(encoding="utf-8")


def test_adapter_export_loads_with_peft(base: Path, tmp_path: Path) -> None:
    expected = train(ModelConfig(path=str(base), device="cpu"), tmp_path / "adapter", "sft")
    trained = ModelConfig(path=str(base), device="cpu", adapter=tmp_path / "adapter")
    result = export(ExportConfig(model=trained, output=tmp_path / "out", merge=False))
    with quiet_libraries(), torch.no_grad():
        plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        got = peft.PeftModel.from_pretrained(plain, result["folder"]).eval()(IDS).logits
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6)
    assert GenerationConfig.from_pretrained(result["folder"]).eos_token_id == [2, 0]
    assert AutoTokenizer.from_pretrained(result["folder"]).chat_template == CHATML


def test_export_keeps_the_precision_of_the_checkpoint_unless_told(base: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    model = load_policy(ModelConfig(path=str(base), device="cpu", dtype="bfloat16"), train=False)
    model.save(half)
    kept = export(ExportConfig(model=ModelConfig(path=str(half), device="cpu"), output=tmp_path / "kept"))
    wide = ModelConfig(path=str(half), device="cpu", dtype="float32")
    told = export(ExportConfig(model=wide, output=tmp_path / "told"))
    dtypes = [
        json.loads((Path(result["folder"]) / "config.json").read_text(encoding="utf-8"))["dtype"]
        for result in (kept, told)
    ]
    assert dtypes == ["bfloat16", "float32"]


def test_base_with_contradictory_sampling_defaults_can_be_exported(base: Path, tmp_path: Path) -> None:
    odd = write_tiny_model(tmp_path / "odd")
    path = odd / "generation_config.json"
    path.write_text('{"temperature": 0.7, "top_p": 0.8, "top_k": 20, "eos_token_id": 0}', encoding="utf-8")
    config = ExportConfig(model=ModelConfig(path=str(odd), device="cpu"), output=tmp_path / "out")
    folder = export(config)["folder"]
    assert GenerationConfig.from_pretrained(folder).top_k == 20


def test_exporting_an_adapter_alone_needs_one(base: Path, tmp_path: Path) -> None:
    config = ExportConfig(model=ModelConfig(path=str(base)), output=tmp_path, merge=False)
    with pytest.raises(ModelError, match=r"model\.adapter is not set"):
        export(config)


def test_lineage_grows_by_a_stage_and_survives_merging(base: Path, tmp_path: Path) -> None:
    train(ModelConfig(path=str(base), device="cpu"), tmp_path / "one", "sft")
    start = ModelConfig(path=str(base), device="cpu", adapter=tmp_path / "one")
    train(start, tmp_path / "two", "grpo")
    one, two = Lineage.read(tmp_path / "one"), Lineage.read(tmp_path / "two")
    assert one is not None
    assert two is not None
    assert [stage.stage for stage in two.stages] == ["sft", "grpo"]
    assert [stage.parent is None for stage in two.stages] == [True, False]
    assert two.base_fingerprint == one.base_fingerprint
    assert two.fingerprint != one.fingerprint
    trained = ModelConfig(path=str(base), device="cpu", adapter=tmp_path / "two")
    merged = export(ExportConfig(model=trained, output=tmp_path / "out"))
    again = load_policy(ModelConfig(path=merged["folder"], device="cpu"), train=True)
    assert [stage.stage for stage in again.lineage.stages] == ["sft", "grpo"]
    assert again.lineage.base == merged["folder"]
    assert again.lineage.base_fingerprint != two.base_fingerprint
