"""Training texts for SFT, read from a JSONL file or a hub data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from r1kit.config.data import SftColumns, SftData
from r1kit.core.errors import DataError
from r1kit.core.problem import Message
from r1kit.tasks.fields import IdRegister, require, row_id, wrong_type
from r1kit.tasks.messages import messages_in
from r1kit.tasks.rows import Row, read_rows


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation whose last message is the assistant turn that is learned.

    `extra` keeps the columns of the row that r1kit does not interpret.
    """

    id: str
    messages: tuple[Message, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadedConversations:
    """Conversations, and how many rows were left out by reason."""

    conversations: list[Conversation]
    dropped: Mapping[str, int]


def load_conversations(data: SftData) -> LoadedConversations:
    """The conversations of a data section, in the order of their rows.

    A row holds either a list of messages, or a prompt and a completion (texts, or lists of messages); messages
    win when it holds both, unless only prompt or completion columns were mapped. A row whose completion is
    empty is left out and counted.

    Raises:
        DataError: the source or one of its rows cannot be used, or no row is left.
        EnvironmentError_: the hub cannot be reached.
    """
    conversations: list[Conversation] = []
    dropped: Counter[str] = Counter()
    ids = IdRegister()
    for row in read_rows(data):
        conversation = _read_conversation(row, data.columns)
        if not conversation.messages[-1].content.strip():
            dropped["empty completion"] += 1
            continue
        ids.add(conversation.id, row.place)
        conversations.append(conversation)
    if not conversations:
        raise DataError(f"{data.path}: the completions of all {dropped.total()} rows are empty")
    return LoadedConversations(conversations, dict(dropped))


def _read_conversation(row: Row, columns: SftColumns) -> Conversation:
    if _holds_messages(row, columns):
        used = {columns.messages, "id"}
        messages = messages_in(row, columns.messages, row.values[columns.messages])
    else:
        used = {columns.prompt, columns.completion, "id"}
        messages = _turns(row, columns, columns.prompt, "user") + _turns(
            row, columns, columns.completion, "assistant"
        )
    _check_turns(row, messages)
    extra = {name: value for name, value in row.values.items() if name not in used}
    return Conversation(row_id(row, "id", is_asked_for=False), messages, extra)


def _holds_messages(row: Row, columns: SftColumns) -> bool:
    mapped = columns.model_fields_set
    if "messages" in mapped:
        # An explicit column that is missing must not be passed over in silence.
        require(row, columns.messages, f"{columns.messages}, a list of role and content", "columns.messages")
        return True
    return not mapped & {"prompt", "completion"} and row.values.get(columns.messages) is not None


def _turns(row: Row, columns: SftColumns, column: str, role: str) -> tuple[Message, ...]:
    needed = f"{columns.messages}, or {columns.prompt} and {columns.completion}"
    value = require(row, column, needed, "columns.prompt, columns.completion and columns.messages")
    if isinstance(value, list):
        return messages_in(row, column, value)
    if value is not None and not isinstance(value, str):
        raise wrong_type(row, column, value, "a string or a list of messages")
    return (Message(role, value or ""),)


def _check_turns(row: Row, messages: tuple[Message, ...]) -> None:
    if messages[-1].role != "assistant":
        raise DataError(
            f'{row.place}: the last message is from "{messages[-1].role}"; a training text must end with an '
            "assistant turn, which is what is learned"
        )
    if len(messages) == 1:
        raise DataError(f"{row.place}: there is nothing before the assistant turn; add the user message")
