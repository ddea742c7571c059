"""A folder is whole or not there; a fingerprint knows one set of weights from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from r1kit.core.errors import EnvironmentError_, ModelError
from r1kit.models.fingerprint import base_fingerprint
from r1kit.models.folder import whole_folder


def write_half_of(folder: Path) -> None:
    with whole_folder(folder) as partial:
        (partial / "lineage.json").write_text("new", encoding="utf-8")
        _ = 1 / 0


def test_failure_while_writing_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "a") as partial:
        (partial / "lineage.json").write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError):
        write_half_of(tmp_path / "a")
    assert (tmp_path / "a" / "lineage.json").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_empty_folder_is_filled_and_missing_parents_are_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "x" / "y"):
        with whole_folder(folder) as partial:
            (partial / "file").touch()
        assert [path.name for path in folder.iterdir()] == ["file"]


def test_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="is a file"), whole_folder(tmp_path / "file"):
        pass
    with pytest.raises(EnvironmentError_, match="cannot write"), whole_folder(tmp_path / "file" / "below"):
        pass


def write_base(folder: Path, weights: bytes, config: str = '{"a": 1, "transformers_version": "5"}') -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(config, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_fingerprint_is_of_content_and_not_of_place_or_version(tmp_path: Path) -> None:
    one = base_fingerprint(write_base(tmp_path / "one", b"weights"))
    assert one == base_fingerprint(write_base(tmp_path / "two", b"weights", '{"a": 1}'))
    assert one != base_fingerprint(write_base(tmp_path / "two", b"weightz"))
    assert one != base_fingerprint(write_base(tmp_path / "two", b"weights", '{"a": 2}'))


@pytest.mark.parametrize("place", [0, 2**20, 9 * 2**20 - 1])
def test_fingerprint_of_a_large_file_sees_changes_throughout_the_file(tmp_path: Path, place: int) -> None:
    weights = bytearray(9 * 2**20)
    before = base_fingerprint(write_base(tmp_path / "big", bytes(weights)))
    for offset in range(-(2**18), 2**18):  # a training changes every tensor, not one byte
        if 0 <= place + offset < len(weights):
            weights[place + offset] = 1
    assert base_fingerprint(write_base(tmp_path / "big", bytes(weights))) != before
