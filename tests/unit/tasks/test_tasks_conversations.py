"""Training texts from JSONL files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r1kit.config.data import SftColumns, SftData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.tasks.conversations import Conversation, load_conversations

USER = {"role": "user", "content": "2+2"}
REPLY = {"role": "assistant", "content": "4"}
TURNS = (Message("user", "2+2"), Message("assistant", "4"))


def load(tmp_path: Path, *rows: Any, **columns: str) -> list[Conversation]:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return load_conversations(SftData(path=str(path), columns=SftColumns(**columns))).conversations


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [USER, REPLY]},
        {"prompt": "2+2", "completion": "4"},
        {"prompt": [USER], "completion": [REPLY]},
        {"prompt": [USER], "completion": "4"},
        {"messages": None, "prompt": "2+2", "completion": "4"},
        {"messages": [USER | {"name": None}, REPLY]},
    ],
)
def test_every_form_of_a_row_gives_the_same_turns(tmp_path: Path, row: dict[str, Any]) -> None:
    (conversation,) = load(tmp_path, row)
    assert conversation.messages == TURNS
    assert conversation.id == "texts/1"


def test_ids_and_other_columns_are_kept(tmp_path: Path) -> None:
    (conversation,) = load(tmp_path, {"id": "c1", "messages": [USER, REPLY], "source": "book"})
    assert (conversation.id, conversation.extra) == ("c1", {"source": "book"})


def test_messages_win_over_a_prompt_unless_only_the_pair_is_mapped(tmp_path: Path) -> None:
    row = {"messages": [USER, REPLY], "prompt": "p", "completion": "c", "question": "q"}
    assert load(tmp_path, row)[0].messages == TURNS
    pair = load(tmp_path, row, prompt="question")[0]
    assert pair.messages == (Message("user", "q"), Message("assistant", "c"))


def test_a_system_message_and_several_turns_are_kept_in_order(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "s"}, USER, REPLY, USER, REPLY]
    (conversation,) = load(tmp_path, {"messages": turns})
    assert [message.role for message in conversation.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        ({"prompt": "p"}, {}, r'field "completion" is missing; each line needs messages, or prompt and completion'),
        ({"text": "p"}, {}, r'texts.jsonl:1: field "prompt" is missing; .*this one has text'),
        ({"conversations": [USER, REPLY]}, {"messages": "conversation"}, r"did you mean conversations\?"),
        ({"prompt": 3, "completion": "c"}, {}, 'field "prompt" is 3, not a string or a list of messages'),
        ({"messages": "hi"}, {}, "field \"messages\" is 'hi', not a list of messages"),
        ({"messages": []}, {}, r'field "messages" is \[\], not a list of messages'),
        ({"messages": [USER, "4"]}, {}, r'field "messages\[1\]" is \'4\', not an object with role and content'),
        ({"messages": [{"from": "user", "value": "x"}, REPLY]}, {}, r'messages\[0\] has no "role"; it has from, value'),
        ({"messages": [{"rôle": "user", "content": "x"}]}, {}, r"did you mean rôle\?"),
        ({"messages": [{"role": "human", "content": "x"}, REPLY]}, {}, "'human', not one of: system, user, assistant"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, {}, r"messages\[1\].content\" is None, not a str"),
        ({"messages": [USER, REPLY, USER]}, {}, 'the last message is from "user"; a training text must end with'),
        ({"messages": [REPLY]}, {}, "there is nothing before the assistant turn"),
    ],
)  # fmt: skip
def test_a_bad_row_is_one_clear_line(
    tmp_path: Path, row: dict[str, Any], columns: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load(tmp_path, row, **columns)
    assert "texts.jsonl:1: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    row = {"id": "a", "messages": [USER, REPLY]}
    with pytest.raises(DataError, match=r'texts.jsonl:2: id "a" was used before, at .*texts.jsonl:1'):
        load(tmp_path, row, row)


def test_rows_with_empty_completions_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"prompt": "p", "completion": completion} for completion in ("c", " ", None)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    loaded = load_conversations(SftData(path=str(path)))
    assert [conversation.id for conversation in loaded.conversations] == ["texts/1"]
    assert loaded.dropped == {"empty completion": 2}
    path.write_text(json.dumps(rows[1]), encoding="utf-8")
    with pytest.raises(DataError, match="the completions of all 1 rows are empty"):
        load_conversations(SftData(path=str(path)))
