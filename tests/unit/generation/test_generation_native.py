"""The native engine against the training forward pass, and against itself under other limits."""

import random
from dataclasses import replace

import pytest
import torch
from tiny_models import FAMILIES, write_tiny_model

from r1kit.config.model import LoraConfig, ModelConfig
from r1kit.config.sampling import EngineConfig, SamplingConfig
from r1kit.core.errors import ConfigError, EnvironmentError_, ModelError
from r1kit.generation import GenerationRequest, build_engine
from r1kit.generation.native import NativeEngine, batch
from r1kit.generation.native.limits import Limits, Room, Shape
from r1kit.generation.native.memory import KvStore, closing_moves
from r1kit.generation.transformers_engine import TransformersEngine
from r1kit.models.load import load_policy
from r1kit.models.policy import Policy
from r1kit.ops.trees import Tree
from r1kit.training.forward import trained_logprobs, tree_batch

REQUESTS = [
    GenerationRequest(tuple(range(20 + i, 30 + 3 * i)), tuple(range(100 * i, 100 * i + 5))) for i in range(5)
]
SAMPLING = SamplingConfig(max_new_tokens=40, temperature=0.9)


def load(folder, **changes) -> Policy:
    config = ModelConfig(path=str(folder), lora=LoraConfig(rank=4, alpha=8), **changes)
    policy = load_policy(config, train=True)
    for parameter in policy.trainable_parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
    # One token in twenty ends a completion, so that lengths spread.
    return replace(policy, eos_token_ids=tuple(range(3, 20)))


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> Policy:
    return load(write_tiny_model(tmp_path_factory.mktemp("native") / "model", "llama"))


def token_ids(groups) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in group] for group in groups]


