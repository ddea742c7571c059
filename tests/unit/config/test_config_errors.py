"""What is said of each kind of mistake."""

from __future__ import annotations

from typing import Any

import pytest

from r1kit.config.load import parse
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.rl import GrpoConfig
from r1kit.config.section import Section
from r1kit.config.stages import EvalConfig, SftConfig

BASE: dict[str, Any] = {"model": "m", "data": "d.jsonl", "output": "o"}


def said(schema: type[Section], values: dict[str, Any]) -> list[str]:
    config, mistakes = parse(schema, values)
    assert config is None
    return [str(mistake) for mistake in mistakes]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_size": 0}, "batch_size: must be at least 1, got 0"),
        ({"epochs": 0}, "epochs: must be more than 0, got 0"),
        ({"optim": {"warmup_ratio": 1.0}}, "optim.warmup_ratio: must be less than 1, got 1.0"),
        ({"optim": {"final_ratio": "2"}}, "optim.final_ratio: must be at most 1, got 2"),
        ({"epochs": float("inf")}, "epochs: must be a finite number, got inf"),
        ({"steps": 2.5}, "steps: must be a whole number, got 2.5"),
        ({"steps": [1]}, "steps: must be a whole number, got a list of 1"),
        ({"model": {"path": "m", "gradient_checkpointing": "perhaps"}}, "model.gradient_checkpointing: must be true or false, got 'perhaps'"),
        ({"optim": {"beta1": None}}, "optim.beta1: must be a number, got nothing"),
        ({"data": {"path": 7}}, "data.path: must be text (put it in quotes), got 7"),
        ({"data": {"path": ""}}, "data.path: must not be empty, got ''"),
        ({"data": 7}, "data: must be a section (key: value lines), got 7"),
        ({"optim": "fast"}, "optim: must be a section (key: value lines), got 'fast'"),
        ({"output": {"a": 1}}, "output: must be a path, got a section"),
        ({"optim": {"schedule": "cosin"}},
         "optim.schedule: must be one of: cosine, linear, constant, got 'cosin'; did you mean cosine?"),
        ({"model": {"path": "m", "lora": {"targets": 5}}},
         "model.lora.targets: must be one of: all-linear, attention or a list, got 5"),
        ({"model": {"path": "m", "lora": {"targets": ["q", 5]}}},
         "model.lora.targets[1]: must be text (put it in quotes), got 5"),
        ({"model": {"path": "m", "tuning": "full", "quantization": "nf4"}},
         "model: quantization 'nf4' cannot be trained in full; set tuning to \"lora\" or quantization to \"none\""),
        ({"batchsize": 3}, "batchsize: unknown field; did you mean batch_size?"),
        ({"learning_rate": 1e-5}, "learning_rate: unknown field; did you mean optim.learning_rate?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_path_value_and_next_move(values: dict[str, Any], message: str) -> None:
    assert said(SftConfig, {**BASE, **values}) == [message]


def test_an_evaluation_interval_needs_held_out_texts() -> None:
    message = "eval_every is 8 but there is no eval_data; name held-out texts"
    assert said(SftConfig, {**BASE, "eval_every": 8}) == [message]


def test_rewards_that_all_weigh_nothing_are_a_mistake() -> None:
    message = "every reward has weight 0, so there is nothing to learn; give one a weight"
    assert said(GrpoConfig, {**BASE, "rewards": ["math=0", "format=0"]}) == [message]
    assert GrpoConfig(**BASE, rewards=["math", "format=0"]).rewards[1].weight == 0


@pytest.mark.parametrize("name", ["aime/2024", "my sums", ""])
def test_a_name_of_an_evaluation_fits_into_the_names_of_figures(name: str) -> None:
    message = rf"tasks[0].name: must match ^[\w.-]+$, got {name!r}"
    assert said(EvalConfig, {"model": "m", "output": "o", "tasks": [name]}) == [message]


def test_a_name_like_no_other_lists_the_fields_of_its_section() -> None:
    values = {**BASE, "batching": {"zzz": 1}}
    assert said(SftConfig, values) == ["batching.zzz: unknown field; the fields here are: micro_batch_tokens"]


def test_a_missing_section_names_the_field_it_needs() -> None:
    values = {"data": "d.jsonl", "output": "o"}
    assert said(SftConfig, values) == [
        "model.path: missing (Hub id (`Qwen/Qwen2.5-1.5B`) or local folder of the base model)"
    ]


def test_an_optional_section_that_is_begun_needs_its_required_fields() -> None:
    [message] = said(GrpoConfig, {**BASE, "held_out": {"every": 5}})
    assert message.startswith("held_out.data.path: missing (")


def test_a_wrong_prompt_keeps_its_words_and_shows_the_value() -> None:
    values = {**BASE, "data": {"path": "d", "prompt": "boxd"}}
    assert said(GrpoConfig, values) == [
        "data.prompt: must contain {problem}, or be one of: boxed, think_answer, code, complete_code, got 'boxd'"
    ]


def test_entries_of_a_list_are_named_by_their_index() -> None:
    values = {"model": "m", "output": "o", "tasks": ["aime", {"name": "gsm8k", "limit": 0}]}
    assert said(EvalConfig, values) == ["tasks[1].limit: must be at least 1, got 0"]


def test_an_unknown_stage_of_a_pipeline_is_told_with_the_known_ones() -> None:
    values = {"name": "x", "output": "o", "model": "m", "stages": [{"id": "a", "stage": "grop"}]}
    assert said(PipelineConfig, values) == [
        "stages[0].stage: unknown stage 'grop'; one of: sft, grpo, ppo, reward-model, reject-sample, eval, export"
    ]


def test_a_value_of_no_alternative_of_a_union_is_one_mistake() -> None:
    values = {"name": "x", "output": "o", "model": 5, "stages": [{"id": "a", "stage": "sft"}]}
    assert said(PipelineConfig, values) == [
        "model: must be text (put it in quotes) or a section (key: value lines), got 5"
    ]


def test_a_name_that_breaks_its_pattern_shows_the_pattern() -> None:
    values = {"name": "My Run", "output": "o", "model": "m", "stages": [{"id": "a", "stage": "sft"}]}
    assert said(PipelineConfig, values) == ["name: must match ^[a-z0-9][a-z0-9_-]*$, got 'My Run'"]
