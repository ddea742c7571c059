"""JSONL in and out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1kit.core.errors import DataError
from r1kit.core.jsonl import append_jsonl, dump_line, read_jsonl, write_json, write_jsonl

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return path


def test_line_numbers_count_blank_lines_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, b'\n{"a": 1}\n  \r\n{"a": "\xe4\xb8\xad"}')
    assert list(read_jsonl(path)) == [(2, {"a": 1}), (4, {"a": "中"})]


def test_a_byte_order_mark_is_not_part_of_the_first_line(tmp_path: Path) -> None:
    assert list(read_jsonl(written(tmp_path, b'\xef\xbb\xbf{"a": 1}\n'))) == [(1, {"a": 1})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": 1', r"rows.jsonl:2: not JSON: .* at column 8; each line must be one JSON object"),
        (b"[1]", "rows.jsonl:2: a JSON list; each line must be one JSON object"),
        (b'{"a": "\xff"}', r"rows.jsonl:2: not UTF-8 text \(byte 8 of the line\)"),
        (b'{"a": ' + b"1" * 5000 + b"}", "rows.jsonl:2: JSON that cannot be read: .*digits"),
        (b"[" * 100_000, "rows.jsonl:2: JSON that cannot be read"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    path = written(tmp_path, b"{}\n" + line + b"\n")
    with pytest.raises(DataError, match=message):
        list(read_jsonl(path))


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file"):
        list(read_jsonl(tmp_path / "no.jsonl"))
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        list(read_jsonl(tmp_path))


def test_numbers_that_are_not_finite_become_strings_that_float_reads_back() -> None:
    line = dump_line({"a": math.nan, "b": [math.inf, (-math.inf,)], "c": 0.5})
    assert line == '{"a": "NaN", "b": ["Infinity", ["-Infinity"]], "c": 0.5}'
    row = json.loads(line)
    assert math.isnan(float(row["a"]))
    assert float(row["b"][0]) == math.inf
    assert float(row["b"][1][0]) == -math.inf


def test_half_of_a_surrogate_pair_is_written_as_an_escape_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"text": "中\ud800"}])
    assert list(read_jsonl(path)) == [(1, {"text": "中\ud800"})]


def test_a_value_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        dump_line({"a": {1}})


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_any_object_survives_one_line(row: dict[str, object]) -> None:
    line = dump_line(row)
    assert "\n" not in line
    assert json.loads(line) == row


def test_appended_rows_stand_behind_earlier_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, [{"n": 1}])
    append_jsonl(path, [{"n": 2}, {"n": 3}])
    assert [row["n"] for _, row in read_jsonl(path)] == [1, 2, 3]


def test_a_failed_write_leaves_the_old_file_and_a_good_one_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert write_jsonl(path, [{"n": 1}, {"n": 2}]) == 2
    with pytest.raises(TypeError):
        write_jsonl(path, [{"n": 3}, {"n": object()}])
    assert [row["n"] for _, row in read_jsonl(path)] == [1, 2]
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_json_file_keeps_text_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"path": Path("a/b"), "text": "中"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == '{\n  "path": "a/b",\n  "text": "中"\n}\n'
