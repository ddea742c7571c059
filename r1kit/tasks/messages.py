"""Chat messages in a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from r1kit.core.errors import DataError
from r1kit.core.nearest import did_you_mean
from r1kit.core.problem import Message
from r1kit.tasks.fields import wrong_type
from r1kit.tasks.rows import Row

_ROLES: Final = ("system", "user", "assistant")


def messages_in(row: Row, column: str, value: object) -> tuple[Message, ...]:
    """`value` as messages; fields besides role and content are not read.

    Raises:
        DataError: it is no list of messages, or an empty one.
    """
    if not isinstance(value, list) or not value:
        raise wrong_type(row, column, value, "a list of messages")
    return tuple(_message(row, f"{column}[{index}]", item) for index, item in enumerate(value))


def _message(row: Row, where: str, item: object) -> Message:
    if not isinstance(item, Mapping):
        raise wrong_type(row, where, item, "an object with role and content")
    for name in ("role", "content"):
        if name not in item:
            raise DataError(
                f'{row.place}: {where} has no "{name}"; it has {", ".join(map(str, item)) or "no fields"}'
                f"{did_you_mean(name, map(str, item))}"
            )
    role, content = item["role"], item["content"]
    if role not in _ROLES:
        raise wrong_type(row, f"{where}.role", role, f"one of: {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise wrong_type(row, f"{where}.content", content, "a string")
    return Message(role, content)
