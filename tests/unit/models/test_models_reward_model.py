"""A reward model beside a policy scores as it does alone, and the policy does not notice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import CHATML, random_ids, tiny_tokenizer, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.core.errors import ModelError
from r1kit.core.problem import Message
from r1kit.core.rollout import JudgedText
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.models.reward_info import RewardInfo
from r1kit.models.reward_model import (
    RewardModel,
    attach_reward_model,
    load_reward_model,
    save_reward_model,
)
from r1kit.models.scalar_head import ScalarHead
from r1kit.models.texts import text_ids

IDS = random_ids(2, 24)
QUESTION = (Message("user", "what is 3+4-5?"),)
OTHER = (Message("system", "be kind"), Message("user", "hello"))
TEXTS = [
    JudgedText(QUESTION, "2"),
    JudgedText(OTHER, "Hello! What can I do for you?"),
    JudgedText(QUESTION, "It is 2, since 3+4=7 and 7-5=2."),
    JudgedText(QUESTION, "no"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("base"), tokenizer=tiny_tokenizer(chat_template=CHATML))


def shaken(policy: Policy, seed: int) -> Policy:
    """`policy` with an adapter that does something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return policy


def make_reward_model(base: Path, folder: Path, seed: int, **model: Any) -> Path:
    config = ModelConfig(path=str(base), device="cpu", **{"lora": LoraConfig(rank=4), **model})
    policy = shaken(load_policy(config, train=True, seed=seed), seed)
    head = ScalarHead(64)
    with torch.no_grad():
        head.weight.copy_(torch.randn(64, generator=torch.Generator().manual_seed(seed)))
    info = RewardInfo(
        span="summary",
        mean=0.5,
        std=2.0,
        accuracy=0.8,
        accuracy_interval=(0.7, 0.9),
        num_pairs=50,
        mean_margin=1.0,
        calibration_error=0.1,
        length_correlation=None,
        length_rule_accuracy=0.5,
        eos_token_id=policy.eos_token_ids[0],
        dtype="float32",
        chosen_quantiles={"0.5": 0.3},
    )
    save_reward_model(policy, head, info, folder, seed=seed)
    return folder


