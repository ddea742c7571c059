"""Variants of GRPO as presets: what a name sets, and that what is written wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from r1kit.cli.main import app
from r1kit.config.algorithms import PRESET_REWARDS, PRESETS
from r1kit.config.load import dump, validate
from r1kit.config.rl import GrpoAlgorithm, GrpoConfig
from r1kit.config.yaml_file import load_yaml
from r1kit.core.errors import ConfigError

FILE = {"model": "m", "data": "d.jsonl", "output": "o"}


def resolved(**changes: Any) -> GrpoConfig:
    return validate(GrpoConfig, FILE | changes, source="test")


def test_a_name_sets_the_fields_of_its_variant_and_nothing_else() -> None:
    plain = GrpoAlgorithm().model_dump()
    for name, preset in PRESETS.items():
        assert GrpoAlgorithm(name=name).model_dump() == plain | preset | {"name": name}
        assert all(plain[field] != value for field, value in preset.items())


def test_every_name_has_a_preset() -> None:
    annotation = GrpoAlgorithm.model_fields["name"].annotation
    assert set(PRESETS) == set(annotation.__args__)  # type: ignore[union-attr]
    assert set(PRESET_REWARDS) <= set(PRESETS)


def test_what_is_written_wins_over_the_variant() -> None:
    algorithm = resolved(algorithm={"name": "dapo", "beta": 0.02, "clip_eps_high": 0.2}).algorithm
    assert (algorithm.beta, algorithm.clip_eps_high) == (0.02, 0.2)
    assert (algorithm.aggregation, algorithm.resample_groups) == ("token_mean", True)


def test_dapo_brings_its_length_reward_unless_rewards_are_written() -> None:
    assert [r.name for r in resolved(algorithm={"name": "dapo"}).rewards] == ["math", "format", "length"]
    assert [r.name for r in resolved(algorithm={"name": "dapo"}, rewards=["math"]).rewards] == ["math"]
    assert [r.name for r in resolved(algorithm={"name": "gspo"}).rewards] == ["math", "format"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_dumped_configuration_is_read_back_as_it_was(name: str) -> None:
    config = resolved(algorithm={"name": name, "beta": 0.5})
    assert validate(GrpoConfig, dump(config), source="test") == config


def test_a_wrong_name_is_one_mistake_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigError, match=r"algorithm\.name: must be one of: .*did you mean dapo"):
        resolved(algorithm={"name": "dapa"})
    with pytest.raises(ConfigError, match="algorithm: must be a section"):
        resolved(algorithm=["dapo"])


def test_a_dry_run_shows_the_values_of_the_variant(tmp_path: Path) -> None:
    arguments = [
        "grpo",
        "--model",
        "m",
        "--data",
        "d.jsonl",
        "-o",
        "o",
        "--algorithm.name",
        "gspo",
        "--dry-run",
    ]
    result = CliRunner().invoke(app, [*arguments, "--algorithm.clip-eps-low", "0.01"])
    assert result.exit_code == 0, result.output
    shown = tmp_path / "shown.yaml"
    shown.write_text(result.stdout, encoding="utf-8")
    algorithm = load_yaml(shown)["algorithm"]
    assert (algorithm["ratio"], algorithm["clip_eps_low"], algorithm["clip_eps_high"]) == (
        "sequence",
        0.01,
        4e-4,
    )


def test_a_pipelines_defaults_and_a_stages_name_are_put_together_before_the_variant_fills_up(
    tmp_path: Path,
) -> None:
    (tmp_path / "d.jsonl").write_text('{"problem": "1+1", "answer": "2"}\n', encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text(
        f"""
name: p
output: {tmp_path}/run
model: {{path: m}}
defaults: {{grpo: {{data: {tmp_path}/d.jsonl, algorithm: {{group_size: 4, clip_eps_low: 0.1}}}}}}
stages:
  - {{id: a, stage: grpo}}
  - {{id: b, stage: grpo, algorithm: {{name: dapo}}}}
""",
        encoding="utf-8",
    )
    from r1kit.config.pipeline import PipelineConfig
    from r1kit.config.pipeline_file import load_pipeline
    from r1kit.pipeline.plan import plan_pipeline

    plan = plan_pipeline(validate(PipelineConfig, load_pipeline(path), source="p"), "p")
    first, second = (stage.config.algorithm for stage in plan.stages)  # type: ignore[attr-defined]
    assert (first.name, first.group_size, first.clip_eps_low, first.beta) == ("grpo", 4, 0.1, 0.001)
    assert (second.name, second.group_size, second.clip_eps_low, second.beta) == ("dapo", 4, 0.1, 0.0)
    assert plan.stages[0].fingerprint != plan.stages[1].fingerprint
