from pathlib import Path

import pytest

from r1kit.config.pipeline_file import load_pipeline
from r1kit.core.errors import ConfigError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_extending_file_wins_field_by_field(tmp_path):
    write(tmp_path, "base.yaml", "name: base\nmodel: a/b\nseed: 3\ndefaults: {sft: {steps: 4, seed: 1}}\n")
    path = write(
        tmp_path,
        "more.yaml",
        "extends: base.yaml\nname: more\nmodel: {quantization: nf4}\ndefaults: {sft: {steps: 9}}\n",
    )
    assert load_pipeline(path) == {
        "name": "more",
        "model": {"path": "a/b", "quantization": "nf4"},
        "seed": 3,
        "defaults": {"sft": {"steps": 9, "seed": 1}},
    }


def test_files_that_extend_each_other_are_refused(tmp_path):
    write(tmp_path, "a.yaml", "extends: b.yaml\n")
    with pytest.raises(ConfigError, match="circle"):
        load_pipeline(write(tmp_path, "b.yaml", "extends: a.yaml\n"))


def test_a_missing_base_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml: no such file"):
        load_pipeline(write(tmp_path, "a.yaml", "extends: absent.yaml\n"))


def test_extends_must_be_a_name(tmp_path):
    with pytest.raises(ConfigError, match="extends: must be the name of a pipeline file"):
        load_pipeline(write(tmp_path, "a.yaml", "extends: [a, b]\n"))