@torch.no_grad()
def largest_gap(policy: Policy, groups, temperature: float) -> float:
    """Between the engine's log-probabilities and those of the training forward pass."""
    trees = [
        Tree(request.prompt_ids, tuple(completion.token_ids for completion in group))
        for request, group in zip(REQUESTS, groups, strict=True)
    ]
    trained = trained_logprobs(policy, tree_batch(policy, trees), temperature=temperature).logprobs
    sampled = torch.tensor([value for group in groups for c in group for value in c.logprobs])
    return float((trained - sampled).abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_engine_logprobs_are_the_trainers_for_every_family_with_slots_refilled(family, tmp_path):
    # 40 tokens cross the sliding windows of 16, and 25 rows go through 8 slots.
    policy = load(write_tiny_model(tmp_path / "model", family))
    groups = NativeEngine(policy, 8).generate(REQUESTS, SAMPLING)
    assert len({completion.num_tokens for group in groups for completion in group}) > 3
    assert largest_gap(policy, groups, 0.9) < 1e-5


def test_4bit_weights_are_sampled_as_they_are_trained(tmp_path):
    policy = load(write_tiny_model(tmp_path / "model"), quantization="nf4")
    groups = NativeEngine(policy, 8).generate(REQUESTS, SAMPLING)
    assert largest_gap(policy, groups, 0.9) < 1e-5


@pytest.mark.parametrize(
    ("batch_size", "kv_tokens"), [(1, None), (3, None), (7, None), (100, None), (8, 300), (25, 150), (25, 58)]
)
def test_neither_slots_nor_budget_change_what_is_written(policy, batch_size, kv_tokens):
    expected = TransformersEngine(policy, 100).generate(REQUESTS, SAMPLING)
    groups = NativeEngine(policy, batch_size, kv_tokens).generate(REQUESTS, SAMPLING)
    assert token_ids(groups) == token_ids(expected)
    assert largest_gap(policy, groups, 0.9) < 1e-5


@pytest.mark.parametrize("kv_tokens", [None, 58, 100, 300, 1000])
def test_the_slots_never_hold_more_tokens_than_the_budget(policy, kv_tokens, monkeypatch):
    held: list[int] = []
    plain = batch.Batch._advance

    def advance(self) -> None:
        held.append(self._row_store.num_tokens + self._prompt_store.num_tokens)
        used = max(len(row.token_ids) for row in self._rows)
        assert used <= self._row_store.length
        plain(self)

    monkeypatch.setattr(batch.Batch, "_advance", advance)
    NativeEngine(policy, 25, kv_tokens).generate(REQUESTS, SAMPLING)
    assert max(held) <= (kv_tokens or 25 * 40 + 5 * 18)
    # What is left unused is less than one more row with its prompt would take.
    assert kv_tokens is None or max(held) > kv_tokens - 64 - 18


def test_a_budget_too_small_for_one_completion_is_refused(policy):
    with pytest.raises(ConfigError, match="kv_tokens is 57, but the longest prompt has 18 tokens"):
        NativeEngine(policy, 8, 57).generate(REQUESTS, SAMPLING)


def count_tokens(policy: Policy, monkeypatch) -> list[int]:
    """Tokens of each pass through the model."""
    passes: list[int] = []
    backbone = policy.model.get_base_model().base_model
    forward = backbone.forward

    def counting(**inputs):
        passes.append(inputs["input_ids"].numel())
        return forward(**inputs)

    monkeypatch.setattr(backbone, "forward", counting)
    return passes


def test_each_prompt_is_read_once_and_a_step_reads_one_token_a_row(policy, monkeypatch):
    passes = count_tokens(policy, monkeypatch)
    groups = NativeEngine(policy, 25).generate(REQUESTS, SAMPLING)
    num_prompt_tokens = sum(len(request.prompt_ids) for request in REQUESTS)
    num_tokens = sum(completion.num_tokens for group in groups for completion in group)
    # The first token of a completion comes from its prompt's pass, and the last one is not read again.
    assert passes[0] == num_prompt_tokens
    assert sum(passes) == num_prompt_tokens + num_tokens - 25
    assert len(passes) == 1 + max(completion.num_tokens for group in groups for completion in group) - 1


def test_waiting_rows_take_the_slots_of_those_that_end(policy, monkeypatch):
    passes = count_tokens(policy, monkeypatch)
    groups = NativeEngine(policy, 8).generate(REQUESTS, SAMPLING)
    lengths = [completion.num_tokens for group in groups for completion in group]
    waves = [sorted(lengths)[::-1][i : i + 8] for i in range(0, 25, 8)]
    num_decode = sum(tokens <= 8 for tokens in passes)
    assert sum(passes) == sum(len(r.prompt_ids) for r in REQUESTS) + sum(lengths) - 25
    # Even waves sorted by length, which nobody can know beforehand, would need more steps than this half as much.
    assert num_decode < 1.5 * sum(wave[0] for wave in waves)


@pytest.mark.parametrize(("batch_size", "kv_tokens"), [(7, None), (25, None), (25, 300)])
def test_recorded_rounds_write_what_plain_ones_write(policy, batch_size, kv_tokens):
    expected = NativeEngine(policy, batch_size, kv_tokens).generate(REQUESTS, SAMPLING)
    recorded = []

    def record(step):
        # What a CUDA graph does, done again instead of replayed: it reads the same tensors in the same places.
        recorded.append(step())
        return step

    groups = NativeEngine(policy, batch_size, kv_tokens, record=record).generate(REQUESTS, SAMPLING)
    assert token_ids(groups) == token_ids(expected)
    assert largest_gap(policy, groups, 0.9) < 1e-5
    assert len(recorded) < 12


def test_cuda_graphs_are_refused_on_another_device(policy):
    with pytest.raises(ConfigError, match="needs a CUDA device, and the model is on cpu"):
        build_engine(policy, EngineConfig(cuda_graphs=True))


@pytest.mark.parametrize("limit", [1, 2])
def test_completions_of_one_or_two_tokens_end_in_order(policy, limit):
    sampling = SamplingConfig(max_new_tokens=limit)
    groups = NativeEngine(policy, 3).generate(REQUESTS, sampling)
    assert all(completion.num_tokens <= limit for group in groups for completion in group)
    assert token_ids(groups) == token_ids(TransformersEngine(policy, 3).generate(REQUESTS, sampling))


@pytest.mark.parametrize("failing", [{0}, {1}, {5}, {0, 1}, {7, 20}])
def test_running_out_of_memory_costs_nothing_but_time(policy, failing, monkeypatch):
    expected = token_ids(NativeEngine(policy, 25).generate(REQUESTS, SAMPLING))
    backbone = policy.model.get_base_model().base_model
    forward, calls, said = backbone.forward, [0], []

    def sometimes(**inputs):
        calls[0] += 1
        if calls[0] - 1 in failing:
            raise torch.OutOfMemoryError("CUDA out of memory (as injected)")
        return forward(**inputs)

    monkeypatch.setattr(backbone, "forward", sometimes)
    engine = NativeEngine(policy, 25, say=said.append)
    groups = engine.generate(REQUESTS, SAMPLING)
    assert token_ids(groups) == expected
    assert largest_gap(policy, groups, 0.9) < 1e-5
    assert engine.num_oom == len(said) == len(failing)
    assert said[0].startswith("out of memory while sampling with room for ")
    assert 0 not in failing or said[0].endswith(
        "25 completions; going on with 12 at a time (engine.batch_size)"
    )


@pytest.mark.parametrize("seed", range(4))
def test_any_mix_of_slots_budget_and_lengths_writes_the_same(policy, seed):
    # Completions of up to 200 tokens cross the places where rows get more room, with budgets that are always short.
    rng = random.Random(seed)
    long = replace(policy, eos_token_ids=(3, 4))
    requests = [
        GenerationRequest(tuple(range(30, 30 + rng.choice([5, 40]))), tuple(range(9 * i, 9 * i + size)))
        for i in range(6)
        for size in [rng.choice([1, 2, 4])]
    ]
    sampling = SamplingConfig(max_new_tokens=200)
    engine = NativeEngine(long, rng.choice([4, 6, 12]), rng.choice([260, 400, 600, 900]))
    expected = NativeEngine(long, 100).generate(requests, sampling)
    assert token_ids(engine.generate(requests, sampling)) == token_ids(expected)


@pytest.mark.parametrize(
    ("resize", "error"),
    [
        (1, torch.OutOfMemoryError("CUDA")),
        (2, RuntimeError("can't allocate memory")),
        (3, torch.OutOfMemoryError("CUDA")),
    ],
)
def test_memory_that_runs_out_while_rows_get_more_room_loses_none(policy, resize, error, monkeypatch):
    long = replace(policy, eos_token_ids=(3, 4))
    sampling = SamplingConfig(max_new_tokens=140)
    expected = token_ids(NativeEngine(long, 100).generate(REQUESTS[:2], sampling))
    plain, calls = KvStore.resize, [0]

    def sometimes(self, *shape) -> None:
        calls[0] += 1
        if calls[0] == resize:
            raise error
        plain(self, *shape)

    monkeypatch.setattr(KvStore, "resize", sometimes)
    engine = NativeEngine(long, 6, 420)
    assert token_ids(engine.generate(REQUESTS[:2], sampling)) == expected
    assert engine.num_oom == 1


def test_another_failure_is_not_taken_for_one_of_memory(policy, monkeypatch):
    def never(**inputs):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(policy.model.get_base_model().base_model, "forward", never)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        NativeEngine(policy, 25).generate(REQUESTS, SAMPLING)


def test_memory_that_does_not_hold_one_completion_is_said(policy, monkeypatch):
    def never(**inputs):
        raise torch.OutOfMemoryError("CUDA out of memory (as injected)")

    monkeypatch.setattr(policy.model.get_base_model().base_model, "forward", never)
    with pytest.raises(EnvironmentError_, match="out of memory while sampling a single completion"):
        NativeEngine(policy, 25).generate(REQUESTS, SAMPLING)


def test_what_the_native_engine_cannot_serve_goes_to_transformers_and_is_said(tmp_path, monkeypatch):
    folder = write_tiny_model(tmp_path / "model", "llama")
    monkeypatch.setattr("r1kit.models.load.install_layouts", lambda model: None)
    plain, said = load_policy(ModelConfig(path=str(folder)), train=False), []
    assert isinstance(build_engine(plain, EngineConfig(), said.append), TransformersEngine)
    assert said == ["the native engine cannot serve llama models; completions come from transformers instead"]
    with pytest.raises(ModelError, match=r"engine\.kind is native"):
        build_engine(plain, EngineConfig(kind="native"))


def test_the_native_engine_is_the_default_and_the_budget_of_the_plan_fills_in(policy):
    assert isinstance(build_engine(policy, EngineConfig()), NativeEngine)
    assert isinstance(build_engine(policy, EngineConfig(kind="transformers")), TransformersEngine)
    with pytest.raises(ConfigError, match="kv_tokens is 40"):
        build_engine(policy, EngineConfig(), kv_tokens=40).generate(REQUESTS, SAMPLING)
    given = build_engine(policy, EngineConfig(kv_tokens=50), kv_tokens=4000)
    with pytest.raises(ConfigError, match="kv_tokens is 50"):
        given.generate(REQUESTS, SAMPLING)


@pytest.mark.parametrize(
    ("ended", "moves"),
    [("..", []), ("x.", [(0, 1)]), (".x", []), ("x.x..", [(0, 3), (2, 4)]), ("xx", []), ("x...", [(0, 3)])],
)
def test_holes_are_filled_from_the_end(ended, moves):
    assert closing_moves([mark == "x" for mark in ended]) == moves


def test_a_store_keeps_what_was_written_when_it_moves_and_grows():
    store = KvStore(3, 4)
    for slot in range(3):
        store.write_span(0, slot, torch.full((2, 2, 5), 1.0 + slot), torch.full((2, 2, 5), -1.0 - slot))
    store.write_tokens(0, torch.tensor([2, 2, 2]), *(torch.full((2, 3, 5), x) for x in (7.0, -7.0)))
    store.move([(0, 2)], used=3)
    store.resize(4, 6, (2, 3))
    keys, values = store.read(0, 2, 3)
    assert keys[:, 0, :, 0].tolist() == [[3, 3, 7], [2, 2, 7]]
    assert torch.equal(values, -keys)
    assert store.read(0, 4, 6)[0][2:].abs().sum() == 0


def test_slots_by_hand():
    room = Room(Limits(16, 1000), longest_prompt=20, longest_row=200, group_size=4, num_requests=10)
    # 64 tokens a row: 12 rows and 7 prompts are 768 + 140, 13 rows and 9 prompts 832 + 180.
    assert room.shape(1, 99) == room.shape(64, 99) == Shape(12, 64, 7)
    # 128: 6 rows and 5 prompts are 768 + 100; 7 rows and 5 prompts 896 + 100.
    assert room.shape(65, 99) == Shape(7, 128, 5)
    assert room.shape(129, 99) == Shape(4, 200, 3)
    assert Room(Limits(16, None), 20, 200, 4, 3).shape(129, 99) == Shape(16, 200, 3)
    # No slots for rows that are not there any more.
    assert room.shape(65, 2) == Shape(2, 128, 2)
