"""The configuration of PPO."""

from __future__ import annotations

from typing import Any

import pytest

from r1kit.config.load import dump, validate
from r1kit.config.ppo import PpoConfig
from r1kit.core.errors import ConfigError

FILE = {"model": "m", "data": "d.jsonl", "output": "o"}


def resolved(**changes: Any) -> PpoConfig:
    return validate(PpoConfig, FILE | changes, source="test")


def test_a_dumped_configuration_is_read_back_as_it_was() -> None:
    config = resolved(algorithm={"value_network": "shared", "lam": 1.0}, value_optim={"learning_rate": 1e-3})
    assert validate(PpoConfig, dump(config), source="test") == config


def test_the_updates_on_a_batch_are_epochs_times_minibatches() -> None:
    assert resolved(algorithm={"epochs": 3, "minibatches": 5}).algorithm.num_updates == 15


def test_one_completion_a_problem_is_enough() -> None:
    assert resolved(algorithm={"group_size": 1}).algorithm.group_size == 1


def test_more_minibatches_than_completions_are_refused() -> None:
    with pytest.raises(ConfigError, match="minibatches is 9, but a batch has 8 completions"):
        resolved(algorithm={"minibatches": 9, "problems_per_step": 4, "group_size": 2})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algorithm": {"lam": 1.5}}, "algorithm.lam"),
        ({"algorithm": {"gamma": -0.1}}, "algorithm.gamma"),
        ({"algorithm": {"value_clip": 0}}, "algorithm.value_clip"),
        ({"algorithm": {"value_network": "none"}}, "separate, shared"),
        ({"sampling": {"temperature": 0}}, "sampling.temperature is 0"),
        ({"sampling": {"top_p": 0.9}}, "must be off"),
        ({"model": {"path": "m", "lora": {"dropout": 0.1}}}, "dropout"),
        ({"rewards": []}, "rewards is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved(**changes)