@pytest.fixture(scope="module")
def helpful(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_reward_model(base, tmp_path_factory.mktemp("a") / "reward_model", 11)


@pytest.fixture(scope="module")
def harmless(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On other layers than the policy's adapter."""
    lora = LoraConfig(rank=2, targets=("v_proj", "down_proj"))
    return make_reward_model(base, tmp_path_factory.mktemp("b") / "reward_model", 12, lora=lora)


def start(base: Path, *, train: bool = True, with_reference: bool = False, **fields: Any) -> Policy:
    lora = {"lora": LoraConfig(rank=4, targets="attention")} if "adapter" not in fields else {}
    config = ModelConfig(path=str(base), device="cpu", **{**lora, **fields})
    return shaken(load_policy(config, train=train, with_reference=with_reference), 3)


def logits(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = policy.model(input_ids=IDS, use_cache=False).logits
    return output


def snapshot(policy: Policy) -> dict[str, Any]:
    """Everything of a policy that must not change: what it computes, what it trains and how."""
    return {
        "logits": logits(policy),
        "trainable": sorted(n for n, p in policy.model.named_parameters() if p.requires_grad),
        "values": [p.detach().clone() for p in policy.trainable_parameters()],
        "training": policy.model.training,
        "modes": {n: m.training for n, m in policy.model.named_modules() if "reward_" not in n},
        "cache": policy.model.config.use_cache,
    }


def assert_unchanged(policy: Policy, before: dict[str, Any]) -> None:
    after = snapshot(policy)
    assert torch.equal(after["logits"], before["logits"])
    assert after["trainable"] == before["trainable"]
    assert all(torch.equal(a, b) for a, b in zip(after["values"], before["values"], strict=True))
    known = {name: after["modes"][name] for name in before["modes"]}
    assert known == before["modes"]
    assert (after["training"], after["cache"]) == (before["training"], before["cache"])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("a policy in training", {"train": True}),
        ("a base without an adapter", {"train": False}),
        ("a policy with checkpointing", {"train": True, "gradient_checkpointing": True}),
        ("a 4-bit policy", {"train": True, "quantization": "nf4"}),
    ],
)
def test_scores_beside_a_policy_are_those_of_the_reward_model_alone(
    kind: str, fields: dict[str, Any], base: Path, helpful: Path, harmless: Path, tmp_path: Path
) -> None:
    policy = start(base, **fields)
    if "quantization" in fields:
        helpful = make_reward_model(base, tmp_path / "one", 11, quantization="nf4")
        harmless = make_reward_model(base, tmp_path / "two", 12, quantization="nf4")
    before = snapshot(policy)
    beside = [attach_reward_model(policy, folder, name) for folder, name in ((helpful, "a"), (harmless, "b"))]
    assert_unchanged(policy, before)
    scores = [model.score(TEXTS) for model in beside]
    assert_unchanged(policy, before)
    alone = [load_reward_model(folder, "x", device="cpu").score(TEXTS) for folder in (helpful, harmless)]
    assert scores[0] == pytest.approx(alone[0], abs=1e-6)
    assert scores[1] == pytest.approx(alone[1], abs=1e-6)
    assert min(abs(a - b) for a, b in zip(*scores, strict=True)) > 1e-3
    assert all(model.policy is policy for model in beside)


def test_a_score_is_the_heads_word_on_the_last_token_of_the_text(base: Path, helpful: Path) -> None:
    model = load_reward_model(helpful, "alone", device="cpu")
    policy = model.policy
    for text, score in zip(TEXTS, model.raw_scores(TEXTS), strict=True):
        ids = text_ids(policy.tokenizer, policy.eos_token_ids[0], text.messages, text.reply)
        assert policy.tokenizer.decode(ids.completion_ids) == text.reply + "<|im_end|>"
        row = torch.tensor([[*ids.prompt_ids, *ids.completion_ids]])
        with policy.sampling():
            hidden = policy.model(input_ids=row, output_hidden_states=True).hidden_states[-1][0, -1]
        assert score == pytest.approx(float(hidden @ model.head.weight), abs=1e-4)


def test_a_model_that_follows_no_layouts_scores_padded_rows(base: Path, helpful: Path) -> None:
    model = attach_reward_model(start(base), helpful, "a")
    padded = replace(model, policy=replace(model.policy, follows_layouts=False))
    assert padded.score(TEXTS) == pytest.approx(model.score(TEXTS), abs=1e-4)


def test_scores_are_in_standard_deviations_from_the_mean(base: Path, helpful: Path) -> None:
    model = attach_reward_model(start(base), helpful, "a")
    raw = model.raw_scores(TEXTS)
    assert model.score(TEXTS) == pytest.approx([(value - 0.5) / 2.0 for value in raw])


@pytest.mark.parametrize("max_tokens", [1, 40, 70])
def test_scores_do_not_depend_on_how_texts_are_cut(base: Path, helpful: Path, max_tokens: int) -> None:
    model = attach_reward_model(start(base), helpful, "a")
    whole = model.score(TEXTS)
    assert model.score(TEXTS, max_tokens=max_tokens) == pytest.approx(whole, abs=1e-5)
    assert model.score(TEXTS[1:2]) == pytest.approx(whole[1:2], abs=1e-5)
    assert model.score([]) == []


def test_gradients_of_the_policy_are_the_same_after_scoring(
    base: Path, helpful: Path, harmless: Path
) -> None:
    def gradients(policy: Policy) -> list[torch.Tensor]:
        policy.model.zero_grad()
        policy.model(input_ids=IDS, use_cache=False).logits.square().mean().backward()
        return [parameter.grad.clone() for parameter in policy.trainable_parameters()]  # type: ignore[union-attr]

    policy = start(base)
    expected = gradients(policy)
    for folder, name in ((helpful, "a"), (harmless, "b")):
        attach_reward_model(policy, folder, name).score(TEXTS)
    got = gradients(policy)
    assert all(torch.equal(one, two) for one, two in zip(got, expected, strict=True))


def test_policy_reference_and_reward_model_keep_apart(base: Path, helpful: Path, tmp_path: Path) -> None:
    start(base).save(tmp_path / "adapter")
    policy = load_policy(
        ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu"),
        train=True,
        with_reference=True,
    )
    begun = logits(policy)
    model = attach_reward_model(policy, helpful, "a")
    scores = model.score(TEXTS)
    shaken(policy, 8)
    trained = logits(policy)
    # `shaken` has gone over the reward model's adapter too: load its weights again
    policy = load_policy(
        ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu"),
        train=True,
        with_reference=True,
    )
    model = attach_reward_model(policy, helpful, "a")
    with policy.reference():
        assert torch.equal(logits(policy), begun)
        assert model.score(TEXTS) == pytest.approx(scores, abs=1e-6)
        assert torch.equal(logits(policy), begun)
    assert torch.equal(logits(policy), begun)
    assert not torch.equal(trained, begun)
    assert model.score(TEXTS) == pytest.approx(scores, abs=1e-6)


def test_the_reward_model_is_not_saved_with_the_policy(base: Path, helpful: Path, tmp_path: Path) -> None:
    policy = start(base)
    attach_reward_model(policy, helpful, "default").score(TEXTS)
    policy.save(tmp_path / "adapter")
    again = load_policy(ModelConfig(path=str(base), adapter=tmp_path / "adapter", device="cpu"), train=True)
    assert torch.equal(logits(again), logits(policy))
    assert not any("reward" in path.name for path in (tmp_path / "adapter").rglob("*"))


def test_reward_models_cost_the_memory_of_their_adapters_and_heads_alone(
    base: Path, helpful: Path, harmless: Path
) -> None:
    def held(policy: Policy) -> int:
        return sum(tensor.nbytes for tensor in (*policy.model.parameters(), *policy.model.buffers()))

    policy = start(base)
    before = held(policy)
    for folder, name in ((helpful, "a"), (harmless, "b")):
        model = attach_reward_model(policy, folder, name)
        adapter = sum(value.nbytes for value in load_file(folder / "adapter_model.safetensors").values())
        assert held(policy) == before + adapter
        assert sum(parameter.nbytes for parameter in model.head.parameters()) == 4 * (64 + 1)
        before = held(policy)


def test_a_reward_model_is_held_in_the_dtype_of_the_computation(base: Path, helpful: Path) -> None:
    policy = start(base, dtype="bfloat16")
    model = attach_reward_model(policy, helpful, "a")
    dtypes = {
        mark: {value.dtype for name, value in policy.model.named_parameters() if f".{mark}." in name}
        for mark in ("reward_a", "default")
    }
    assert dtypes == {"reward_a": {torch.bfloat16}, "default": {torch.float32}}
    alone = load_reward_model(helpful, "x", device="cpu").score(TEXTS)
    assert model.score(TEXTS) == pytest.approx(alone, rel=0.1, abs=0.1)


def attach_aside(policy: Policy, folder: Path) -> tuple[RewardModel, str]:
    said: list[str] = []
    model = attach_reward_model(policy, folder, "a", said.append)
    assert len(said) == 1
    return model, said[0]


def test_a_policy_trained_in_full_leaves_the_reward_model_its_own_base(base: Path, helpful: Path) -> None:
    policy = start(base, tuning="full")
    model, said = attach_aside(policy, helpful)
    assert "loaded a second time" in said
    assert "tuning full" in said
    before = model.score(TEXTS)
    with torch.no_grad():
        for parameter in policy.trainable_parameters():
            parameter.mul_(1.1)
    assert model.score(TEXTS) == before
    assert before == load_reward_model(helpful, "x", device="cpu").score(TEXTS)


def test_a_policy_on_another_base_leaves_the_reward_model_its_own(
    base: Path, helpful: Path, tmp_path: Path
) -> None:
    other = write_tiny_model(tmp_path / "other", "llama", seed=4)
    model, said = attach_aside(start(other), helpful)
    assert "and the policy is on" in said
    assert model.score(TEXTS) == load_reward_model(helpful, "x", device="cpu").score(TEXTS)


def test_another_quantization_than_in_training_is_said(base: Path, helpful: Path) -> None:
    _, said = attach_aside(start(base, quantization="nf4"), helpful)
    assert "quantization nf4, trained with none" in said
    assert "right on 80.0% of 50 held-out pairs (70.0% to 90.0%)" in said


def test_a_base_that_is_gone_is_said_in_one_line(helpful: Path, base: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in helpful.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    lineage = json.loads((copy / "lineage.json").read_text(encoding="utf-8"))
    lineage["base"] = str(tmp_path / "gone")
    (copy / "lineage.json").write_text(json.dumps(lineage), encoding="utf-8")
    with pytest.raises(ModelError, match=r"reward model .*copy: .*gone"):
        load_reward_model(copy, "x", device="cpu")


def test_a_folder_that_is_no_reward_model_is_refused(base: Path, helpful: Path, tmp_path: Path) -> None:
    policy = start(base)
    policy.save(tmp_path / "adapter")
    with pytest.raises(ModelError, match="not a reward model"):
        attach_reward_model(policy, tmp_path / "adapter", "a")
    attach_reward_model(policy, helpful, "a")
    with pytest.raises(ModelError, match="name of its own"):
        attach_reward_model(policy, helpful, "a")


def test_what_is_known_of_a_reward_model_comes_back_from_its_folder(helpful: Path, tmp_path: Path) -> None:
    info = RewardInfo.read(helpful)
    info.write(tmp_path)
    assert RewardInfo.read(tmp_path) == info
    assert (info.span, info.accuracy_interval, info.chosen_quantiles) == ("summary", (0.7, 0.9), {"0.5": 0.3})
    (tmp_path / "reward_model.json").write_text('{"std": 0}', encoding="utf-8")
    with pytest.raises(ModelError, match="is damaged"):
        RewardInfo.read(tmp_path)
