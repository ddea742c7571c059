"""Merging, completing, validating and dumping configurations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.load import complete, dump, merge, validate
from r1kit.config.pipeline import PipelineConfig
from r1kit.config.rl import GrpoConfig
from r1kit.config.sampling import SamplingConfig
from r1kit.config.stages import STAGES, EvalConfig, RejectSampleConfig, SftConfig
from r1kit.core.errors import ConfigError

GRPO: dict[str, Any] = {"model": "org/base", "data": "train.jsonl", "output": "runs/x"}


def test_merging_goes_into_sections_and_the_override_wins() -> None:
    base = {"a": 1, "s": {"x": 1, "t": {"y": 1, "z": 1}}, "kept": {"v": 0}}
    override = {"a": 2, "s": {"t": {"y": 2}}}
    assert merge(base, override) == {"a": 2, "s": {"x": 1, "t": {"y": 2, "z": 1}}, "kept": {"v": 0}}


def test_merging_changes_neither_side() -> None:
    base: dict[str, Any] = {"s": {"x": 1}}
    override: dict[str, Any] = {"s": {"y": 2}}
    merge(base, override)["s"]["x"] = 9
    assert (base, override) == ({"s": {"x": 1}}, {"s": {"y": 2}})


def test_lists_are_replaced_and_sections_can_be_taken_away() -> None:
    assert merge({"l": [1, 2], "s": {"x": 1}}, {"l": [3], "s": None}) == {"l": [3], "s": None}


def test_short_forms_are_spelled_out() -> None:
    assert complete(GrpoConfig, {**GRPO, "held_out": {"data": "test.jsonl"}}) == {
        "model": {"path": "org/base"},
        "data": {"path": "train.jsonl"},
        "output": "runs/x",
        "held_out": {"data": {"path": "test.jsonl"}},
    }


@pytest.mark.parametrize(("schema", "data"), [(EvalConfig, "tasks"), (RejectSampleConfig, "data")])
def test_one_field_of_a_section_leaves_the_stages_other_defaults(schema: type[Any], data: str) -> None:
    values = {"model": "m", "output": "o", data: ["aime"] if data == "tasks" else "d.jsonl"}
    usual: SamplingConfig = validate(schema, values, "test").sampling
    changed: SamplingConfig = validate(schema, {**values, "sampling": {"min_p": 0.25}}, "test").sampling
    assert changed == usual.model_copy(update={"min_p": 0.25})
    assert usual != SamplingConfig()


def test_completing_twice_is_completing_once() -> None:
    values = {"model": "m", "tasks": [{"name": "aime", "data": "d.jsonl"}], "sampling": {"top_p": 0.5}}
    once = complete(EvalConfig, values)
    assert once["tasks"] == [{"name": "aime", "data": {"path": "d.jsonl"}}]
    assert complete(EvalConfig, once) == once


def test_a_valid_file_becomes_a_configuration() -> None:
    config = validate(GrpoConfig, {**GRPO, "optim": {"learning_rate": 1e-5}, "rewards": ["math=0.5"]}, "x")
    assert (config.model.path, config.data.path, config.output) == ("org/base", "train.jsonl", Path("runs/x"))
    assert config.optim.learning_rate == 1e-5
    assert [(reward.name, reward.weight) for reward in config.rewards] == [("math", 0.5)]


def test_all_mistakes_are_told_at_once_each_on_its_line() -> None:
    values = {**GRPO, "steps": "many", "sampling": {"temprature": 1, "top_p": 2}, "seed": -1}
    with pytest.raises(ConfigError) as caught:
        validate(GrpoConfig, values, "grpo.yaml")
    assert sorted(str(caught.value).splitlines()) == [
        "grpo.yaml: sampling.temprature: unknown field; did you mean temperature?",
        "grpo.yaml: sampling.top_p: must be at most 1, got 2",
        "grpo.yaml: seed: must be at least 0, got -1",
        "grpo.yaml: steps: must be a whole number, got 'many'",
    ]


def test_a_combination_that_cannot_work_is_told_in_the_stages_words() -> None:
    with pytest.raises(ConfigError, match=r"^x: sampling\.temperature is 0: all completions"):
        validate(GrpoConfig, {**GRPO, "sampling": {"temperature": 0}}, "x")


@pytest.mark.parametrize("stage", STAGES)
def test_a_dumped_configuration_loads_to_an_equal_one(stage: str) -> None:
    schema = STAGES[stage]
    values: dict[str, Any] = {"model": {"path": "m", "adapter": "a/b"}, "output": "o"}
    if "data" in schema.model_fields:
        values["data"] = {"path": "d.jsonl", "limit": 3}
    if "tasks" in schema.model_fields:
        values["tasks"] = ["aime", {"name": "own", "data": "d.jsonl", "limit": 5}]
    if "rewards" in schema.model_fields:
        values["rewards"] = ["math", {"name": "language", "weight": 0.2, "options": {"language": "en"}}]
    config = validate(schema, values, "test")
    assert validate(schema, dump(config), "dump") == config


def test_an_adapter_list_of_layer_names_is_kept() -> None:
    values = {**GRPO, "model": {"path": "m", "lora": {"targets": ["q_proj", "v_proj"]}}}
    assert validate(SftConfig, values, "x").model.lora.targets == ("q_proj", "v_proj")


def test_configuration_loads_without_torch() -> None:
    code = "import sys, r1kit.config.load, r1kit.config.pipeline; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_tilde_in_any_path_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    model = {"path": "~/base", "adapter": "~/adapter", "chat_template": "~/x.jinja"}
    config = validate(GrpoConfig, {"model": model, "data": "~/x.jsonl", "output": "~/run"}, source="f.yaml")
    paths = [config.model.path, str(config.model.adapter), config.model.chat_template]
    assert [*paths, config.data.path, str(config.output)] == [
        f"/home/me/{name}" for name in ("base", "adapter", "x.jinja", "x.jsonl", "run")
    ]
    values = {"name": "p", "output": "~/runs", "model": "m", "stages": [{"id": "a", "stage": "eval"}]}
    assert validate(PipelineConfig, values, source="p.yaml").output == Path("/home/me/runs")
    assert validate(GrpoConfig, GRPO, source="f.yaml").model.path == "org/base"
