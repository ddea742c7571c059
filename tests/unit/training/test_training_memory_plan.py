"""The plan by hand, on a model small enough to add up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_tokenizer, write_tiny_model
from transformers import PhimoeConfig, PhimoeForCausalLM
from transformers.utils import logging

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.ppo import PpoConfig
from r1kit.config.rl import GrpoConfig
from r1kit.config.stages import EvalConfig, ExportConfig, RejectSampleConfig, SftConfig
from r1kit.core.errors import ConfigError
from r1kit.models.load import load_policy
from r1kit.models.shapes import LinearShape, ModelShapes
from r1kit.ops.logprobs import CHUNK_ELEMENTS
from r1kit.training.memory.advice import advice
from r1kit.training.memory.phases import CONTEXT_BYTES
from r1kit.training.memory.plan import DEFAULT_MICRO_BATCH, DEFAULT_MICRO_BATCH_CPU, largest, plan_memory
from r1kit.training.memory.sizes import shapes_of_policy
from r1kit.training.memory.static import adapter_parameters, weight_bytes
from r1kit.training.memory.table import qwen_shapes
from r1kit.training.memory.workload import workload_of

# Two layers of 576 linear weights each; 32 embeddings of 8, tied, and five norms of 8.
HAND = ModelShapes(
    name="hand",
    hidden=8,
    intermediate=16,
    layers=2,
    heads=2,
    kv_heads=1,
    head_dim=4,
    vocabulary=32,
    linears=(
        LinearShape("self_attn", "q_proj", 8, 8, 2),
        LinearShape("self_attn", "k_proj", 8, 4, 2),
        LinearShape("self_attn", "v_proj", 8, 4, 2),
        LinearShape("self_attn", "o_proj", 8, 8, 2),
        LinearShape("mlp", "gate_proj", 8, 16, 2),
        LinearShape("mlp", "up_proj", 8, 16, 2),
        LinearShape("mlp", "down_proj", 16, 8, 2),
    ),
    other_parameters=32 * 8 + 5 * 8,
    context=64,
)
LORA = {"rank": 2, "alpha": 4}
MODEL = {"path": "m", "lora": LORA, "dtype": "float32"}
BASE = {"model": MODEL, "output": "o", "data": "d.jsonl"}
TILES = 3 * 4 * CHUNK_ELEMENTS


def sft(**fields):
    return SftConfig(**{**BASE, "max_length": 10, "batch_size": 1, **fields})


def grpo(**fields):
    values = {
        **BASE,
        "data": {"path": "d.jsonl", "max_prompt_tokens": 3},
        "sampling": {"max_new_tokens": 5},
        "algorithm": {"group_size": 2, "problems_per_step": 2},
        "engine": {"batch_size": 4},
    }
    return GrpoConfig(**{**values, **fields})


def test_the_parts_of_supervised_training_add_up_by_hand():
    plan = plan_memory(HAND, sft(), 2**30, device="cpu")
    # A: 2 * (in + out) over all linear layers: 2 * 2 * (16 + 12 + 12 + 16 + 24 + 24 + 24) = 512 numbers.
    assert plan.static == {"weights": 4 * 1448, "adapter": 4 * 512, "optimizer states": 8 * 512}
    # A token in a layer: two norms 2 * 36; queries, keys, values, outputs 128 and a number a head 8; gate, up,
    # activated 192; inputs of the adapters 4 * (8 + 8 + 8 + 16), A x of seven of them 4 * 14. The last norm 36,
    # cos and sin 32.
    activations = 10 * (2 * (72 + 128 + 8 + 192 + 160 + 56) + 36 + 32)
    head = TILES + 10 * 8 * 4 * 2 + 3 * 10 * 8 * 4
    assert plan.update == {
        "gradients": 4 * 512,
        "activations": activations,
        "working space": 10 * 4 * (2 * 16 + 8),
        "logits": head,
    }
    assert plan.rollout == {}
    parts = sum(plan.static.values()) + sum(plan.update.values())
    assert plan.margin == round(0.08 * parts)
    assert plan.total == parts + plan.margin
    assert (plan.micro_batch_tokens, plan.kv_tokens, plan.text_tokens, plan.fits) == (10, None, 10, True)


def test_the_rollout_adds_up_by_hand_and_the_larger_phase_counts():
    plan = plan_memory(HAND, grpo(), 2**30, device="cpu")
    # Two prompts of 3 and four completions of 5; a key and a value of 4 numbers in each of 2 layers and one spare.
    assert (plan.kv_tokens, plan.wanted_kv_tokens) == (26, 26)
    reading = 6 * 4 * (3 * 16 + 16 + 5 * 8)
    attention = 4 * 2 * 8 * (4 + 4 + 4 + 4)
    assert plan.rollout == {
        "keys and values": 26 * 3 * 2 * 4 * 4,
        "working space": reading + attention,
        "logits": 4 * 32 * 12,
        "folded weights": 4 * 1152,
    }
    assert "folded weights" not in plan_memory(HAND, grpo(), 2**40).rollout
    static, rollout, update = (sum(p.values()) for p in (plan.static, plan.rollout, plan.update))
    assert plan.total == static + max(rollout, update) + plan.margin
    assert plan.micro_batch_tokens == 32


def test_checkpointing_keeps_the_inputs_of_layers_and_one_layer():
    model = {**MODEL, "gradient_checkpointing": True}
    plan = plan_memory(HAND, sft(model=model), 2**30, device="cpu")
    assert plan.update["activations"] == 10 * (2 * 32 + 616 + 36 + 32)


def test_a_cuda_context_is_counted_and_auto_is_half_precision_there():
    auto = {**MODEL, "dtype": "auto"}
    on_card = plan_memory(HAND, sft(model=auto), 2**30)
    assert on_card.static["weights"] == 2 * 1448
    assert on_card.margin - CONTEXT_BYTES == round(0.08 * (on_card.total - on_card.margin))
    assert plan_memory(HAND, sft(model=auto), 2**30, device="cpu").static["weights"] == 4 * 1448


def test_full_tuning_holds_states_and_a_reference_of_every_weight():
    plan = plan_memory(HAND, grpo(model={**MODEL, "tuning": "full"}), 2**30, device="cpu")
    assert plan.static == {"weights": 5792, "reference": 5792, "optimizer states": 2 * 5792}
    assert plan.update["gradients"] == 5792


def with_reward_model(path, **fields):
    return grpo(rewards=["math", {"name": "reward_model", "options": {"path": str(path)}}], **fields)


def test_a_reward_model_costs_its_own_adapter_in_the_computations_dtype(tmp_path):
    unknown = plan_memory(HAND, with_reward_model(tmp_path), 2**30, device="cpu")
    assert unknown.static["reward models"] == 4 * 512
    written = {"r": 1, "target_modules": ["q_proj", "o_proj"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(written))
    # rank 1 on two layers of two matrices: 8 + 8 numbers each
    known = plan_memory(HAND, with_reward_model(tmp_path), 2**30, device="cpu")
    assert known.static["reward models"] == 4 * 4 * 16
    half = with_reward_model(tmp_path, model=MODEL | {"dtype": "bfloat16"})
    assert plan_memory(HAND, half, 2**30).static["reward models"] == 2 * 4 * 16
    full = with_reward_model(tmp_path, model={"path": "m", "tuning": "full"})
    assert plan_memory(HAND, full, 2**30, device="cpu").static["reward models"] == 4 * 4 * 16 + 5792
    assert "reward models" not in plan_memory(HAND, grpo(), 2**30, device="cpu").static


def test_a_separate_value_network_costs_all_of_the_policy_once_more():
    values = {**BASE, "data": {"path": "d.jsonl", "max_prompt_tokens": 3}, "sampling": {"max_new_tokens": 5}}
    algorithm = {"problems_per_step": 4, "beta": 0.0}
    separate = plan_memory(HAND, PpoConfig(**values, algorithm=algorithm), 2**30, device="cpu").static
    assert separate.pop("value network") == sum(separate.values())
    shared = PpoConfig(**values, algorithm=algorithm | {"value_network": "shared"})
    assert plan_memory(HAND, shared, 2**30, device="cpu").static == separate


def test_a_reference_costs_an_adapter_only_where_one_is_continued():
    continued = grpo(model={**MODEL, "adapter": "somewhere"})
    assert plan_memory(HAND, continued, 2**30, device="cpu").static["reference"] == 4 * 512
    assert "reference" not in plan_memory(HAND, grpo(), 2**30, device="cpu").static
    off = continued.model_copy(update={"algorithm": continued.algorithm.model_copy(update={"beta": 0.0})})
    assert "reference" not in plan_memory(HAND, off, 2**30, device="cpu").static


@pytest.mark.parametrize(
    ("fields", "linear"),
    [
        ({"quantization": "nf4"}, 576 + 1152 // 64),
        ({"quantization": "nf4", "use_double_quantization": False}, 576 + 4 * 1152 // 64),
        ({"quantization": "int8"}, 1152 + 4 * 2 * (8 + 4 + 4 + 8 + 16 + 16 + 8)),
    ],
)
def test_quantized_layers_have_their_numbers_and_scales(fields, linear):
    assert weight_bytes(HAND, ModelConfig(path="m", **fields), 2) == linear + 2 * 296


@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_the_weights_of_a_loaded_model_are_what_is_planned(quantization, tmp_path):
    config = ModelConfig(
        path=str(write_tiny_model(tmp_path / "m")), quantization=quantization, lora=LoraConfig(rank=4)
    )
    policy = load_policy(config, train=True)
    shapes = shapes_of_policy(policy)
    assert policy.num_trainable == adapter_parameters(shapes, config.lora)
    held = sum(held_bytes(p) for n, p in policy.model.named_parameters() if "lora_" not in n)
    # Tables and offsets of the quantization, a few hundred bytes a layer, weigh nothing in a real model.
    assert abs(weight_bytes(shapes, config, 4) - held) <= 14 * 1100


def held_bytes(parameter):
    state = getattr(parameter, "quant_state", None)
    tensors = [parameter, getattr(parameter, "SCB", None)]
    if state is not None:
        nested = state.state2
        tensors += [state.absmax, state.code, *([nested.absmax, nested.code] if nested else [])]
    return sum(tensor.nbytes for tensor in tensors if isinstance(tensor, torch.Tensor))


def test_the_largest_size_is_the_last_that_fits():
    assert [largest(lambda n: 10 * n, budget, 8) for budget in (9, 10, 39, 80, 1000)] == [0, 1, 3, 8, 8]


def test_open_sizes_are_the_largest_that_fit_and_no_more_than_is_of_use():
    shapes = qwen_shapes("Qwen2.5-0.5B")
    config = GrpoConfig(model={"path": "m", "quantization": "nf4"}, output="o", data="d")
    large = plan_memory(shapes, config, 80 * 2**30)
    assert (large.micro_batch_tokens, large.kv_tokens) == (DEFAULT_MICRO_BATCH, large.wanted_kv_tokens)
    assert large.largest_micro_batch > DEFAULT_MICRO_BATCH
    assert plan_memory(shapes, config, 80 * 2**30, device="cpu").micro_batch_tokens == DEFAULT_MICRO_BATCH_CPU
    small = plan_memory(shapes, config, 6 * 2**30)
    assert small.micro_batch_tokens == small.largest_micro_batch < DEFAULT_MICRO_BATCH
    assert small.total <= small.vram
    micro = {"batching": {"micro_batch_tokens": small.largest_micro_batch + 64}}
    above = GrpoConfig(**{**config.model_dump(), **micro})
    assert not plan_memory(shapes, above, 6 * 2**30).fits


def test_a_context_that_fits_is_one_that_can_be_planned_for():
    shapes = replace(qwen_shapes("Qwen2.5-1.5B"), context=None)

    def run(new_tokens):
        return GrpoConfig(
            model={"path": "m", "quantization": "nf4", "gradient_checkpointing": True},
            output="o",
            data={"path": "d", "max_prompt_tokens": 512},
            sampling={"max_new_tokens": new_tokens},
        )

    context = plan_memory(shapes, run(1024), 8 * 2**30).context
    assert plan_memory(shapes, run(context - 512), 8 * 2**30).fits
    assert not plan_memory(shapes, run(context - 512 + 128), 8 * 2**30).fits


def test_a_run_that_does_not_fit_is_told_the_least_change_that_makes_it_fit():
    shapes = qwen_shapes("Qwen2.5-7B")

    def told(vram, **model):
        config = GrpoConfig(model={"path": "m", **model}, output="o", data="d")
        plan = plan_memory(shapes, config, vram * 2**30)
        return advice(plan, shapes, config)

    nf4 = {"quantization": "nf4"}
    assert told(80) == ""
    assert told(12, **nf4) == "it fits with model.gradient_checkpointing"
    assert told(18, gradient_checkpointing=True) == "it fits with model.quantization nf4"
    assert told(12) == "it fits with model.gradient_checkpointing and model.quantization nf4"
    assert told(12, tuning="full", dtype="float32").startswith(
        "it fits with model.gradient_checkpointing and model.tu"
    )
    assert told(8).startswith(
        "it fits with model.gradient_checkpointing and model.quantization nf4 and prompts and"
    )
    assert told(5) == "no setting makes it fit; take a smaller model or more memory"


def test_a_size_of_the_users_own_is_the_first_thing_to_give_up():
    config = sft(batching={"micro_batch_tokens": 100_000})
    plan = plan_memory(HAND, config, 100 * 2**20, device="cpu")
    assert advice(plan, HAND, config, "cpu") == "it fits with batching.micro_batch_tokens left to the plan"


def test_the_line_says_need_room_parts_and_sizes():
    config = GrpoConfig(model={"path": "m", "quantization": "nf4"}, output="o", data="d")
    line = plan_memory(qwen_shapes("Qwen2.5-0.5B"), config, 80 * 2**30).line()
    assert line.startswith(
        "memory: 36.9 of 80.0 GiB (weights 0.43, activations 32.0, working space 0.77, margin 3.27); "
    )
    assert "micro-batch 16,384 tokens, keys and values of 69,632 tokens, largest context 32,768" in line
    assert ", which does not fit (" in plan_memory(qwen_shapes("Qwen2.5-7B"), config, 2**30).line()
    assert "\n" not in line


def test_prompts_are_known_limited_or_assumed():
    assert workload_of(grpo(), None).prompt_tokens == 3
    assert workload_of(grpo(), None, longest_prompt=7).prompt_tokens == 7
    unknown = workload_of(grpo(data="d.jsonl"), None)
    assert (unknown.prompt_tokens, unknown.assumes_prompt) == (512, True)
    # A prompt and its completion share the context; a short prompt leaves nearly all of it.
    tight = workload_of(grpo(data="d.jsonl", sampling={"max_new_tokens": 100}), 64)
    assert (tight.prompt_tokens, tight.new_tokens, tight.text_tokens) == (32, 63, 64)


def test_held_out_problems_are_asked_by_the_same_engine():
    algorithm = {"group_size": 4, "problems_per_step": 2}
    alone = GrpoConfig(model="m", output="o", data="d", algorithm=algorithm)
    with_held_out = GrpoConfig(**{**alone.model_dump(), "held_out": {"data": {"path": "h"}}})
    # 8 rows of 2 prompts in training; 64 rows of as many prompts on held-out problems.
    wanted = [workload_of(config, None, 100).wanted_kv_tokens for config in (alone, with_held_out)]
    assert wanted == [2 * 100 + 8 * 1024, 64 * 100 + 64 * 1024]


def test_held_out_prompts_may_be_longer_than_those_of_training():
    held_out = {"data": {"path": "h", "max_prompt_tokens": 9}}
    assert workload_of(grpo(held_out=held_out), None).prompt_tokens == 9
    open_end = workload_of(grpo(held_out={"data": {"path": "h"}}), None)
    assert (open_end.prompt_tokens, open_end.assumes_prompt) == (512, True)


def test_a_mixture_of_experts_is_planned_with_a_word_on_what_is_left_out():
    shapes = replace(HAND, has_experts=True)
    plain = plan_memory(shapes, sft(), 2**30).line()
    assert plain.endswith("; mixture of experts: their activations are not counted")
    nf4 = plan_memory(shapes, sft(model={"path": "m", "quantization": "nf4"}), 2**30)
    assert nf4.note == "mixture of experts: experts are not quantized, their activations are not counted"
    assert plan_memory(HAND, sft(), 2**30).note == ""


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_experts_are_not_quantized_when_they_are_loaded_and_so_they_are_planned(quantization, tmp_path):
    config = ModelConfig(path=str(write_experts(tmp_path / "m")), quantization=quantization)
    policy = load_policy(config, train=True)
    shapes = shapes_of_policy(policy)
    stacks = {p.dtype for n, p in policy.model.named_parameters() if ".experts." in n}
    assert (shapes.has_experts, stacks) == (True, {torch.float32})
    held = sum(held_bytes(p) for n, p in policy.model.named_parameters() if "lora_" not in n)
    # As above: a few hundred bytes for each of eight layers.
    assert abs(weight_bytes(shapes, config, 4) - held) <= 8 * 1100


def write_experts(folder):
    """A tiny Phi-3.5-MoE: four experts, and a router that is a linear layer which returns three tensors."""
    config = PhimoeConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=320,
        max_position_embeddings=256,
        num_local_experts=4,
        bos_token_id=None,
        eos_token_id=None,
    )
    logging.disable_progress_bar()
    PhimoeForCausalLM(config).save_pretrained(folder)
    logging.enable_progress_bar()
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_advice_is_for_the_prompts_that_the_run_has():
    shapes = qwen_shapes("Qwen2.5-7B")
    config = GrpoConfig(model={"path": "m", "gradient_checkpointing": True}, output="o", data="d")

    def told(longest_prompt):
        plan = plan_memory(shapes, config, 18 * 2**30, longest_prompt=longest_prompt)
        return advice(plan, shapes, config, "cuda", longest_prompt)

    assert told(512) == "it fits with model.quantization nf4"
    # With 4-bit weights 18 GB hold texts of some 13,000 tokens.
    assert told(20000).startswith(
        "it fits with model.quantization nf4 and prompts and completions of at most"
    )


def test_stages_that_sample_hold_the_prompts_of_the_rows_in_flight():
    sampled = {"model": "m", "output": "o", "engine": {"batch_size": 16}}
    reject = workload_of(RejectSampleConfig(**sampled, data="d", num_samples=8), None)
    assert (reject.rows, reject.prompts, reject.group, reject.trains) == (16, 5, 8, False)
    assert workload_of(EvalConfig(**sampled, tasks=["aime"]), None).prompts == 3
    assert workload_of(EvalConfig(**sampled, tasks=["aime", "gsm8k"]), None).prompts == 16
    assert workload_of(EvalConfig(**sampled, tasks=["aime"], greedy=True), None).group == 1
    plain = {**sampled, "engine": {"batch_size": 16, "kind": "transformers"}}
    assert workload_of(RejectSampleConfig(**plain, data="d", num_samples=8), None).prompts == 16


def test_a_stage_without_a_model_in_motion_has_no_plan():
    with pytest.raises(ConfigError, match="nothing to plan"):
        plan_memory(HAND, ExportConfig(model="m", output="o"), 2**30)


def test_the_plan_and_the_engine_agree_on_what_is_read_in_one_pass():
    from r1kit.generation.native import prefill
    from r1kit.training.memory import phases

    assert phases.PREFILL_TOKENS == prefill._PASS_TOKENS
