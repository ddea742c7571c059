"""YAML files: numbers, booleans and text as a reader means them; what is wrong is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1kit.config.yaml_file import load_yaml, parse_yaml, to_yaml
from r1kit.core.errors import ConfigError

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def written(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E6", 1e6),
        (".5", 0.5),
        ("-2.", -2.0),
        ("12", 12),
        ("-3", -3),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("'1e-5'", "1e-5"),
        ("qwen-1.5b", "qwen-1.5b"),
    ],
)
def test_a_plain_scalar_is_what_a_reader_takes_it_for(text: str, value: object) -> None:
    read = parse_yaml(f"x: {text}", "test")["x"]
    assert read == value
    assert type(read) is type(value)


@given(st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert parse_yaml(to_yaml({"value": value}), "test") == {"value": value}


def test_an_empty_file_gives_no_fields(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, "# nothing yet\n")) == {}


def test_json_is_read_too(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, '{"steps": 3, "optim": {"beta1": 0.9}}')) == {
        "steps": 3,
        "optim": {"beta1": 0.9},
    }


def test_a_merge_key_takes_the_fields_of_an_anchor(tmp_path: Path) -> None:
    text = "base: &base {steps: 3, seed: 1}\nlonger:\n  <<: *base\n  steps: 9\n"
    assert load_yaml(written(tmp_path, text))["longer"] == {"steps": 9, "seed": 1}


def test_a_repeated_key_is_refused_with_both_places(tmp_path: Path) -> None:
    path = written(tmp_path, "optim:\n  beta1: 0.9\n  beta2: 0.9\n  beta1: 0.8\n")
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    assert str(caught.value) == (
        f"{path}:4:3: not valid YAML: 'beta1' stands twice in one section (first in line 2)"
    )


def test_broken_yaml_names_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 3\nmodel: [a, b\nseed: 1\n")
    with pytest.raises(ConfigError, match=rf"^{path}:3:5: not valid YAML: "):
        load_yaml(path)


def test_a_misspelt_file_names_the_nearest_one(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 3\n")
    with pytest.raises(ConfigError) as caught:
        load_yaml(tmp_path / "rum.yaml")
    assert str(caught.value) == f"{tmp_path / 'rum.yaml'}: no such file; did you mean {path}?"


def test_a_file_in_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; there is no folder"):
        load_yaml(tmp_path / "absent" / "run.yaml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder; give a YAML file"):
        load_yaml(tmp_path)


@pytest.mark.parametrize(("text", "kind"), [("- a\n- b\n", "list"), ("hello\n", "str")])
def test_a_file_without_fields_is_refused(tmp_path: Path, text: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"must hold fields \(key: value lines\), not a {kind}$"):
        load_yaml(written(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"steps: \xff\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 7\)"):
        load_yaml(path)


def test_python_objects_are_never_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        load_yaml(written(tmp_path, "x: !!python/object/apply:os.getcwd []\n"))
