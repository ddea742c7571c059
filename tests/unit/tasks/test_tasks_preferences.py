"""Preference pairs from JSONL files, in r1kit's form and in the forms of well-known data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from r1kit.config.data import PreferenceColumns, PreferenceData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.tasks.preferences import LoadedPreferences, PreferencePair, load_preferences

USER = {"role": "user", "content": "How do I boil an egg?"}
GOOD = {"role": "assistant", "content": "Eight minutes."}
BAD = {"role": "assistant", "content": "No."}
PROMPT = (Message("user", "How do I boil an egg?"),)
PAIR = {"prompt": USER["content"], "chosen": GOOD["content"], "rejected": BAD["content"]}


def load(tmp_path: Path, *rows: Any, layout: str = "auto", **columns: str) -> LoadedPreferences:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return load_preferences(
        PreferenceData(path=str(path), layout=layout, columns=PreferenceColumns(**columns))
    )


@pytest.mark.parametrize(
    "row",
    [
        PAIR,
        {**PAIR, "prompt": [USER]},
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        {"prompt": "unread", "chosen": [USER, GOOD], "rejected": [USER, BAD]},
    ],
)
def test_every_form_of_a_row_gives_the_same_pair(tmp_path: Path, row: dict[str, Any]) -> None:
    (pair,) = load(tmp_path, row).pairs
    assert pair == PreferencePair("pairs/1", PROMPT, "Eight minutes.", "No.")


def test_ids_and_margins_are_kept(tmp_path: Path) -> None:
    first, second = load(
        tmp_path, {**PAIR, "id": "egg", "margin": 2}, {**PAIR, "id": 7, "margin": None}
    ).pairs
    assert (first.id, first.margin) == ("egg", 2.0)
    assert (second.id, second.margin) == ("7", None)


def test_columns_can_be_mapped(tmp_path: Path) -> None:
    row = {"q": "2+2", "good": "4", "bad": "5", "by": 0.5}
    (pair,) = load(tmp_path, row, prompt="q", chosen="good", rejected="bad", margin="by").pairs
    assert (pair.messages, pair.chosen, pair.rejected, pair.margin) == (
        (Message("user", "2+2"),),
        "4",
        "5",
        0.5,
    )


def test_rows_that_hold_no_preference_are_left_out_and_counted(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        PAIR,
        {**PAIR, "rejected": "Eight minutes. "},
        {**PAIR, "chosen": " "},
        {"chosen": [USER, GOOD], "rejected": [{**USER, "content": "?"}, BAD]},
        {"chosen": [USER, GOOD], "rejected": [USER]},
    )
    assert len(loaded.pairs) == 1
    assert loaded.dropped == {
        "equal replies": 1,
        "empty reply": 1,
        "the conversations differ before their last turn": 1,
        "a conversation does not end with a reply": 1,
    }


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "chosen": "b"}, r'pairs.jsonl:1: field "rejected" is missing'),
        ({"prompt": "a", "choosen": "b", "rejected": "c"}, "did you mean choosen"),
        ({**PAIR, "chosen": 3}, r'pairs.jsonl:1: field "chosen" is 3, not a string'),
        ({**PAIR, "prompt": ""}, "not a prompt"),
        ({"chosen": "a", "rejected": "b"}, r'field "prompt" is missing'),
        ({**PAIR, "margin": "much"}, "not a number"),
        ({**PAIR, "rejected": "Eight minutes."}, "no row holds a pair"),
        ({"chosen": [USER, {"role": "bot", "content": ""}], "rejected": [USER, BAD]}, r"chosen\[1\].role"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        load(tmp_path, row)


def test_ids_must_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was used before"):
        load(tmp_path, {**PAIR, "id": "a"}, {**PAIR, "id": "a"})


def test_ultrafeedback_gives_its_scores_as_margin(tmp_path: Path) -> None:
    row = {
        "prompt": USER["content"],
        "prompt_id": "5f2a",
        "chosen": [USER, GOOD],
        "rejected": [USER, BAD],
        "messages": [USER, GOOD],
        "score_chosen": 8.5,
        "score_rejected": 6.0,
    }
    loaded = load(tmp_path, row, {**row, "score_rejected": 8.5}, layout="ultrafeedback_binarized")
    assert loaded.pairs == [PreferencePair("pairs/1", PROMPT, "Eight minutes.", "No.", 2.5)]
    assert loaded.dropped == {"both replies have the same score": 1}


def test_hh_rlhf_dialogs_are_cut_into_turns(tmp_path: Path) -> None:
    begin = (
        "\n\nHuman: Hello\n\nAssistant: Hi! What is it?\n\nHuman: A question:\n\none more line\n\nAssistant:"
    )
    rows = [
        {"chosen": begin + " Gladly.", "rejected": begin + " No."},
        {"chosen": begin + " Yes.\n\nHuman: And?\n\nAssistant: So.", "rejected": begin + " No."},
        {"chosen": begin + " Yes.", "rejected": begin},
    ]
    loaded = load(tmp_path, *rows, layout="hh_rlhf")
    (pair,) = loaded.pairs
    assert [message.role for message in pair.messages] == ["user", "assistant", "user"]
    assert pair.messages[2].content == "A question:\n\none more line"
    assert (pair.chosen, pair.rejected) == ("Gladly.", "No.")
    assert loaded.dropped == {"the conversations differ before their last turn": 1, "empty reply": 1}


def test_a_text_that_is_no_dialog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a dialog"):
        load(tmp_path, {"chosen": "Gladly.", "rejected": "No."}, layout="hh_rlhf")


@pytest.mark.parametrize(
    ("layout", "chosen"), [("safe_rlhf_helpful", "long"), ("safe_rlhf_harmless", "safe")]
)
def test_safe_rlhf_has_a_pair_of_each_kind_in_a_row(tmp_path: Path, layout: str, chosen: str) -> None:
    row = {
        "prompt": "p",
        "response_0": "long",
        "response_1": "safe",
        "is_response_0_safe": False,
        "is_response_1_safe": True,
        "better_response_id": 0,
        "safer_response_id": 1,
    }
    (pair,) = load(tmp_path, row, layout=layout).pairs
    assert pair.chosen == chosen
    with pytest.raises(DataError, match="not 0 or 1"):
        load(tmp_path, {**row, "better_response_id": -1, "safer_response_id": None}, layout=layout)


def test_the_layout_goes_by_the_hub_id() -> None:
    ultra = PreferenceData(path="HuggingFaceH4/ultrafeedback_binarized")
    assert (ultra.layout, ultra.split) == ("ultrafeedback_binarized", "train_prefs")
    held_out = PreferenceData(path="HuggingFaceH4/ultrafeedback_binarized", split="test_prefs")
    assert held_out.split == "test_prefs"
    assert PreferenceData(path="Anthropic/hh-rlhf").layout == "hh_rlhf"
    assert PreferenceData.model_validate("pairs.jsonl").layout == "pairs"
    assert PreferenceData(path="Anthropic/hh-rlhf", layout="pairs").layout == "pairs"


def test_safe_rlhf_must_be_told_which_preference_is_meant() -> None:
    with pytest.raises(ValidationError, match="safe_rlhf_helpful or safe_rlhf_harmless"):
        PreferenceData(path="PKU-Alignment/PKU-SafeRLHF")
